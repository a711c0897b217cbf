package node

import (
	"context"
	"fmt"

	"restartrules.dev/e2e/cluster/build"
)

// UpgradeControlPlane puts API server, controller manager and scheduler of another version, with these feature gates, in
// the place of those that run, and returns when the API server is ready. What is stored stays, and the kubelet and all
// Pods go on. UpgradeKubelet is the next step. From then on Up by the old options makes the cluster anew.
func (c *Cluster) UpgradeControlPlane(ctx context.Context, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	if c.Binaries, err = build.Ensure(ctx, o.Version, o.Out); err != nil {
		return err
	}
	c.Version, c.FeatureGates = o.Version, o.FeatureGates
	if err := c.save(); err != nil {
		return err
	}
	for _, component := range []string{"kube-scheduler", "kube-controller-manager", "kube-apiserver"} {
		if err := c.stop(ctx, component); err != nil {
			return err
		}
	}
	if err := c.startAPIServer(); err != nil {
		return err
	}
	if err := c.waitFor(ctx, "kube-apiserver", func() error { _, err := c.kubectl(ctx, "get", "--raw=/readyz"); return err }); err != nil {
		return err
	}
	for _, start := range []func() error{c.startControllerManager, c.startScheduler} {
		if err := start(); err != nil {
			return err
		}
	}
	fmt.Fprintf(o.Out, "the control plane is %s\n", o.Version)
	return nil
}

// UpgradeKubelet puts a kubelet of the control plane's version and feature gates in the place of the one that runs, and
// returns when the node says so and is ready. Its containers go on.
func (c *Cluster) UpgradeKubelet(ctx context.Context) error {
	if err := c.writeConfig(); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if err := c.RestartKubelet(ctx); err != nil {
		return err
	}
	return c.waitFor(ctx, "kubelet", func() error {
		version, err := c.kubectl(ctx, "get", "node", NodeName, "--output=jsonpath={.status.nodeInfo.kubeletVersion}")
		if err == nil && version != "v"+c.Version {
			err = fmt.Errorf("the node's kubelet is %s", version)
		}
		return err
	})
}

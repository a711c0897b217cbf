package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"restartrules.dev/e2e/cluster/build"
	"restartrules.dev/e2e/cluster/lock"
)

// Up returns a healthy cluster as the options say. One that is there already is left as it is if it is healthy and
// has the same version and feature gates; else it is taken down and made anew. Where binaries are missing they are
// built, which takes minutes. Processes that call it at the same time wait for each other.
//
// What runs when Up fails is left for a look at its logs; the next Up or Down of that name removes it.
func Up(ctx context.Context, o Options) (*Cluster, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	dir, err := stateDir(o.Name)
	if err != nil {
		return nil, err
	}
	if err := checkRoot(); err != nil {
		return nil, err
	}
	if c, err := findLocked(ctx, o); c != nil || err != nil {
		return c, err
	}
	if err := InstallPackages(ctx, o.Out); err != nil {
		return nil, err
	}
	// Without the lock, it takes long. So another process may make the cluster meanwhile.
	binaries, err := build.Ensure(ctx, o.Version, o.Out)
	if err != nil {
		return nil, err
	}
	held, err := acquire(ctx, o.Out)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	c, unfit := find(ctx, o)
	if unfit == nil {
		return c, nil
	}
	if !errors.Is(unfit, ErrNotFound) {
		fmt.Fprintln(o.Out, unfit)
	}
	c = &Cluster{Name: o.Name, Version: o.Version, FeatureGates: o.FeatureGates, Binaries: binaries, dir: dir}
	if err := c.replace(ctx, o.Out); err != nil {
		return nil, fmt.Errorf("cluster %s: %w", o.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, o.Wait)
	defer cancel()
	if err := c.boot(ctx, o.Out); err != nil {
		return nil, fmt.Errorf("cluster %s: %w (logs: %s)", o.Name, err, c.path("log"))
	}
	return c, nil
}

func checkRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("a cluster needs root: it makes network namespaces, cgroups and mounts")
	}
	return nil
}

// acquire takes the lock for everything that makes or removes a cluster.
func acquire(ctx context.Context, out io.Writer) (io.Closer, error) {
	cache, err := build.CacheDir()
	if err != nil {
		return nil, err
	}
	return lock.Acquire(ctx, filepath.Join(cache, "clusters.lock"), out)
}

// findLocked is find under the lock. It returns nil if there is no cluster that fits.
func findLocked(ctx context.Context, o Options) (*Cluster, error) {
	held, err := acquire(ctx, o.Out)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	c, unfit := find(ctx, o)
	if unfit != nil {
		return nil, nil
	}
	return c, nil
}

// find returns the cluster if there is one as the options say that needs nothing done, else why it does not fit.
func find(ctx context.Context, o Options) (*Cluster, error) {
	c, err := Open(o.Name)
	if err != nil {
		return nil, err
	}
	if !c.is(o) {
		return nil, fmt.Errorf("cluster %s is to be replaced: it is %s", o.Name, c)
	}
	if err := c.check(ctx); err != nil {
		return nil, fmt.Errorf("cluster %s is broken: %w", o.Name, err)
	}
	return c, nil
}

// check returns an error unless all components run and the node is ready.
func (c *Cluster) check(ctx context.Context) error {
	for _, component := range components {
		if err := c.checkAlive(component); err != nil {
			return err
		}
	}
	return c.nodeReady(ctx)
}

// replace removes what there is of that name and takes a free subnet.
func (c *Cluster) replace(ctx context.Context, out io.Writer) error {
	if err := down(ctx, c.Name, out); err != nil {
		return err
	}
	if err := c.checkUnused(); err != nil {
		return err
	}
	others, err := List()
	if err != nil {
		return err
	}
	taken, err := takenSubnets(ctx, others)
	if err != nil {
		return err
	}
	if c.Index, err = freeIndex(taken); err != nil {
		return err
	}
	return c.save()
}

// checkUnused returns an error if something has our names that the state directory knows nothing of.
func (c *Cluster) checkUnused() error {
	paths, err := c.cgroups()
	if err != nil {
		return err
	}
	for _, path := range append(paths, c.netnsFile()) {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there, but no state directory %s: is there a cluster of the same name in another %s? Take it down or use another name", path, c.dir, build.CacheEnv)
		}
	}
	return nil
}

// boot starts everything. That the kubelet runs means that all before it is done: check relies on it.
func (c *Cluster) boot(ctx context.Context, out io.Writer) error {
	start := time.Now()
	done := func(what string) { fmt.Fprintf(out, "%5.1fs %s\n", time.Since(start).Seconds(), what) }
	if err := c.writeFiles(); err != nil {
		return err
	}
	if err := c.createCgroups(); err != nil {
		return err
	}
	if err := c.createNetwork(ctx); err != nil {
		return err
	}
	if err := c.shareKubeletMounts(ctx); err != nil {
		return err
	}
	for _, start := range []func() error{c.startEtcd, c.startContainerd, c.startAPIServer} {
		if err := start(); err != nil {
			return err
		}
	}
	done("files, cgroups and network are there; etcd, containerd and kube-apiserver started")

	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := c.waitFor(groupCtx, "containerd", func() error { _, err := c.ctr(groupCtx, "version"); return err }); err != nil {
			return err
		}
		return c.loadDefaultImages(groupCtx)
	})
	group.Go(func() error {
		if err := c.waitFor(groupCtx, "kube-apiserver", func() error { _, err := c.kubectl(groupCtx, "get", "--raw=/readyz"); return err }); err != nil {
			return err
		}
		return errors.Join(c.startControllerManager(), c.startScheduler())
	})
	if err := group.Wait(); err != nil {
		return err
	}
	done("images loaded, kube-apiserver ready; kube-controller-manager and kube-scheduler started")

	if err := c.startKubelet(); err != nil {
		return err
	}
	if err := c.waitFor(ctx, "kubelet", func() error { return c.nodeReady(ctx) }); err != nil {
		return err
	}
	// The Pods of a test need it, and the controller manager makes it in its own time.
	if err := c.waitFor(ctx, "kube-controller-manager", func() error {
		_, err := c.kubectl(ctx, "get", "serviceaccount", "default", "--namespace=default")
		return err
	}); err != nil {
		return err
	}
	done("node ready")
	return nil
}

// waitFor polls until ready returns no error, as long as the component runs.
func (c *Cluster) waitFor(ctx context.Context, component string, ready func() error) error {
	err := poll(ctx, func() error {
		if err := c.checkAlive(component); err != nil {
			return err
		}
		return ready()
	})
	if err != nil {
		return fmt.Errorf("wait for %s: %w", component, err)
	}
	return nil
}

// nodeReady returns an error unless the Node is Ready and takes Pods.
func (c *Cluster) nodeReady(ctx context.Context) error {
	status, err := c.kubectl(ctx, "get", "node", NodeName, `-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}{.spec.taints}`)
	if err != nil {
		return err
	}
	if status != "True" {
		return fmt.Errorf("node is not ready (status and taints: %s)", status)
	}
	return nil
}

// RestartKubelet stops the kubelet, starts it again, and returns when it answers and the node is ready.
func (c *Cluster) RestartKubelet(ctx context.Context) error {
	if err := c.stop(ctx, "kubelet"); err != nil {
		return err
	}
	if err := c.startKubelet(); err != nil {
		return err
	}
	return c.waitFor(ctx, "kubelet", func() error {
		// The Node would stay Ready for a while without a kubelet.
		if _, err := c.kubectl(ctx, "get", "--raw=/api/v1/nodes/"+NodeName+"/proxy/healthz"); err != nil {
			return err
		}
		return c.nodeReady(ctx)
	})
}

// RestartContainerd stops containerd, starts it again, and returns when it answers. Containers go on meanwhile: their
// shims are processes of their own.
func (c *Cluster) RestartContainerd(ctx context.Context) error {
	if err := c.stop(ctx, "containerd"); err != nil {
		return err
	}
	if err := c.startContainerd(); err != nil {
		return err
	}
	return c.waitFor(ctx, "containerd", func() error { _, err := c.ctr(ctx, "version"); return err })
}

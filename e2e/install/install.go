// Package install puts the product into a cluster, as `make deploy` does, and takes it out again.
package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"restartrules.dev/e2e/cluster/node"
)

// Cluster is where the product is installed.
type Cluster struct {
	Kubeconfig, Kubectl string
	// Local is the cluster from source, nil for one that was there before.
	Local *node.Cluster
	// load is a command that loads an image archive into the cluster, its last argument.
	load []string
	root string
}

// Environment variables that choose the cluster.
const (
	// ClusterEnv is "existing" for the cluster that KUBECONFIG points at; else one is made from source.
	ClusterEnv = "CLUSTER"
	// NameEnv is the name of the one made from source; without it the default.
	NameEnv = "CLUSTER_NAME"
	// VersionEnv is its version of Kubernetes; without it the default.
	VersionEnv = "KUBERNETES_VERSION"
	// LoadImageEnv is the command that loads an image archive into an existing cluster, for example
	// "kind load image-archive". Without it the images must be there already.
	LoadImageEnv = "LOAD_IMAGE"
)

// Open gives the cluster that the environment chooses, booting the one from source if it is not up.
// root is the directory of the repository; out is told what is done.
func Open(ctx context.Context, root string, out io.Writer) (*Cluster, error) {
	switch choice := os.Getenv(ClusterEnv); choice {
	case "", "local":
		local, err := node.Up(ctx, node.Options{Name: os.Getenv(NameEnv), Version: os.Getenv(VersionEnv), Out: out})
		if err != nil {
			return nil, err
		}
		return At(local, root), nil
	case "existing":
		kubeconfig := os.Getenv("KUBECONFIG")
		if kubeconfig == "" {
			return nil, fmt.Errorf("%s=existing needs KUBECONFIG to point at the cluster", ClusterEnv)
		}
		kubectl, err := exec.LookPath("kubectl")
		if err != nil {
			return nil, fmt.Errorf("%s=existing needs kubectl: %w", ClusterEnv, err)
		}
		return &Cluster{Kubeconfig: kubeconfig, Kubectl: kubectl, root: root, load: strings.Fields(os.Getenv(LoadImageEnv))}, nil
	default:
		return nil, fmt.Errorf("%s=%s: expected local or existing", ClusterEnv, choice)
	}
}

// At gives a cluster from source that is up. root is the directory of the repository.
func At(local *node.Cluster, root string) *Cluster {
	return &Cluster{Kubeconfig: local.Kubeconfig(), Kubectl: local.Kubectl(), Local: local, root: root}
}

// LoadImages loads the images of bin/images, and does nothing else.
func (c *Cluster) LoadImages(ctx context.Context) error {
	archives, err := filepath.Glob(filepath.Join(c.root, "bin", "images", "*.tar"))
	if err != nil || len(archives) == 0 {
		return fmt.Errorf("no image archives in bin/images: make them with `make images`")
	}
	for _, archive := range archives {
		if err := c.loadImage(ctx, archive); err != nil {
			return err
		}
	}
	return nil
}

// Client talks to the API server as fast as tests ask, and keeps quiet about warnings.
func (c *Cluster) Client() (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 100, 200
	config.WarningHandler = rest.NoWarnings{}
	return kubernetes.NewForConfig(config)
}

// RunKubectl runs kubectl as a user does, with stdin as its input.
func (c *Cluster) RunKubectl(ctx context.Context, stdin string, args ...string) (stdout, stderr string, err error) {
	cmd := exec.CommandContext(ctx, c.Kubectl, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// Install loads the images of bin/images, applies the manifests with a certificate made for them, and
// waits until the webhook answers. It may run again at any time: that rolls out new images.
func (c *Cluster) Install(ctx context.Context) error {
	return c.InstallFrom(ctx, "manifests/overlays/self-signed")
}

// InstallFrom is Install with another directory, whose kustomization is made of overlays/self-signed.
func (c *Cluster) InstallFrom(ctx context.Context, dir string) error {
	if err := c.LoadImages(ctx); err != nil {
		return err
	}
	if err := c.run(ctx, "go", "run", "./certs"); err != nil {
		return err
	}
	return c.Apply(ctx, dir)
}

// ApplyKustomization is Apply for a directory of somebody's own, with this kustomization, in which "manifests" in front of a
// slash is the way to ours.
func (c *Cluster) ApplyKustomization(ctx context.Context, dir, kustomization string) error {
	// kustomize wants relative paths, and follows links.
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	manifests, err := filepath.Abs(filepath.Join(c.root, "manifests"))
	if err != nil {
		return err
	}
	if manifests, err = filepath.Rel(dir, manifests); err != nil {
		return err
	}
	text := strings.ReplaceAll(kustomization, "manifests/", manifests+"/")
	if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		return err
	}
	return c.Apply(ctx, dir)
}

// Apply applies a directory with a kustomization in place of what is installed, and waits until the webhook answers.
func (c *Cluster) Apply(ctx context.Context, dir string) error {
	fresh := c.kubectl(ctx, "get", "deployment/restartrules-webhook", "--namespace=restartrules-system") != nil
	if err := c.kubectl(ctx, "apply", "--server-side", "--force-conflicts", "-k", dir); err != nil {
		return err
	}
	if !fresh {
		// The image's name is the same, what is in it may not be.
		if err := c.kubectl(ctx, "rollout", "restart", "deployment/restartrules-webhook", "--namespace=restartrules-system"); err != nil {
			return err
		}
	}
	if err := c.kubectl(ctx, "rollout", "status", "deployment/restartrules-webhook", "--namespace=restartrules-system", "--timeout=120s"); err != nil {
		return err
	}
	return c.waitForAdmission(ctx)
}

// probe is a Pod that only the webhook refuses: the answer shows that the API server reaches it.
const probe = `{"apiVersion": "v1", "kind": "Pod",
  "metadata": {"name": "restartrules-probe", "labels": {"restartrules.dev/inject": "enabled"},
    "annotations": {"restartrules.dev/rules": "version: v0"}},
  "spec": {"containers": [{"name": "probe", "image": "probe"}]}}`

// waitForAdmission waits until the webhook judges Pods. A Service's endpoints come a moment after
// its Pods are ready.
func (c *Cluster) waitForAdmission(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		cmd := c.command(ctx, c.Kubectl, "create", "--dry-run=server", "--namespace=default", "-f", "-")
		cmd.Stdin = strings.NewReader(probe)
		output, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if errors.As(err, &exit) && bytes.Contains(output, []byte("restartrules.dev/rules")) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the webhook does not answer: creating a Pod with a wrong rules annotation says %q", output)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Uninstall removes what Install applied.
func (c *Cluster) Uninstall(ctx context.Context) error {
	return c.kubectl(ctx, "delete", "--ignore-not-found", "-k", "manifests/overlays/self-signed")
}

func (c *Cluster) loadImage(ctx context.Context, archive string) error {
	if c.Local != nil {
		return c.Local.LoadImage(ctx, archive)
	}
	if len(c.load) == 0 {
		return nil // documented: the images are there
	}
	return c.run(ctx, c.load[0], append(c.load[1:], archive)...)
}

func (c *Cluster) kubectl(ctx context.Context, args ...string) error {
	return c.run(ctx, c.Kubectl, args...)
}

// run runs a command and keeps quiet unless it fails.
func (c *Cluster) run(ctx context.Context, name string, args ...string) error {
	if output, err := c.command(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, output)
	}
	return nil
}

func (c *Cluster) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = c.root
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig)
	return cmd
}

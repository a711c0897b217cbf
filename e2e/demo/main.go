// Command demo installs the product into the cluster that the environment chooses, applies the
// manifests in examples/, shows what happens to their containers, and fails if it is not what they promise.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"restartrules.dev/e2e/install"
)

const (
	root = "."
	// namespace is the demo's own; it is opted in.
	namespace = "restartrules-demo"
	// patience is how long the examples may take; they need less than half of it.
	patience = 90 * time.Second
)

func main() {
	remove := flag.Bool("remove", false, "remove the demo's namespace, and take the product out of the cluster")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *remove); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, remove bool) error {
	cluster, err := install.Open(ctx, root, os.Stderr)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", cluster.Kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if remove {
		if err := removeNamespace(ctx, client); err != nil {
			return err
		}
		return cluster.Uninstall(ctx)
	}
	fmt.Fprintln(os.Stderr, "installing")
	if err := cluster.Install(ctx); err != nil {
		return err
	}
	return demo(ctx, cluster, client, page{w: os.Stdout, colours: isTerminal(os.Stdout)})
}

// demo runs the examples. Its error sums up what was not as promised; the page says it in full.
func demo(ctx context.Context, cluster *install.Cluster, client kubernetes.Interface, out page) error {
	if err := reportGates(ctx, client, cluster.Local != nil, out); err != nil {
		return err
	}
	if err := prepareNamespace(ctx, client); err != nil {
		return err
	}
	out.heading("kubectl apply --namespace=" + namespace + " -f examples/")
	if err := apply(ctx, cluster, out.w); err != nil {
		return err
	}
	out.timelineHead()
	story := newStory()
	if err := follow(ctx, client, story, out); err != nil {
		return err
	}
	out.heading("Before the first restart in place, and after the last")
	if err := out.identities(story); err != nil {
		return err
	}
	out.heading("Summary")
	failed, err := out.summary(story)
	if err != nil {
		return err
	}
	fmt.Fprintf(out.w, "\nLook around:  export KUBECONFIG=%s\n              %s --namespace=%s get pods,jobs\nRemove it:    make demo-down\n",
		cluster.Kubeconfig, cluster.Kubectl, namespace)
	if failed > 0 {
		return fmt.Errorf("%d of %d examples did not do what they promise, see the summary", failed, len(promises))
	}
	return nil
}

// apply applies the examples as a user does. kubectl's output, warnings among it, goes to out.
func apply(ctx context.Context, cluster *install.Cluster, out io.Writer) error {
	cmd := exec.CommandContext(ctx, cluster.Kubectl, "apply", "--namespace="+namespace, "-f", "examples/")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apply the examples: %w", err)
	}
	return nil
}

// isTerminal reports whether somebody reads the file as it is written, and wants colours.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Command clientgo asks the API server for one Pod, with client-go, and stays: what a watcher would have in memory that
// spoke to the API server itself.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "clientgo:", err)
		os.Exit(1)
	}
}

// run says "ready" when it has an answer, and waits for the context's end.
func run(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	if _, err := api.CoreV1().Pods(metav1.NamespaceDefault).Get(ctx, "none", metav1.GetOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	fmt.Println("ready")
	<-ctx.Done()
	return nil
}

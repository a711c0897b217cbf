package main

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/api"
)

const (
	fieldManager = "restartrules-demo"
	// lookAgain is how often the cluster is asked whether something has happened.
	lookAgain = 200 * time.Millisecond
	// cleanUpTime is how long Pods and namespaces may take to go away.
	cleanUpTime = time.Minute
)

// prepareNamespace makes the demo's namespace, or empties the one that an earlier run left.
func prepareNamespace(ctx context.Context, client kubernetes.Interface) error {
	ns := applycorev1.Namespace(namespace).WithLabels(map[string]string{api.InjectLabel: api.InjectEnabled})
	if _, err := client.CoreV1().Namespaces().Apply(ctx, ns, metav1.ApplyOptions{FieldManager: fieldManager, Force: true}); err != nil {
		return fmt.Errorf("namespace %s: %w", namespace, err)
	}
	soon := metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](1), PropagationPolicy: ptr.To(metav1.DeletePropagationBackground)}
	if err := client.BatchV1().Jobs(namespace).DeleteCollection(ctx, soon, metav1.ListOptions{}); err != nil {
		return fmt.Errorf("remove an earlier run's Jobs: %w", err)
	}
	if err := client.CoreV1().Pods(namespace).DeleteCollection(ctx, soon, metav1.ListOptions{}); err != nil {
		return fmt.Errorf("remove an earlier run's Pods: %w", err)
	}
	return poll(ctx, "namespace "+namespace+" to be empty and ready", func(ctx context.Context) (bool, error) {
		jobs, err := client.BatchV1().Jobs(namespace).List(ctx, metav1.ListOptions{})
		if err != nil || len(jobs.Items) > 0 {
			return false, err
		}
		pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
		if err != nil || len(pods.Items) > 0 {
			return false, err
		}
		// Without this no Pod is admitted.
		_, err = client.CoreV1().ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// removeNamespace removes the demo's namespace, if it is there, and waits until it is gone.
func removeNamespace(ctx context.Context, client kubernetes.Interface) error {
	err := client.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove namespace %s: %w", namespace, err)
	}
	return poll(ctx, "namespace "+namespace+" to be gone", func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
}

func poll(ctx context.Context, what string, condition wait.ConditionWithContextFunc) error {
	if err := wait.PollUntilContextTimeout(ctx, lookAgain, cleanUpTime, true, condition); err != nil {
		return fmt.Errorf("wait for %s: %w", what, err)
	}
	return nil
}

package live

import (
	"context"
	"io"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
)

// Logs opens the log of a container of the Pod; the caller closes it.
type Logs func(ctx context.Context, pod *corev1.Pod, options corev1.PodLogOptions) (io.ReadCloser, error)

func logsOf(client kubernetes.Interface) Logs {
	return func(ctx context.Context, pod *corev1.Pod, options corev1.PodLogOptions) (io.ReadCloser, error) {
		return client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &options).Stream(ctx)
	}
}

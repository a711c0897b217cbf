package native

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/pkg/compile"
)

// Ask finds out once what the API server takes, by dry runs of Pods in a namespace where no webhook of ours answers.
// The error is of a dry run that had no answer.
func Ask(ctx context.Context, client kubernetes.Interface, namespace string) (has compile.Features, err error) {
	d := &Detector{client: client, namespace: namespace}
	for _, f := range features {
		asking, cancel := context.WithTimeout(ctx, askTimeout)
		*f.of(&has), _, err = f.ask(asking, d)
		cancel()
		if err != nil {
			return compile.Features{}, err
		}
	}
	has.RestartAll = has.RestartAll && has.Restart
	return has, nil
}

// OfNode is what a node's kubelet has, and by the name of each feature that it lacks why.
func OfNode(n *corev1.Node) (has compile.Features, lacks map[string]string) {
	lacks = map[string]string{}
	for _, f := range features {
		ok, why := f.onNode(node{n.Name, n.Status.NodeInfo.KubeletVersion, n.Status.DeclaredFeatures})
		if *f.of(&has) = ok; !ok {
			lacks[f.name] = why
		}
	}
	return has, lacks
}

package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"

	"restartrules.dev/pkg/api"
)

// Output is what a command wrote, and its exit code.
type Output struct {
	Stdout, Stderr string
	Code           int
}

// execTimeout is how long a command may take: the watcher's answer is waited for 5 s.
const execTimeout = 20 * time.Second

type executor struct {
	config *rest.Config
	client rest.Interface
}

// exec runs the command, by WebSocket, or where API server or kubelet don't know that by SPDY, as kubectl does
// (upstream: staging/src/k8s.io/kubectl/pkg/cmd/exec/exec.go).
func (e *executor) exec(ctx context.Context, pod *corev1.Pod, container string, command ...string) (Output, error) {
	ctx, cancel := context.WithTimeout(ctx, execTimeout)
	defer cancel()
	url := e.client.Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	spdy, err := remotecommand.NewSPDYExecutor(e.config, "POST", url)
	if err != nil {
		return Output{}, err
	}
	socket, err := remotecommand.NewWebSocketExecutor(e.config, "GET", url.String())
	if err != nil {
		return Output{}, err
	}
	both, err := remotecommand.NewFallbackExecutor(socket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return Output{}, err
	}
	var stdout, stderr bytes.Buffer
	err = both.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr})
	out := Output{Stdout: stdout.String(), Stderr: stderr.String()}
	var exit utilexec.CodeExitError
	if errors.As(err, &exit) {
		out.Code, err = exit.Code, nil
	}
	return out, err
}

// InWatcher runs a command in the Pod's watcher. An error that is a *Refusal says why nothing can be run there.
func (c *Client) InWatcher(ctx context.Context, p *Pod, command ...string) (Output, error) {
	if s := p.Status.Phase; s == corev1.PodSucceeded || s == corev1.PodFailed {
		return Output{}, p.Refuse("has ended (%s), so its watcher can't be asked", s)
	}
	if s := p.status(api.WatcherContainer); s == nil || s.State.Running == nil {
		return Output{}, p.Refuse("has a watcher that doesn't run: `kubectl describe pod %s` says why", p.Name)
	}
	out, err := c.Exec(ctx, p.Pod, api.WatcherContainer, command...)
	switch {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded):
		return out, p.Refuse("gave no answer within %s", execTimeout)
	case !c.mayExec(ctx, p):
		return out, &Refusal{fmt.Sprintf("you may not run commands in pod %s/%s (verb create on pods/exec)", p.Namespace, p.Name)}
	default:
		return out, fmt.Errorf("run %s in pod %s/%s: %w", strings.Join(command, " "), p.Namespace, p.Name, err)
	}
	return out, nil
}

// mayExec asks whether commands may be run in the Pod: what an API server says that refuses to upgrade a connection is
// no more than text by the time that it is here. Where that can't be asked it may.
func (c *Client) mayExec(ctx context.Context, p *Pod) bool {
	review, err := c.Kubernetes.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: p.Namespace, Verb: "create", Resource: "pods", Subresource: "exec", Name: p.Name}},
	}, metav1.CreateOptions{})
	return err != nil || review.Status.Allowed
}

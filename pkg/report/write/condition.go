package write

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/report"
)

// OwnCondition is the condition's type where the kubelet owns AllContainersRestarting, and would drop ours.
const OwnCondition corev1.PodConditionType = "restartrules.dev/Restarting"

// Reasons of the condition (upstream: pkg/kubelet/status/generate.go, GenerateAllContainersRestartingCondition).
const (
	reasonStarted = "RestartAllContainersStarted"
	reasonFailed  = "PodFailed"
)

// condition is what there is to say of a restart of the whole Pod. underway has the restart that began last
// shown as it was when it was under way.
func condition(r *report.Report, underway bool) corev1.PodCondition {
	c := corev1.PodCondition{Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(r.Since)}
	last := r.Status.LastRestartAll()
	switch {
	case underway || r.Restarting:
		c.Status, c.Reason, c.Message = corev1.ConditionTrue, reasonStarted, "all containers restart in place"
		if last != nil {
			c.Message = cause(last)
			c.LastTransitionTime = metav1.NewTime(last.Time)
		}
	case r.Status.Failed != nil:
		c.Reason, c.Message = reasonFailed, r.Status.Failed.Message
	case last != nil && last.DurationMicros > 0:
		// Natively there is no message; True may have lasted for milliseconds only.
		c.Message = fmt.Sprintf("all containers were restarted in place in %s: %s", took(last), cause(last))
	}
	return c
}

// cause says who caused a restart, and why.
func cause(r *report.Restart) string {
	switch {
	case r.ExitCode == nil && r.Reason != "":
		return fmt.Sprintf("container %s asked for it: %s", r.Container, r.Reason)
	case r.ExitCode == nil:
		return fmt.Sprintf("container %s asked for it", r.Container)
	case r.Rule == report.NoRule:
		return fmt.Sprintf("container %s exited with code %d, which its restartPolicy restarts", r.Container, *r.ExitCode)
	default:
		return fmt.Sprintf("container %s exited with code %d, which restartPolicyRules[%d] (%s) matches", r.Container, *r.ExitCode, r.Rule, r.Action)
	}
}

func took(r *report.Restart) time.Duration { return time.Duration(r.DurationMicros) * time.Microsecond }

// nodes knows on which nodes the kubelet owns the condition.
type nodes struct {
	client kubernetes.Interface
	now    func() time.Time

	mu    sync.Mutex
	known map[string]known
}

type known struct {
	owns  bool
	until time.Time
}

const (
	// rememberNode is how long a node is not asked about again: it may be upgraded.
	rememberNode = 10 * time.Minute
	maxNodes     = 20_000
)

var restartAllSince = version.MustParseGeneric("1.35.0")

// conditionType is the type of the condition for Pods on that node; "" is a node that is not known, which is
// so before Kubernetes 1.30 only, where no kubelet owns the condition.
func (n *nodes) conditionType(ctx context.Context, name string) (corev1.PodConditionType, error) {
	if name == "" {
		return corev1.AllContainersRestarting, nil
	}
	owns, err := n.owns(ctx, name)
	if err != nil {
		return "", fmt.Errorf("look at node %s: %w", name, err)
	}
	if owns {
		return OwnCondition, nil
	}
	return corev1.AllContainersRestarting, nil
}

func (n *nodes) owns(ctx context.Context, name string) (bool, error) {
	n.mu.Lock()
	k, ok := n.known[name]
	n.mu.Unlock()
	if ok && n.now().Before(k.until) {
		return k.owns, nil
	}
	node, err := n.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, err
	}
	owns := ownsCondition(node)
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.known) >= maxNodes {
		clear(n.known)
	}
	n.known[name] = known{owns, n.now().Add(rememberNode)}
	return owns, nil
}

// ownsCondition says whether the node's kubelet has the feature. A declaration outlives its kubelet
// (upstream: pkg/kubelet/kubelet_node_status.go), so the version counts too.
func ownsCondition(node *corev1.Node) bool {
	v, err := version.ParseSemantic(node.Status.NodeInfo.KubeletVersion)
	return err == nil && !v.WithPreRelease("").LessThan(restartAllSince) && slices.Contains(node.Status.DeclaredFeatures, compile.RestartAllFeature)
}

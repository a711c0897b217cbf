//go:build e2e

package tests

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Every way in which a container can end with a code that its rules would restart, while its Pod is
// being deleted.
var deletions = map[string]struct {
	pod func(t *testing.T, shared bool) *builder
	// record is what the application does, at the least: started once, told, ended.
	record string
}{
	"rule matches 143": {
		pod: func(t *testing.T, shared bool) *builder {
			return newPod(t, "del-143", shared).rules(restartAtOnce(143))
		},
		record: "start term end",
	},
	"slow end": {
		pod: func(t *testing.T, shared bool) *builder {
			return newPod(t, "del-slow", shared, "-term-delay=2s").rules(restartAtOnce(143))
		},
		record: "start term end",
	},
	"policy Always": {
		pod: func(t *testing.T, shared bool) *builder {
			return newPod(t, "del-always", shared).
				rules(`{"containers": {"app": {"restartPolicy": "Always", "backoff": "none"}, "other": {"restartPolicy": "Never"}}}`).
				container("other")
		},
		record: "start term end",
	},
	"preStop exec ends the app with a matching code": {
		pod: func(t *testing.T, shared bool) *builder {
			return newPod(t, "del-exec", shared).rules(restartAtOnce(42)).preStop(corev1.LifecycleHandler{
				Exec: &corev1.ExecAction{Command: []string{"sh", "-c", "killall -USR1 app; sleep 1"}}})
		},
		record: "start end",
	},
	"preStop httpGet ends the app with a matching code": {
		pod: func(t *testing.T, shared bool) *builder {
			return newPod(t, "del-http", shared, "-listen=:8099").rules(restartAtOnce(42)).preStop(corev1.LifecycleHandler{
				HTTPGet: &corev1.HTTPGetAction{Path: "/quit", Port: intstr.FromInt32(8099)}})
		},
		record: "start end",
	},
	"a peer's end makes the app end with a matching code": {
		pod: func(t *testing.T, shared bool) *builder {
			needsSleep(t)
			// The app notices within microseconds that its connection is gone, two seconds before its
			// own container is told.
			b := newPod(t, "del-peer", shared, "-peer=127.0.0.1:8098", "-on-term=-1").rules(`{"containers": {
				"app": {"restartPolicy": "Never", "backoff": "none", "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]},
				"peer": {"restartPolicy": "Never", "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [99]}}]}}}`).
				container("peer", "-listen=:8098")
			return b.preStop(corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 2}})
		},
		record: "start connected end",
	},
}

func TestNothingRestartsOnDeletion(t *testing.T) {
	for name, test := range deletions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBothNamespaces(t, func(t *testing.T, shared bool) {
				p := test.pod(t, shared).create(t)
				for _, c := range p.get().Spec.Containers {
					p.waitStarts(c.Name, 1)
				}
				eventually(t, "everything runs", func() bool {
					for _, s := range p.get().Status.ContainerStatuses {
						if s.State.Running == nil {
							return false
						}
					}
					return test.record != "start connected end" || verbs(p.events("app")) == "start connected"
				})
				grace := *p.get().Spec.TerminationGracePeriodSeconds
				began := time.Now()
				require.NoError(t, client.CoreV1().Pods(enabled).Delete(t.Context(), p.name, metav1.DeleteOptions{}))
				eventually(t, "gone", func() bool {
					_, err := client.CoreV1().Pods(enabled).Get(t.Context(), p.name, metav1.GetOptions{})
					return apierrors.IsNotFound(err)
				})
				t.Logf("gone %.1f s after its deletion, grace period %d s", time.Since(began).Seconds(), grace)
				require.Equal(t, test.record, verbs(p.events("app")))
			})
		})
	}
}

func TestAnAppThatIgnoresSIGTERMIsKilledWhenItsTimeIsOver(t *testing.T) {
	inBothNamespaces(t, func(t *testing.T, shared bool) {
		b := newPod(t, "del-stubborn", shared, "-on-term=-1").rules(restartAtOnce(137))
		*b.Spec.TerminationGracePeriodSeconds = 3
		p := b.create(t)
		p.waitStarts("app", 1)
		require.NoError(t, client.CoreV1().Pods(enabled).Delete(t.Context(), p.name, metav1.DeleteOptions{}))
		eventually(t, "gone", func() bool {
			_, err := client.CoreV1().Pods(enabled).Get(t.Context(), p.name, metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
		require.Equal(t, "start term", verbs(p.events("app")))
	})
}

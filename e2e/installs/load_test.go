//go:build e2e

package installs

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/e2e/testcluster"
)

var (
	loadFor = flag.Duration("load-for", 30*time.Second, "how long admissions are asked for in TestLoad, at least")
	perSec  = flag.Int("load-rate", 50, "admissions per second in TestLoad")
)

const (
	restartsUnderLoad  = 3
	rotationsUnderLoad = 3
)

// TestLoad: while Pods are created at a steady rate the webhook's Pods are replaced one by one, its certificates rotate
// and its Deployment is rolled out anew; no Pod is refused, and each is injected. The Pods are created in dry runs: the
// API server asks the webhook as ever, and the node has nothing to do with it.
func TestLoad(t *testing.T) {
	for _, test := range []struct {
		name        string
		certManager bool
		// overlay of the manifests, and further flags of the webhook.
		overlay string
		flags   []string
		rotate  func(t *testing.T, c *testcluster.Cluster, turn int)
	}{
		{name: "self-managed", overlay: "self-managed", rotate: awaitRotation,
			// One each ten seconds or so. They are valid for longer than a busy machine stalls.
			flags: []string{"--certificate-validity=2m", "--certificate-renew-before=110s", "--certificate-overlap=5s"}},
		{name: "cert-manager", overlay: "cert-manager", certManager: true, rotate: renew},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := empty(t)
			if test.certManager {
				certManager(t, c)
			}
			namespace, _ := c.NewNamespace(t, testcluster.OptedIn)
			directory := customized(t, test.overlay, []string{"high-availability"}, test.flags)
			t.Cleanup(func() {
				if t.Failed() {
					tell(t, c)
				}
				run(t, c, "kubectl", "delete", "--ignore-not-found", "-k", directory)
			})
			run(t, c, "kubectl", "apply", "--server-side", "-k", directory)
			rolledOut(t, c)
			create(t, c, namespace, restarting("first"))

			l := startLoad(t, c, namespace, *perSec)
			pause := *loadFor / (restartsUnderLoad + rotationsUnderLoad + 2)
			began := time.Now()
			for turn := range max(restartsUnderLoad, rotationsUnderLoad) {
				l.goesOnFor(t, pause)
				if turn < restartsUnderLoad {
					l.note("a Pod of the webhook is deleted")
					replaceOne(t, c, turn)
				}
				l.goesOnFor(t, pause)
				if turn < rotationsUnderLoad {
					l.note("the certificate rotates")
					test.rotate(t, c, turn)
				}
			}
			l.goesOnFor(t, pause)
			l.note("the webhook is rolled out anew")
			run(t, c, "kubectl", "--namespace="+systemNamespace, "rollout", "restart", "deployment/restartrules-webhook")
			rolledOut(t, c)
			l.goesOnFor(t, max(pause, *loadFor-time.Since(began)))
			l.stop()

			t.Logf("%s: %s of %d admissions/s, %d restarts of the webhook, %d rotations, 1 rolling upgrade: %s", test.name,
				time.Since(began).Round(time.Second), *perSec, restartsUnderLoad, rotationsUnderLoad, l)
			for _, n := range l.notes {
				t.Logf("%s %s; slowest answer after it: %s", n.at.Format(time.TimeOnly), n.what, n.slowest.Round(time.Millisecond))
			}
			l.holds(t)
		})
	}
}

// load asks for admissions and counts the answers.
type load struct {
	client    *kubernetes.Clientset
	namespace string
	perSec    int
	cancel    context.CancelFunc
	ticker    sync.WaitGroup
	requests  sync.WaitGroup

	mu      sync.Mutex
	took    []time.Duration
	errors  []string
	without int
	// notes are what was done, and the slowest answer after each.
	notes []note
}

type note struct {
	at      time.Time
	what    string
	slowest time.Duration
}

// note says what is done now.
func (l *load) note(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes, note{at: time.Now(), what: what})
}

func startLoad(t *testing.T, c *testcluster.Cluster, namespace string, perSec int) *load {
	t.Helper()
	client, err := kubernetes.NewForConfig(restConfig(t, c))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	l := &load{client: client, namespace: namespace, perSec: perSec, cancel: cancel}
	l.note("requests begin")
	t.Cleanup(l.stop)
	l.ticker.Go(func() {
		ticks := time.NewTicker(time.Second / time.Duration(perSec))
		defer ticks.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-ticks.C:
				l.requests.Go(func() { l.ask(n) })
			}
		}
	})
	return l
}

// stop waits for the last answers.
func (l *load) stop() {
	l.cancel()
	l.ticker.Wait()
	l.requests.Wait()
}

func (l *load) ask(n int) {
	ctx, cancel := context.WithTimeout(context.Background(), testcluster.Patience)
	defer cancel()
	began := time.Now()
	pod, err := l.client.CoreV1().Pods(l.namespace).Create(ctx, restarting(fmt.Sprintf("load-%d", n)),
		metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = append(l.took, took)
	last := &l.notes[len(l.notes)-1]
	last.slowest = max(last.slowest, took)
	switch {
	case err != nil:
		l.errors = append(l.errors, began.Format(time.TimeOnly)+" "+err.Error())
	case !injected(pod):
		l.without++
	}
}

// holds requires that all was answered, and rightly.
func (l *load) holds(t *testing.T) {
	t.Helper()
	require.NotEmpty(t, l.took)
	require.Empty(t, l.errors)
	require.Zero(t, l.without, "Pods that were not injected")
}

// goesOnFor waits until what is asked for in this time is answered.
func (l *load) goesOnFor(t *testing.T, d time.Duration) {
	t.Helper()
	l.mu.Lock()
	until := len(l.took) + int(d.Seconds()*float64(l.perSec))
	l.mu.Unlock()
	deadline := time.Now().Add(d + testcluster.Patience)
	for range time.Tick(100 * time.Millisecond) {
		l.mu.Lock()
		done := len(l.took) >= until
		l.mu.Unlock()
		if done {
			return
		}
		require.True(t, time.Now().Before(deadline), "answers are missing")
	}
}

func (l *load) String() string {
	took := slices.Sorted(slices.Values(l.took))
	at := func(share float64) time.Duration {
		return took[min(int(share*float64(len(took))), len(took)-1)].Round(100 * time.Microsecond)
	}
	return fmt.Sprintf("%d admissions, %d errors, %d not injected; p50 %s, p99 %s, max %s",
		len(took), len(l.errors), l.without, at(.5), at(.99), at(1))
}

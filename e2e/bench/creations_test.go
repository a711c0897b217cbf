//go:build e2e

package bench

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/e2e/apiserver"
	"restartrules.dev/e2e/bench/results"
	"restartrules.dev/e2e/bench/review"
	"restartrules.dev/e2e/testcluster"
)

const (
	creations     = 10_000 // of each kind
	creationBlock = 500
	// creationStep is how many of a block one rate is of.
	creationStep = 50
	// creators create Pods at once.
	creators = 16
)

// measureCreations creates Pods through an API server and etcd with our configurations: in a namespace that has not opted
// in, where the webhook isn't asked, and in one that has, in turns. Nothing runs them.
func measureCreations(t *testing.T, p *results.Part) {
	dir := t.TempDir()
	api, err := apiserver.Start(dir, kubernetesVersion)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, api.Stop()) })
	webhook, installation := serveOurs(t, dir)
	require.NoError(t, api.Install(installation, root))
	client, err := kubernetes.NewForConfig(api.Config)
	require.NoError(t, err)
	kinds := []struct {
		name   string
		labels map[string]string
		rules  bool
	}{
		{name: results.NotAsked}, {name: results.NoRules, labels: testcluster.OptedIn}, {name: results.WithRules, labels: testcluster.OptedIn, rules: true},
	}
	for _, kind := range kinds {
		_, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: kind.name, Labels: kind.labels}}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	for block := range times(creations / creationBlock) {
		for _, kind := range kinds {
			pod, err := review.Pod(6000, kind.rules)
			require.NoError(t, err)
			pod.Namespace, pod.Name = kind.name, ""
			before := step{time.Now(), processorTime(t, webhook.pid)}
			millis, steps := createAll(t, client, pod, block, func() step { return step{time.Now(), processorTime(t, webhook.pid)} })
			for _, s := range steps {
				p.Add(results.CreationSeries(kind.name, "rate"), creationStep/s.at.Sub(before.at).Seconds())
				p.Add(results.CreationSeries(kind.name, "cpu"), float64((s.used-before.used).Nanoseconds())/1e3/creationStep)
				before = s
			}
			p.Add(results.CreationSeries(kind.name, "latency"), drawn(millis, keptLatencies*creationBlock/creations)...)
		}
	}
	merge(p)
}

// step is a moment of a block, and what the webhook had used of the processors by then.
type step struct {
	at   time.Time
	used time.Duration
}

// createAll creates a block of Pods and returns how long each took, in ms, and what now was after each creationStep of them.
func createAll(t *testing.T, client kubernetes.Interface, pod *corev1.Pod, block int, now func() step) (millis []float64, steps []step) {
	t.Helper()
	numbers := make(chan int)
	var all sync.WaitGroup
	var mutex sync.Mutex
	var failed error
	for range creators {
		all.Go(func() {
			for n := range numbers {
				next := pod.DeepCopy()
				next.Name = fmt.Sprintf("pod-%d-%d", block, n)
				began := time.Now()
				_, err := client.CoreV1().Pods(next.Namespace).Create(t.Context(), next, metav1.CreateOptions{})
				took := time.Since(began)
				mutex.Lock()
				if millis = append(millis, float64(took.Nanoseconds())/1e6); err != nil {
					failed = err
				}
				if len(millis)%creationStep == 0 {
					steps = append(steps, now())
				}
				mutex.Unlock()
			}
		})
	}
	for n := range creationBlock {
		numbers <- n
	}
	close(numbers)
	all.Wait()
	require.NoError(t, failed)
	return millis, steps
}

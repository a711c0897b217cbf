//go:build integration

package lookup

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"restartrules.dev/e2e/cluster/pki"
	"restartrules.dev/pkg/api"
)

const (
	atOnce = 100
	// share of timeoutSeconds that an answer may take.
	share    = 0.8
	interval = 20 * time.Millisecond
	// extra is how much memory the webhook may take above what it has when nothing is asked.
	extra = 64 << 20
	// slowAtOnce is how many registries are slow at the same time.
	slowAtOnce = 10
)

// A failure is one way in which a registry fails, and what the refusal says of it.
type failure struct {
	name     string
	registry *registry
	says     string // {host} is the registry
	// others is what those say that did not get a turn; empty: all say the same.
	others string
}

func failures(t *testing.T, authority *pki.Authority) []failure {
	with := func(change func(*answers)) *registry {
		a := good()
		change(&a)
		return newRegistry(t, authority, a)
	}
	all := func(h http.HandlerFunc) *registry { return newRegistry(t, authority, allAnswers(h)) }
	const late, waiting = "registry {host} did not answer within ", "registry {host} could not be asked within "
	return []failure{
		{name: "down", registry: downRegistry(t), says: "connection refused"},
		{name: "401", registry: all(status(401, "WWW-Authenticate", `Basic realm="test"`)), says: "registry {host} answered 401 Unauthorized"},
		{name: "404", registry: with(func(a *answers) { a.manifest = status(404) }), says: "registry {host} answered 404 Not Found"},
		{name: "429", registry: with(func(a *answers) { a.manifest = status(429, "Retry-After", "60") }), says: "registry {host} answered 429 Too Many Requests"},
		{name: "503", registry: with(func(a *answers) { a.manifest = status(503) }), says: "registry {host} answered 503 Service Unavailable"},
		{name: "garbage", registry: all(body("application/octet-stream", garbage(64<<10))), says: "registry {host}"},
		{name: "garbage for a manifest", registry: with(func(a *answers) { a.manifest = body(manifestType, garbage(64<<10)) }), says: "registry {host}"},
		{name: "garbage for a configuration", registry: with(func(a *answers) { a.config = body(configType, garbage(64<<10)) }), says: "registry {host}"},
		{name: "redirections", registry: with(func(a *answers) { a.manifest = elsewhere }), says: "registry {host} redirected more than 5 times"},
		{name: "manifest of 500 MB", registry: with(func(a *answers) { a.manifest = huge(manifestType) }), says: "registry {host} answered with more than "},
		{name: "configuration of 500 MB", registry: with(func(a *answers) {
			a.manifest = body(manifestType, manifest(hugeSize, digest(nil)))
			a.config = huge(configType)
		}), says: "registry {host} answered with more than "},
		{name: "everything of 500 MB", registry: all(huge(manifestType)), says: "registry {host}"},
		{name: "silent", registry: silentRegistry(t), says: late, others: waiting},
		{name: "slow", registry: all(slow(status(404))), says: late, others: waiting},
		{name: "trickle", registry: with(func(a *answers) { a.manifest = trickle(manifestType, manifest(1, digest(nil))) }), says: late, others: waiting},
	}
}

func allAnswers(h http.HandlerFunc) answers { return answers{h, h, h} }

func TestFailingRegistries(t *testing.T) {
	authority, err := pki.NewAuthority("registries")
	require.NoError(t, err)
	trusted := filepath.Join(t.TempDir(), "ca.crt")
	require.NoError(t, os.WriteFile(trusted, authority.Certificate, 0o644))
	healthy := newRegistry(t, authority, good())
	cases := failures(t, authority)
	registries := []map[string]any{{"host": healthy.host, "caFile": trusted}}
	var slowOnes []*registry
	for range slowAtOnce {
		slowOnes = append(slowOnes, newRegistry(t, authority, allAnswers(slow(status(404)))))
		registries = append(registries, map[string]any{"host": slowOnes[len(slowOnes)-1].host, "caFile": trusted})
	}
	for _, f := range cases {
		registries = append(registries, map[string]any{"host": f.registry.host, "caFile": trusted})
	}
	w := startWebhook(t, registries)
	limit := time.Duration(share * float64(timeout(t)))
	api, err := kubernetes.NewForConfig(server.Config)
	require.NoError(t, err)

	// What it needs for its first lookups is no cost of failures.
	for _, a := range admit(t, api, healthy.host+"/warm-up") {
		require.NoError(t, a.err)
	}
	idle := w.memory(t, "VmRSS")
	table := new(strings.Builder)
	columns := tabwriter.NewWriter(table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(columns, "registry\tmedian\tlast\tat most\tpeak above idle\tat most\tasked\t\n")
	for _, f := range cases {
		w.forgetPeak(t)
		answered := admit(t, api, f.registry.host+"/team/app")
		peak := max(w.memory(t, "VmHWM")-idle, 0)
		slices.SortFunc(answered, func(a, b answer) int { return int(a.took - b.took) })
		median, last := answered[len(answered)/2].took, answered[len(answered)-1].took
		fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%.1f MiB\t%d MiB\t%d\t\n", f.name, round(median), round(last), limit, float64(peak)/(1<<20), extra>>20, f.registry.asked.Load())
		t.Run(f.name, func(t *testing.T) {
			require.LessOrEqual(t, last, limit)
			require.LessOrEqual(t, peak, extra)
			for _, a := range answered {
				f.check(t, a)
			}
			t.Log(answered[0].err)
			// One registry that fails is not in the way of others.
			for _, a := range admitSome(t, api, healthy.host+"/after-"+strings.ReplaceAll(strings.ToLower(f.name), " ", "-"), 1) {
				require.NoError(t, a.err)
			}
		})
	}
	require.NoError(t, columns.Flush())
	t.Run("many slow registries are not in the way of another", func(t *testing.T) {
		var all sync.WaitGroup
		for i, r := range slowOnes {
			all.Go(func() {
				for _, a := range admitSome(t, api, fmt.Sprintf("%s/team/app-%d", r.host, i), atOnce/slowAtOnce) {
					if a.err == nil || a.took > limit {
						t.Errorf("%s: after %s: %v", a.image, a.took, a.err)
					}
				}
			})
		}
		require.Eventually(t, func() bool {
			return !slices.ContainsFunc(slowOnes, func(r *registry) bool { return r.asked.Load() == 0 })
		}, limit, interval, "all are being asked")
		require.NoError(t, admitSome(t, api, healthy.host+"/meanwhile", 1)[0].err)
		all.Wait()
	})
	t.Logf("%d Pods at once, each with an image of its own; idle: %.1f MiB\n%s", atOnce, float64(idle)/(1<<20), table)
}

// check holds the refusal against what its reader needs.
func (f failure) check(t *testing.T, a answer) {
	t.Helper()
	require.Error(t, a.err)
	text := a.err.Error()
	for _, part := range []string{"spec.containers[0].command", `container "app"`, a.image, f.registry.host, api.EntryPointPrefix + "app"} {
		require.Contains(t, text, part)
	}
	require.NotContains(t, text, "context deadline exceeded", "the API server gave up")
	says := strings.ReplaceAll(f.says, "{host}", f.registry.host)
	others := strings.ReplaceAll(f.others, "{host}", f.registry.host)
	if others == "" || !strings.Contains(text, others) {
		require.Contains(t, text, says)
	}
}

// timeout is timeoutSeconds of the webhooks for Pods.
func timeout(t *testing.T) time.Duration {
	t.Helper()
	var configuration admissionregistrationv1.MutatingWebhookConfiguration
	require.NoError(t, server.Client.Get(t.Context(), client.ObjectKey{Name: "restartrules"}, &configuration))
	return time.Duration(*configuration.Webhooks[0].TimeoutSeconds) * time.Second
}

// answer is what became of one Pod.
type answer struct {
	image string
	took  time.Duration
	err   error
}

// admit creates Pods all at once, each with another image of the repositories that begin like this.
func admit(t *testing.T, api kubernetes.Interface, images string) []answer {
	t.Helper()
	return admitSome(t, api, images, atOnce)
}

func admitSome(t *testing.T, client kubernetes.Interface, images string, n int) []answer {
	t.Helper()
	answers := make([]answer, n)
	ready := make(chan struct{})
	var all sync.WaitGroup
	for i := range answers {
		answers[i].image = fmt.Sprintf("%s-%d:1", images, i)
		all.Go(func() {
			<-ready
			began := time.Now()
			_, answers[i].err = client.CoreV1().Pods("default").Create(t.Context(), newPod(answers[i].image), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			answers[i].took = time.Since(began)
		})
	}
	close(ready)
	all.Wait()
	return answers
}

// newPod has a container that restarts in place, and no command.
func newPod(image string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "lookup-", Namespace: "default",
			Labels:      map[string]string{api.InjectLabel: api.InjectEnabled},
			Annotations: map[string]string{api.RulesAnnotation: rules}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: image}}},
	}
}

const rules = `{"containers": {"app": {"restartPolicy": "Never", "restartPolicyRules": [
	{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]}}}`

func round(d time.Duration) time.Duration { return d.Round(10 * time.Millisecond) }

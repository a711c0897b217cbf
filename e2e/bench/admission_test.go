//go:build e2e

package bench

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/apiserver"
	"restartrules.dev/e2e/bench/results"
	"restartrules.dev/e2e/bench/review"
	"restartrules.dev/pkg/admission"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/workload"
)

const (
	watcherImage = "localhost/restartrules/watcher:dev"
	// admissionRounds go around all kinds of requests; into as many of them as anchorRounds says the anchor is asked, too.
	admissionRounds, anchorRounds = 200, 25
	// aloneFor and togetherFor are how long requests are sent one after the other and over several connections: time enough for
	// the server to collect garbage in the latter. The anchor answers a fourth as many, and has more time.
	aloneFor, togetherFor             = 30 * time.Millisecond, 75 * time.Millisecond
	anchorAloneFor, anchorTogetherFor = 150 * time.Millisecond, 300 * time.Millisecond
	connections                       = 8
	// keptLatencies is how many latencies of a series are kept, drawn from all.
	keptLatencies = 4000
)

// server is a webhook in a process of its own, on one processor.
type server struct {
	side, url string
	pid       int
}

// handlers are those of the two sides, in this process.
func handlers(t *testing.T) map[string]http.Handler {
	t.Helper()
	hook, err := admission.New(inject.Options{Image: watcherImage, ShareProcessNamespace: true, ReadinessPort: inject.DefaultReadinessPort},
		workload.BuiltIn(), logr.Discard(), prometheus.NewRegistry())
	require.NoError(t, err)
	return map[string]http.Handler{results.Ours: hook.Handlers()[admission.MutatePath], "defaulter": newDefaulter()}
}

// measureAdmission measures both webhooks, in turns.
func measureAdmission(t *testing.T, p *results.Part) {
	dir := t.TempDir()
	ours, _ := serveOurs(t, dir)
	servers := []*server{ours, serveTheDefaulter(t, dir)}
	client := clientOf(t, dir)
	for _, s := range servers {
		require.Eventually(t, func() bool {
			response, err := client.Get(s.url)
			if err == nil {
				response.Body.Close()
			}
			return err == nil
		}, patience, 50*time.Millisecond, "the webhook of %s does not listen", s.side)
	}
	local := handlers(t)
	all, rounds := reviews(t), times(admissionRounds)
	every := max(1, rounds/times(anchorRounds))
	for i := range rounds {
		for _, r := range all {
			for _, s := range servers {
				alone, together := aloneFor, togetherFor
				if s.side != results.Ours {
					if i%every != 0 {
						continue
					}
					alone, together = anchorAloneFor, anchorTogetherFor
				}
				add := func(what string, values ...float64) {
					p.Add(results.AdmissionSeries(r.kb, r.rules, s.side, what), values...)
				}
				latencies, cpu := ask(t, client, s, r.body, 1, alone)
				add("latency1", latencies...)
				add("cpu1", cpu)
				latencies, cpu = ask(t, client, s, r.body, connections, together)
				add("latency8", latencies...)
				add("rate", 1e6/cpu)
				add("allocations", allocations(t, local[s.side], r.body))
			}
		}
	}
	merge(p)
	for i := range p.Series {
		p.Series[i].Values = drawn(p.Series[i].Values, keptLatencies)
	}
}

// reviewed is what a webhook is asked about.
type reviewed struct {
	kb    int
	rules bool
	body  []byte
}

func reviews(t *testing.T) (all []reviewed) {
	t.Helper()
	for _, kb := range []int{6, 60} {
		for _, rules := range []bool{true, false} {
			pod, err := review.Pod(kb*1000, rules)
			require.NoError(t, err)
			body, err := review.Create(pod)
			require.NoError(t, err)
			all = append(all, reviewed{kb, rules, body})
		}
	}
	return all
}

// drawn are at most so many of the values, in their order.
func drawn(values []float64, most int) []float64 {
	random := rand.New(rand.NewPCG(1, 2))
	for len(values) > most {
		kept := values[:0]
		share := float64(most) / float64(len(values))
		for _, v := range values {
			if random.Float64() < share && len(kept) < most {
				kept = append(kept, v)
			}
		}
		values = kept
	}
	return values
}

// serveOurs serves with a certificate in dir.
func serveOurs(t *testing.T, dir string) (*server, *apiserver.Installation) {
	t.Helper()
	installation, err := apiserver.Prepare(dir)
	require.NoError(t, err)
	cmd := exec.Command(absolute(t, "bin", "webhook"), "serve", "--watcher-image="+watcherImage, "--entrypoint-lookup=false", "--cert-dir="+installation.CertDir,
		"--port="+strconv.Itoa(installation.Port), "--metrics-bind-address=0", "--health-probe-bind-address=127.0.0.1:0", "--shutdown-delay=0s")
	return begin(t, cmd, &server{side: results.Ours, url: fmt.Sprintf("https://localhost:%d%s", installation.Port, admission.MutatePath)}), installation
}

func serveTheDefaulter(t *testing.T, dir string) *server {
	t.Helper()
	port, err := apiserver.FreePort()
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", defaulterEnv, port, certificateDir(dir)))
	return begin(t, cmd, &server{side: "defaulter", url: fmt.Sprintf("https://localhost:%d%s", port, defaulterPath)})
}

// certificateDir is where Prepare puts the certificate.
func certificateDir(dir string) string {
	return filepath.Join(dir, "manifests", "overlays", "self-signed")
}

// begin starts a server on one processor; it is killed when the test is over.
func begin(t *testing.T, cmd *exec.Cmd, s *server) *server {
	t.Helper()
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	s.pid = cmd.Process.Pid
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%s:\n%s", s.side, text[max(0, len(text)-2000):])
		}
	})
	return s
}

func clientOf(t *testing.T, dir string) *http.Client {
	t.Helper()
	bundle, err := os.ReadFile(filepath.Join(certificateDir(dir), "ca.crt"))
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(bundle))
	return &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, MaxIdleConnsPerHost: connections}}
}

// ask sends the review over and over, for a while, over that many connections. It returns how long answers took, in ms,
// and the server's processor time per request, in µs.
func ask(t *testing.T, client *http.Client, s *server, body []byte, connections int, during time.Duration) (millis []float64, cpu float64) {
	t.Helper()
	one := func() (float64, error) {
		began := time.Now()
		response, err := client.Post(s.url, "application/json", bytes.NewReader(body))
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err == nil && !bytes.Contains(answer, []byte(`"allowed":true`)) {
			err = fmt.Errorf("%s: status %d: %.200s", s.side, response.StatusCode, answer)
		}
		return float64(time.Since(began).Nanoseconds()) / 1e6, err
	}
	_, err := one()
	require.NoError(t, err)
	var all sync.WaitGroup
	var mutex sync.Mutex
	used, end := processorTime(t, s.pid), time.Now().Add(during)
	for range connections {
		all.Go(func() {
			var own []float64
			for time.Now().Before(end) {
				took, e := one()
				if e != nil {
					mutex.Lock()
					err = e
					mutex.Unlock()
					return
				}
				own = append(own, took)
			}
			mutex.Lock()
			millis = append(millis, own...)
			mutex.Unlock()
		})
	}
	all.Wait()
	require.NoError(t, err)
	return millis, float64((processorTime(t, s.pid) - used).Nanoseconds()) / 1e3 / float64(len(millis))
}

// discard is a ResponseWriter that allocates nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }

// allocations are those of the handler for one request.
func allocations(t *testing.T, handler http.Handler, body []byte) float64 {
	t.Helper()
	var reader bytes.Reader
	request, err := http.NewRequest(http.MethodPost, "https://localhost/?timeout=10s", nil)
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.ContentLength = int64(len(body))
	writer := &discard{header: http.Header{}}
	return testing.AllocsPerRun(50, func() {
		reader.Reset(body)
		request.Body = io.NopCloser(&reader)
		handler.ServeHTTP(writer, request)
	})
}

//go:build e2e

package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/docs/pages"
	"restartrules.dev/e2e/cluster/build"
	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/testcluster"
)

const (
	// clusterName is that of the cluster that the first page makes.
	clusterName = "start"
	firstPage   = "docs/getting-started.md"
	lastSection = "Remove it"
)

// TestMain takes the cluster down at the end, if the page hasn't. KEEP=1 keeps it up.
func TestMain(m *testing.M) {
	code := m.Run()
	if err := testcluster.Down(clusterName); err != nil {
		fmt.Fprintln(os.Stderr, "docs:", err)
		code = 1
	}
	os.Exit(code)
}

// TestPages types the first page, up to where it removes everything; then all others beside each other; then the rest.
func TestPages(t *testing.T) {
	testcluster.Need(t, "the first page makes it")
	first := newSession(t, "export PATH="+kubectl(t)+":$PATH\n")
	page, err := pages.Read(root, firstPage)
	require.NoError(t, err)
	var sections []string
	for _, c := range page.Commands() {
		if len(sections) == 0 || sections[len(sections)-1] != c.Section {
			sections = append(sections, c.Section)
		}
	}
	require.Equal(t, lastSection, sections[len(sections)-1])
	first.all(firstPage, sections[:len(sections)-1]...)
	exports, err := os.ReadFile(first.environment)
	require.NoError(t, err)
	t.Run("others", func(t *testing.T) {
		t.Run("tour", func(t *testing.T) {
			t.Parallel()
			s := newSession(t, string(exports))
			s.namespace("docs", false)
			s.all("README.md", "A tour in 60 seconds")
			// What follows is about a Pod that is there.
			s.namespace("docs", true)
			s.words = map[string]string{"POD": "trainer", "CONTAINER": "trainer", "NAMESPACE": "docs", "FILE": "examples/training-job.yaml"}
			s.all("docs/troubleshooting.md")
		})
		t.Run("operations", func(t *testing.T) {
			t.Parallel()
			s := newSession(t, string(exports))
			s.namespace("my-namespace", true)
			s.prepare("kubectl create deployment trainer --image=busybox:stable")
			s.prepare("kubectl apply -f - <<'END'\n" + waits + "END")
			s.prepare("kubectl wait --for=condition=Ready pod/trainer --timeout=60s")
			s.words = map[string]string{"POD": "trainer", "CONTAINER": "trainer", "NAME": "trainer",
				"restartrules-webhook-tls": "restartrules-webhook-self-managed"}
			s.all("README.md", "Install it")
			s.all("docs/operations.md", "Install", "Certificates", "At 3 a.m.")
			s.all("docs/metrics.md")
			s.all("docs/configuration.md")
			s.all("docs/entrypoints.md")
			s.all("docs/architecture.md")
			s.all("docs/protocol.md")
			s.all("certs/README.md")
			s.all("manifests/README.md")
		})
		t.Run("training", func(t *testing.T) {
			t.Parallel()
			s := newSession(t, string(exports))
			s.namespace("my-training", true)
			s.words = map[string]string{"FILE": "examples/training/elastic.yaml"}
			s.all("docs/training.md")
			s.files = map[string]string{"job.yaml": "examples/training-job.yaml", "pod.yaml": "examples/retriable-exit-code.yaml",
				"deployment.yaml": "examples/init-one-try.yaml"}
			s.all("docs/cli.md", "kubectl restartrules")
		})
	})
	// Here everybody would notice.
	last := newSession(t, string(exports))
	last.all("docs/operations.md", "When the webhook is down")
	last.prepare("kubectl apply --server-side -k manifests/overlays/self-managed")
	first.all(firstPage, lastSection)
}

// waits is a Pod that restarts as a whole once, and then goes on.
const waits = `
apiVersion: v1
kind: Pod
metadata: {name: trainer}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - name: trainer
    image: busybox:stable
    command: [sh, -c, "[ -e /restarted ] && exec sleep infinity; touch /restarted; exit 88"]
    restartPolicy: Never
    restartPolicyRules:
    - {action: RestartAllContainers, exitCodes: {operator: In, values: [88]}}
`

// namespace makes a namespace that has opted in; the session's kubectl may have it as its own from then on.
func (s *session) namespace(name string, own bool) {
	s.t.Helper()
	s.prepare("kubectl create namespace " + name + " --dry-run=client -o yaml | kubectl apply -f -")
	if own {
		s.prepare("kubectl label namespace " + name + " --overwrite restartrules.dev/inject=enabled")
		s.prepare("kubectl config view --flatten >" + s.environment + ".kubeconfig; export KUBECONFIG=" + s.environment +
			".kubeconfig; kubectl config set-context --current --namespace=" + name)
	}
}

// prepare types what a page takes for granted.
func (s *session) prepare(text string) {
	s.t.Helper()
	out, err := s.shell(s.t.Context(), text)
	require.NoError(s.t, err, "%s\n%s", text, out)
}

// kubectl is the directory of the cluster's kubectl, which is built before.
func kubectl(t *testing.T) string {
	t.Helper()
	binaries, err := build.Ensure(t.Context(), node.DefaultVersion, os.Stderr)
	require.NoError(t, err)
	dir := strings.TrimSpace(binaries.Kubernetes)
	require.FileExists(t, filepath.Join(dir, "kubectl"))
	return dir
}

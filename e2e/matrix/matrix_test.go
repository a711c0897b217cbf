//go:build e2e

package matrix

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
)

// versions are API servers without restart rules: one that has never heard of them, one that has them off by
// default, and one whose gates are turned off.
var versions = []string{"1.33.13", "1.34.4", "1.35.4"}

// What a cell says.
const (
	works        = "works"
	unknownField = "refused: unknown field, use the annotation"
	refused      = "invalid is refused"
)

// expected is what the cell has to say of a valid manifest, and whether an invalid one gets to us.
func expected(k kind, version string, carrier carrier) string {
	if carrier.name == "native" && version == "1.33.13" && !k.custom {
		return unknownField // by the API server's decoder, before anybody is asked
	}
	return works + "; " + refused
}

// TestMatrix applies every kind to every API server, with the rules in native fields and in the annotation: a valid
// manifest, whose Pod has to restart on a match and to end on a non-match, and an invalid one.
func TestMatrix(t *testing.T) {
	cells := map[string]string{}
	at := func(k kind, carrier carrier, version string) string {
		return k.name + " " + carrier.name + " " + version
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			began := time.Now()
			var c *testCluster
			if version == node.DefaultVersion {
				c = gatesOff(t)
			} else {
				c = newCluster(t, node.Options{Name: "matrix-" + strings.ReplaceAll(version, ".", "-"), Version: version}, true)
			}
			c.installCRDs(t)
			results := make([]string, len(kinds)*len(carriers))
			t.Run("cells", func(t *testing.T) {
				for i := range results {
					k, carrier := kinds[i/len(carriers)], carriers[i%len(carriers)]
					t.Run(k.name+" "+carrier.name, func(t *testing.T) {
						t.Parallel()
						results[i] = "FAILED"
						results[i] = c.try(t, k, carrier)
						require.Equal(t, expected(k, version, carrier), results[i])
					})
				}
			})
			for i, result := range results {
				cells[at(kinds[i/len(carriers)], carriers[i%len(carriers)], version)] = result
			}
			t.Logf("%s in %s", version, time.Since(began).Round(time.Second))
		})
	}

	rows := [][]string{append(append([]string{"KIND", "RULES IN"}, versions...), "INVALID IS REFUSED AT")}
	for _, k := range kinds {
		for _, carrier := range carriers {
			row := []string{k.name, carrier.name}
			for _, version := range versions {
				result, ok := cells[at(k, carrier, version)]
				if !ok {
					result = "NOT RUN"
				}
				row = append(row, result)
			}
			rows = append(rows, append(row, k.in(carrier.at)+".restartPolicy"))
		}
	}
	t.Logf("works: its Pod restarted in place on a match and ended on a non-match\n%s", table(rows))
}

// try is a cell of the matrix.
func (c *testCluster) try(t *testing.T, k kind, carrier carrier) string {
	namespace, dir := c.NewNamespace(t, testcluster.OptedIn)
	apply := func(policy any) (stderr string, err error) {
		template := podTemplate(dir, k.always)
		carrier.put(t, template, policy, restartOn42)
		_, stderr, err = c.kubectl(t, text(t, k.manifest(template)), "apply", "-n", namespace, "-f", "-")
		return stderr, err
	}

	// Both halves are tried, for the table to say which one does not work.
	invalid := refused
	stderr, err := apply(nil)
	switch path := k.in("spec.containers[0].restartPolicyRules"); {
	case err == nil:
		invalid = "invalid is ACCEPTED"
		c.mustKubectl(t, "", "delete", k.name, cell, "-n", namespace, "--grace-period=1")
	case strings.Contains(stderr, `unknown field "`+path+`"`):
		stderr, err = apply("Never")
		require.Error(t, err)
		require.Contains(t, stderr, `unknown field "`+path+`"`)
		return unknownField
	default:
		said := strings.TrimSuffix(strings.TrimSpace(stderr), " (line 1)") // of the annotation
		require.Equal(t, `The `+k.name+` "`+cell+`" is invalid: `+k.in(carrier.at)+
			".restartPolicy: Required value: must specify restartPolicy when restart rules are used", said)
	}

	stderr, err = apply("Never")
	require.NoError(t, err, stderr)
	if k.play != nil {
		k.play(t, c, namespace)
	}
	c.restartsAndEnds(t, k, namespace, dir)
	return works + "; " + invalid
}

// restartsAndEnds lets the kind's Pod exit with 42 and then with 7: once it is restarted, in the same container, then not.
func (c *testCluster) restartsAndEnds(t *testing.T, k kind, namespace, dir string) {
	t.Helper()
	look := func() *corev1.Pod {
		pods, err := c.API.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=" + cell})
		require.NoError(t, err)
		// Those of an invalid object that was accepted go away.
		pods.Items = slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil })
		if len(pods.Items) == 0 {
			return &corev1.Pod{}
		}
		require.Len(t, pods.Items, 1, "Pods of the kind")
		return &pods.Items[0]
	}
	var before, after *corev1.Pod
	eventually(t, "the application runs", func() bool {
		before = look()
		return statusOf(before, "app").State.Running != nil
	})
	require.Equal(t, api.ModeEmulated, before.Labels[api.ModeLabel])
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), nil, 0o644))

	eventually(t, "the application ends", func() bool {
		after = look()
		return statusOf(after, "app").State.Terminated != nil && (k.always || after.Status.Phase == corev1.PodFailed)
	})
	status := statusOf(after, "app")
	require.EqualValues(t, 7, status.State.Terminated.ExitCode)
	require.Equal(t, before.UID, after.UID)
	require.Equal(t, statusOf(before, "app").ContainerID, status.ContainerID)
	require.Zero(t, status.RestartCount)
	if k.always {
		require.Equal(t, corev1.PodRunning, after.Status.Phase)
	}
	events, err := readRecord(filepath.Join(dir, string(after.UID)))
	require.NoError(t, err)
	require.Equal(t, ran{starts: 2, codes: "42,7"}, ranAs(events, 0))
}

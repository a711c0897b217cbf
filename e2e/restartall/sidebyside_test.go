//go:build e2e

package restartall

import (
	"errors"
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/cluster/build"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
)

// TestSideBySide plays each scenario on a kubelet that restarts all containers itself, with nothing of ours, and on one that does
// not, with us: with the Pod's process namespace shared and not shared. The native outcome is the one in the scenario's file; ours is the same but for the differences that are allowed.
func TestSideBySide(t *testing.T) {
	scenarios, err := Load("scenarios")
	require.NoError(t, err)
	allowed, err := LoadDifferences("differences.yaml")
	require.NoError(t, err)
	began := time.Now()
	sides := sides(t, allowed)
	t.Run("scenarios", func(t *testing.T) {
		for _, side := range sides {
			side.results = make([]result, len(scenarios))
		}
		for i, s := range scenarios {
			for _, side := range sides {
				t.Run(s.Name+", "+side.name, func(t *testing.T) { t.Parallel(); side.results[i] = side.run(t, s) })
			}
		}
	})
	for _, side := range sides {
		for i, s := range scenarios {
			r := side.results[i]
			assert.NoError(t, r.err, "%s, %s: %s", s.Name, side.name, r)
		}
	}
	rows := []string{}
	for i, s := range scenarios {
		rows = append(rows, s.Name)
		for _, side := range sides {
			rows = append(rows, "  "+side.name+": "+side.results[i].String())
		}
	}
	t.Logf("%d scenarios in %s\n%s", len(scenarios), time.Since(began).Round(time.Second), strings.Join(rows, "\n"))
}

var (
	only       = flag.String("only", "", "native or ours: play on this cluster alone")
	nativeOnly = flag.String("native", "build", "build: build the Kubernetes of the native cluster if need be, for minutes; cached: leave that cluster out then")
)

// leftOut says whether the native cluster is left out, and tells why: what it did is in the scenarios.
func leftOut(t *testing.T) bool {
	if *nativeOnly != "cached" {
		return false
	}
	cached, err := build.Cached(t.Context(), nativeVersion)
	require.NoError(t, err)
	if !cached {
		t.Run("native", func(t *testing.T) {
			t.Skipf("Kubernetes %s has not been built on this machine; make test-restartall does, and plays it side by side", nativeVersion)
		})
	}
	return !cached
}

// side is a way to play the scenarios, and what came of them.
type side struct {
	name    string
	cluster *testcluster.Cluster
	native  bool
	allowed []Difference
	// annotations are added to each Pod.
	annotations map[string]string
	results     []result
}

// sides are the two clusters, ours twice. They are up, and shared by the tests.
func sides(t *testing.T, allowed []Difference) (sides []*side) {
	t.Helper()
	onlyFromSource(t)
	if *only != "ours" && !leftOut(t) {
		c, err := native()
		require.NoError(t, err)
		sides = append(sides, &side{name: "native", cluster: c, native: true})
	}
	if *only != "native" {
		c, err := ours()
		require.NoError(t, err)
		for _, shared := range []string{"true", "false"} {
			name := map[string]string{"true": "ours", "false": "ours, own process namespaces"}[shared]
			sides = append(sides, &side{name: name, cluster: c, allowed: allowed,
				annotations: map[string]string{api.ShareProcessNamespaceAnnotation: shared}})
		}
	}
	return sides
}

type result struct {
	Outcome
	err error // says how the outcome is not as expected
}

func (r result) String() string { return strings.Join(r.Lines(), "; ") }

func (side *side) run(t *testing.T, s Scenario) (r result) {
	expected := func(o Outcome) bool { return Apart(s.Name, s.Expected, o, side.allowed) == nil }
	r.Outcome, r.err = side.play(t, s, expected)
	if r.err != nil {
		r.err = errors.Join(r.err, Apart(s.Name, s.Expected, r.Outcome, side.allowed))
	}
	return r
}

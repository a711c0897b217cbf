//go:build e2e

package tests

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheGatesAreOff shows that what the other tests see is not Kubernetes' own doing.
func TestTheGatesAreOff(t *testing.T) {
	if cluster.Local == nil {
		t.Skip("the gates of an existing cluster are what its owner wants them to be")
	}
	metrics := apiServerMetrics(t)
	for _, gate := range []string{"ContainerRestartRules", "RestartAllContainersOnContainerExits"} {
		require.NotRegexp(t, `(?m)^kubernetes_feature_enabled\{name="`+gate+`",[^}]*\} 1$`, metrics)
	}
	if hasFields { // others have no such gate
		require.Regexp(t, `(?m)^kubernetes_feature_enabled\{name="ContainerRestartRules",[^}]*\} 0$`, metrics)
	}
}

// apiServerMetrics is what the API server measures of itself.
func apiServerMetrics(t *testing.T) string {
	t.Helper()
	text, err := client.RESTClient().Get().AbsPath("/metrics").DoRaw(t.Context())
	require.NoError(t, err)
	return string(text)
}

package compile

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseFeatures(t *testing.T) {
	for name, tc := range map[string]struct {
		names []string
		want  Features
		err   string
	}{
		"none":    {nil, Features{}, ""},
		"one":     {[]string{"ContainerRestartRules"}, Features{Restart: true}, ""},
		"both":    {[]string{"RestartAllContainersOnContainerExits", "ContainerRestartRules"}, Features{Restart: true, RestartAll: true}, ""},
		"unknown": {[]string{"ContainerRestartRules", "All"}, Features{}, `"All" is unknown, must be of ContainerRestartRules, RestartAllContainersOnContainerExits`},
		"lacking": {[]string{"RestartAllContainersOnContainerExits"}, Features{}, "has RestartAllContainersOnContainerExits without ContainerRestartRules, which it needs"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseFeatures(tc.names)
			require.Equal(t, tc.want, got)
			if tc.err == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tc.err)
		})
	}
}

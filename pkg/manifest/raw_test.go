package manifest

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRawContains(t *testing.T) {
	for _, tc := range []struct {
		live, want string
		contains   bool
	}{
		{`{"a":1,"b":2}`, `{"a":1}`, true},
		{`{"a":1}`, `{"a":1,"b":2}`, false},
		{`{"a":2}`, `{"a":1}`, false},
		{`{"a":{"b":1,"c":1}}`, `{"a":{"b":1}}`, true},
		{`{}`, `{"a":{},"b":[],"c":null}`, true},
		{`{}`, `{"a":{"b":null}}`, false},
		{`{"a":1}`, `{"a":{}}`, false},
		{`{"a":1}`, `{"a":[]}`, false},
		{`["x","y"]`, `["x","y"]`, true},
		{`["x","y","z"]`, `["x","y"]`, false},
		{`[{"n":1},{"n":2,"m":3}]`, `[{"n":2}]`, true},
		{`[{"n":1}]`, `[{"n":2}]`, false},
		{`null`, `{"a":1}`, false},
	} {
		require.Equal(t, tc.contains, Raw(tc.live).Contains(Raw(tc.want)), "%s, %s", tc.live, tc.want)
	}
	require.True(t, Raw(nil).Contains(nil))
	require.False(t, Raw(nil).Contains(Raw(`{"a":1}`)))
}

func TestRaw(t *testing.T) {
	var c Container
	require.NoError(t, json.Unmarshal([]byte(`{"livenessProbe": {"future": 1.50}, "startupProbe": null}`), &c))
	require.Nil(t, c.StartupProbe)
	text, err := json.Marshal(map[string]Raw{"a": c.LivenessProbe, "b": nil})
	require.NoError(t, err)
	require.Equal(t, `{"a":{"future":1.50},"b":null}`, string(text))
	require.True(t, c.LivenessProbe.Equal(Raw(`{"future":1.5}`)))
	require.False(t, c.LivenessProbe.Equal(nil))
	require.True(t, Raw(nil).Equal(nil))
}

package report

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const least = `{"version":1,"pod":{"namespace":"n","name":"p","uid":"u"},"since":"2026-01-02T03:04:05Z",` +
	`"status":{"version":1,"phase":"Running","observedAt":"2026-01-02T03:04:05Z","restarts":{}}}`

func TestDecode(t *testing.T) {
	recent := func(list string) string {
		return `{"version":1,"pod":{"namespace":"n","name":"p","uid":"u"},"status":{"version":1,"observedAt":"2026-01-02T03:04:05Z","recent":[` + list + `]}}`
	}
	const entry = `{"id":1,"action":"Restart"}`
	for name, test := range map[string]struct{ text, says string }{
		"the least":              {least, ""},
		"a key of a later one":   {`{"tomorrow":1,` + least[1:], ""},
		"nothing":                {"", "report: unexpected end of JSON input"},
		"a list":                 {"[]", "report: json: cannot unmarshal array"},
		"no version":             {"{}", "report: has version 0, this release reads versions 1 to 1"},
		"no Pod":                 {`{"version":1}`, "report: pod: namespace, name and uid are required"},
		"another version inside": {`{"version":1,"pod":{"namespace":"n","name":"p","uid":"u"},"status":{"version":2}}`, "report: status.version is 2, expected 1 as the report's"},
		"no time":                {`{"version":1,"pod":{"namespace":"n","name":"p","uid":"u"},"status":{"version":1}}`, "report: status.observedAt is required"},
		"an unknown action":      {recent(`{"id":1,"action":"Explode"}`), `report: status.recent[0].action is "Explode": expected Restart, RestartAllContainers or TerminatePod`},
		"the same id":            {recent(entry + "," + entry), "report: status.recent[1].id is 1, expected more than 1"},
		"too many": {recent(entry + `,{"id":2},{"id":3},{"id":4},{"id":5},{"id":6},{"id":7},{"id":8},{"id":9},{"id":10},{"id":11}`),
			"report: status.recent has 11 entries, at most 10 are taken"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode([]byte(test.text))
			if test.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.says)
		})
	}
	var version *VersionError
	_, err := Decode([]byte(`{"version":7}`))
	require.ErrorAs(t, err, &version)
	require.Equal(t, 7, version.Version)
}

// FuzzDecodeReport: whatever comes, it is refused, or can be written and read again as the same.
func FuzzDecodeReport(f *testing.F) {
	b := NewBook(containers(), true, start)
	b.Began(byRule(ActionRestartAll), 1, 0, at(1))
	b.Finished(1, at(2))
	b.GaveUp("why", &Stuck{"app", 7, "driver"}, at(3))
	text, err := b.Report(pod).Encode()
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(least))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Decode(text)
		if err != nil {
			return
		}
		_, _ = r.Status.LastRestartAll(), r.Status.LastID()
		first, err := r.Encode()
		require.NoError(t, err)
		again, err := Decode(first)
		require.NoError(t, err)
		second, err := again.Encode()
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))
	})
}

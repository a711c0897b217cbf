package plan

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const text = `{"version":1,"restartPolicy":{"own":"Always","compiled":"Never"},"containers":[` +
	`{"name":"setup","kind":"initContainer","wrapped":false,"why":"the kubelet does it"},` +
	`{"name":"trainer","kind":"container","wrapped":true,"why":"restarts on 42","onExit":"0-41:end,42:restart/0,43-255:end","backoff":"none",` +
	`"declared":{"restartPolicy":"Never"}}]}`

func TestRoundTrip(t *testing.T) {
	p, err := Decode(text)
	require.NoError(t, err)
	require.Equal(t, &Plan{Version: 1, RestartPolicy: RestartPolicy{"Always", "Never"}, Containers: []Container{
		{Name: "setup", Kind: KindInitContainer, Why: "the kubelet does it"},
		{Name: "trainer", Kind: KindContainer, Wrapped: true, Why: "restarts on 42", OnExit: "0-41:end,42:restart/0,43-255:end",
			Backoff: "none", Declared: json.RawMessage(`{"restartPolicy":"Never"}`)},
	}}, p)
	require.Equal(t, []string{"trainer"}, p.Wrapped())
	require.Equal(t, "setup", p.Container("setup").Name)
	require.Nil(t, p.Container("nobody"))

	again, err := p.Encode()
	require.NoError(t, err)
	require.Equal(t, text, again)
}

const wholePod = `{"version":1,"restartPolicy":{"own":"Always","compiled":"Always"},` +
	`"restartAll":{"backoff":"none","terminationGracePeriodSeconds":30},"readinessPort":15951,"containers":[` +
	`{"name":"setup","kind":"initContainer","wrapped":false,"why":"a twin replays it","twin":"setup-replay"},` +
	`{"name":"trainer","kind":"container","wrapped":true,"why":"all","onExit":"0-255:end","source":true,"liveness":{"exec":{"command":["true"]}},` +
	`"restartPolicy":"Always","terminationGracePeriodSeconds":30},` +
	`{"name":"setup-replay","kind":"container","wrapped":true,"why":"replays setup","onExit":"0-255:end","twinOf":"setup"}]}`

func TestRoundTripOfWholePod(t *testing.T) {
	p, err := Decode(wholePod)
	require.NoError(t, err)
	require.Equal(t, []string{"trainer", "setup-replay"}, p.Wrapped())
	require.EqualValues(t, 30, p.RestartAll.TerminationGracePeriodSeconds)
	require.Equal(t, "setup", p.Container("setup-replay").TwinOf)
	require.JSONEq(t, `{"exec":{"command":["true"]}}`, string(p.Container("trainer").Liveness))
	again, err := p.Encode()
	require.NoError(t, err)
	require.Equal(t, wholePod, again)
}

func TestDecodeErrors(t *testing.T) {
	for text, message := range map[string]string{
		``:              "plan: not the JSON object that it must be: unexpected end of JSON input",
		`{}`:            "plan: has no version",
		`null`:          "plan: has no version",
		`{"version":2}`: "plan: has version 2, this release reads up to version 1",
		`{"version":0}`: "plan: has version 0, there is none below 1",
		`{"version":1,"containers":[{"name":"","kind":"container"}]}`:                                                   `plan: containers[0] "": has no name`,
		`{"version":1,"containers":[{"name":"a","kind":"pod"}]}`:                                                        `plan: containers[0] "a": kind "pod": expected container or initContainer`,
		`{"version":1,"containers":[{"name":"a","kind":"container","twinOf":"b"},{"name":"b","kind":"initContainer"}]}`: `plan: containers[0] "a": container "b" is not its counterpart`,
		`{"version":1,"containers":[{"name":"a","kind":"container","wrapped":true,"onExit":"0:end"}]}`:                  `plan: containers[0] "a": exit table: ends before code 1, must cover 0-255`,
	} {
		_, err := Decode(text)
		require.EqualError(t, err, message)
	}
}

func TestWhatANewerReleaseAddsIsPassedOver(t *testing.T) {
	newer := strings.NewReplacer(`{"version":1,`, `{"version":1,"mood":{"good":true},`, `"kind":`, `"tags":["a"],"kind":`).Replace(wholePod)
	p, err := Decode(newer)
	require.NoError(t, err)
	again, err := p.Encode()
	require.NoError(t, err)
	require.Equal(t, wholePod, again)

	_, err = Decode(`{"version":2,"containers":"elsewhere"}`)
	var tooNew *NewerError
	require.ErrorAs(t, err, &tooNew)
	require.Equal(t, 2, tooNew.Version)
}

func FuzzDecode(f *testing.F) {
	f.Add(text)
	f.Add(`{"version":1}`)
	f.Add(wholePod)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Decode(text)
		if err != nil {
			return
		}
		once, err := p.Encode()
		require.NoError(t, err)
		p, err = Decode(once)
		require.NoError(t, err)
		twice, err := p.Encode()
		require.NoError(t, err)
		require.Equal(t, once, twice)
	})
}

package probe

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	grace := int64(7)
	for _, test := range []struct {
		name, text string
		want       Spec
	}{
		{"defaults", `{"tcpSocket":{"port":80}}`,
			Spec{TCPSocket: &TCPSocketAction{Port: 80}, TimeoutSeconds: 1, PeriodSeconds: 10, SuccessThreshold: 1, FailureThreshold: 3}},
		{"all fields", `{"grpc":{"port":9,"service":"s"},"initialDelaySeconds":2,"timeoutSeconds":3,"periodSeconds":4,"successThreshold":5,"failureThreshold":6,"terminationGracePeriodSeconds":7}`,
			Spec{GRPC: &GRPCAction{Port: 9, Service: "s"}, InitialDelaySeconds: 2, TimeoutSeconds: 3, PeriodSeconds: 4, SuccessThreshold: 5, FailureThreshold: 6, TerminationGracePeriodSeconds: &grace}},
		{"httpGet's defaults, null service, unknown field", `{"httpGet":{"port":"8080"},"grpc":null,"novelty":[1]}`,
			Spec{HTTPGet: &HTTPGetAction{Path: "/", Port: 8080, Scheme: "HTTP"}, TimeoutSeconds: 1, PeriodSeconds: 10, SuccessThreshold: 1, FailureThreshold: 3}},
		{"httpGet", `{"httpGet":{"path":"/a?b","port":1,"host":"h","scheme":"HTTPS","httpHeaders":[{"name":"X","value":"1"},{"name":"X","value":"2"}]},"periodSeconds":1}`,
			Spec{HTTPGet: &HTTPGetAction{Path: "/a?b", Port: 1, Host: "h", Scheme: "HTTPS", HTTPHeaders: []HTTPHeader{{"X", "1"}, {"X", "2"}}}, TimeoutSeconds: 1, PeriodSeconds: 1, SuccessThreshold: 1, FailureThreshold: 3}},
		{"exec", `{"exec":{"command":["cat","/ok"]}}`,
			Spec{Exec: &ExecAction{Command: []string{"cat", "/ok"}}, TimeoutSeconds: 1, PeriodSeconds: 10, SuccessThreshold: 1, FailureThreshold: 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := Parse([]byte(test.text))
			require.NoError(t, err)
			require.Equal(t, &test.want, s)
			require.Equal(t, time.Duration(s.TimeoutSeconds)*time.Second, s.Timeout())
			require.Equal(t, s.GRPC != nil || s.HTTPGet != nil, s.NeedsProber())
		})
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{`:  "probe: unexpected end of JSON input",
		`{}`: "probe: has 0 handlers: expected one of exec, httpGet, tcpSocket and grpc",
		`{"exec":{"command":["a"]},"tcpSocket":{"port":1}}`: "probe: has 2 handlers: expected one of exec, httpGet, tcpSocket and grpc",
		`{"exec":{}}`:                                       "probe: exec: has no command",
		`{"tcpSocket":{}}`:                                  "probe: has no port",
		`{"tcpSocket":{"port":"web"}}`:                      `probe: port "web": expected a number: names are resolved before`,
		`{"httpGet":{"port":65536}}`:                        "probe: port 65536: expected 1 to 65535",
		`{"grpc":{"port":0}}`:                               "probe: port 0: expected 1 to 65535",
		`{"httpGet":{"port":1,"scheme":"ftp"}}`:             `probe: httpGet: scheme "ftp": expected HTTP or HTTPS`,
		`{"tcpSocket":{"port":1},"periodSeconds":-1}`:       "probe: periodSeconds: is -1, must be at least 1",
		`{"tcpSocket":{"port":1},"initialDelaySeconds":-1}`: "probe: initialDelaySeconds: is -1, must be at least 0",
	} {
		t.Run(text, func(t *testing.T) {
			_, err := Parse([]byte(text))
			require.EqualError(t, err, want)
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"httpGet":{"path":"/a","port":80,"host":"h","scheme":"HTTPS","httpHeaders":[{"name":"X","value":"1"}]},"timeoutSeconds":3}`))
	f.Add([]byte(`{"grpc":{"port":"9","service":null},"terminationGracePeriodSeconds":0}`))
	f.Add([]byte(`{"exec":{"command":["a",""]},"periodSeconds":2147483647}`))
	f.Add([]byte(`{"tcpSocket":{"port":1e2}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		require.Positive(t, s.PeriodSeconds)
		again, err := json.Marshal(s)
		require.NoError(t, err)
		same, err := Parse(again)
		require.NoError(t, err)
		require.Equal(t, s, same, "what the prober is sent is what was parsed")
	})
}

func TestOutcomes(t *testing.T) {
	for text, outcome := range map[string]Outcome{"success": Success, "failure": Failure, "unknown": Unknown} {
		var got Outcome
		require.NoError(t, got.UnmarshalText([]byte(text)))
		require.Equal(t, outcome, got)
		require.Equal(t, text, got.String())
	}
	require.Error(t, new(Outcome).UnmarshalText([]byte("warning")))
	require.Equal(t, "unknown", Outcome(9).String())
	require.Equal(t, "Startup", Startup.String())
	require.Equal(t, "Liveness", Liveness.String())

	require.Equal(t, Success, Exec(0, false))
	require.Equal(t, Failure, Exec(1, false))
	require.Equal(t, Failure, Exec(137, false))
	require.Equal(t, Failure, Exec(-1, true), "a timeout is a failure")
	require.Equal(t, Unknown, Exec(-1, false), "could not be run")
}

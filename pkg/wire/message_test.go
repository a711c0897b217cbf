package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMessagesRoundTrip(t *testing.T) {
	for text, m := range map[string]Message{
		"hello version=1":                                        {Verb: Hello, Version: 1},
		"started attempt=2 pid=17 micros=231":                    {Verb: Started, Attempt: 2, PID: 17, Micros: 231},
		"exited attempt=1 code=42 action=restart rule=0 wait=10": {Verb: Exited, Attempt: 1, Code: 42, Restart: true, Wait: 10},
		"exited attempt=7 code=137 action=end rule=-1 wait=0":    {Verb: Exited, Attempt: 7, Code: 137, Rule: -1},
		"stopping": {Verb: Stopping},
		"ok":       {Verb: OK},
	} {
		require.Equal(t, text, string(m.Append(nil)))
		got, err := Parse([]byte(text))
		require.NoError(t, err)
		require.Equal(t, m, got)
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                         `unknown message ""`,
		"hallo":                    `unknown message "hallo"`,
		"exited code":              `message exited: "code": expected key=value`,
		"exited code=x":            `message exited: code: expected a number, got "x"`,
		"exited action=reboot":     `message exited: action: unknown action "reboot"`,
		string(make([]byte, 1000)): "message of 1000 bytes, must have at most 512",
	} {
		_, err := Parse([]byte(text))
		require.EqualError(t, err, want)
	}
}

func TestParsePassesOverUnknownKeys(t *testing.T) {
	m, err := Parse([]byte("hello version=2 color=blue"))
	require.NoError(t, err)
	require.Equal(t, Message{Verb: Hello, Version: 2}, m)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("exited attempt=1 code=42 action=restart rule=0 wait=10"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		again, err := Parse(m.Append(nil))
		require.NoError(t, err)
		require.Equal(t, string(m.Append(nil)), string(again.Append(nil)))
	})
}

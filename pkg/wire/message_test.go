package wire

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var messages = map[string]Message{
	"hello version=1":                                        {Verb: Hello, Version: 1},
	"started attempt=2 pid=17 micros=231":                    {Verb: Started, Attempt: 2, PID: 17, Micros: 231},
	"exited attempt=1 code=42 action=restart rule=0 wait=10": {Verb: Exited, Attempt: 1, Code: 42, Action: ActionRestart, Wait: 10},
	"exited attempt=7 code=137 action=end rule=-1 wait=0":    {Verb: Exited, Attempt: 7, Code: 137, Action: ActionEnd, Rule: -1},
	"exited attempt=7 code=88 action=all rule=2 wait=0":      {Verb: Exited, Attempt: 7, Code: 88, Action: ActionAll, Rule: 2},
	"stopping": {Verb: Stopping},
	"ok":       {Verb: OK},
	"leave":    {Verb: Leave},
	"startup":  {Verb: Startup},
	"state gen=0 is=new attempt=0 code=0 rule=-1 pid=0 micros=0 wait=0": {Verb: State, Is: IsNew, Rule: -1},
	"state gen=3 is=running attempt=4 code=0 rule=-1 pid=17 micros=88 wait=0": {
		Verb: State, Gen: 3, Is: IsRunning, Attempt: 4, Rule: -1, PID: 17, Micros: 88},
	"state gen=3 is=asks attempt=4 code=88 rule=1 action=pod pid=0 micros=0 wait=0": {
		Verb: State, Gen: 3, Is: IsAsks, Attempt: 4, Code: 88, Rule: 1, Action: ActionPod},
	"state gen=3 is=stuck attempt=4 code=137 rule=-1 action=all pid=17 micros=0 wait=0 name=nvidia?smi": {
		Verb: State, Gen: 3, Is: IsStuck, Attempt: 4, Code: 137, Rule: -1, Action: ActionAll, PID: 17, Name: "nvidia?smi"},
	"run gen=2":                             {Verb: Run, Gen: 2},
	"stop gen=2 grace=2000 pre=0":           {Verb: Stop, Gen: 2, Grace: 2000},
	"stop gen=2 grace=2000 pre=1":           {Verb: Stop, Gen: 2, Grace: 2000, PreStop: true},
	"end code=-1":                           {Verb: End, Code: -1},
	"kill grace=30000 judge=0":              {Verb: Kill, Grace: 30000},
	"kill grace=30000 judge=1 attempt=3":    {Verb: Kill, Grace: 30000, Judge: true, Attempt: 3},
	"exec id=5 name=liveness timeout=1000":  {Verb: Exec, ID: 5, Name: ExecLiveness, Timeout: 1000},
	"execed id=5 code=-1 timeout=1":         {Verb: Execed, ID: 5, Code: -1, TimedOut: true},
	"execed id=5 code=0 timeout=0":          {Verb: Execed, ID: 5},
	`demand reason="data set \"a=b\"\nx"`:   {Verb: Demand, Reason: "data set \"a=b\"\nx"},
	`restart grace=30000 reason="new data"`: {Verb: Restart, Grace: 30000, Reason: "new data"},
	`no reason=""`:                          {Verb: No},
}

func TestMessagesRoundTrip(t *testing.T) {
	for text, m := range messages {
		require.Equal(t, text, string(m.Append(nil)))
		got, err := Parse([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, m, got)
	}
}

func TestEveryVerbIsKnown(t *testing.T) {
	tested := map[Verb]bool{}
	for _, m := range messages {
		tested[m.Verb] = true
	}
	for _, verb := range verbs {
		require.True(t, tested[verb], "%s is in no test", verb)
	}
}

func TestWhatDoesNotFitIsCut(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", 5000), strings.Repeat("\x00", 5000), strings.Repeat("ü", 5000)} {
		m := Message{Verb: Demand, Reason: text}
		b := m.Append(nil)
		require.LessOrEqual(t, len(b), MaxMessage)
		got, err := Parse(b)
		require.NoError(t, err)
		require.Greater(t, len(got.Reason), 50)
	}
	m := Message{Verb: State, Name: "a b=c\n\"ü" + strings.Repeat("x", 100)}
	require.Contains(t, string(m.Append(nil)), ` name=a?b?c????x`)
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                         `unknown message ""`,
		"hallo":                    `unknown message "hallo"`,
		"exited code":              `message exited: "code": expected key=value`,
		"exited code attempt=1":    `message exited: "code": expected key=value`,
		"exited code=x":            `message exited: code: expected a number, got "x"`,
		"exited action=reboot":     `message exited: action: unknown action "reboot"`,
		"state is=asleep":          `message state: is: unknown state "asleep"`,
		"stop pre=yes":             `message stop: pre: expected 0 or 1, got "yes"`,
		`no reason="x`:             `message no: reason: expected a quoted text, got "x`,
		`no reason="x"y`:           `message no: reason: expected a space behind "x"`,
		string(make([]byte, 1000)): "message of 1000 bytes, must have at most 512",
	} {
		_, err := Parse([]byte(text))
		require.EqualError(t, err, want)
	}
}

func TestParsePassesOverUnknownKeys(t *testing.T) {
	m, err := Parse([]byte(`hello color="light blue" version=2 shape=round`))
	require.NoError(t, err)
	require.Equal(t, Message{Verb: Hello, Version: 2}, m)
}

func TestMessagesOnTheHotPathMakeNoGarbage(t *testing.T) {
	buffer := make([]byte, 0, MaxMessage)
	state := messages["state gen=3 is=asks attempt=4 code=88 rule=1 action=pod pid=0 micros=0 wait=0"]
	stop := []byte("stop gen=2 grace=2000 pre=0")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		state.Append(buffer)
		m, err := Parse(stop)
		if err != nil || m.Grace != 2000 {
			t.Fail()
		}
	}))
}

func FuzzParse(f *testing.F) {
	for text := range messages {
		f.Add([]byte(text))
	}
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

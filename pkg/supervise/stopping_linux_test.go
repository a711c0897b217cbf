package supervise_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/wire"
)

func TestNothingIsLeftOfAStoppedContainer(t *testing.T) {
	for name, script := range leftovers {
		for where, options := range map[string]func(*testing.T) []option{
			"shared namespace": func(*testing.T) []option { return nil },
			"own namespace":    func(t *testing.T) []option { return []option{inPIDNamespace(t)} },
		} {
			t.Run(name+"/"+where, func(t *testing.T) {
				state := filepath.Join(t.TempDir(), "state")
				c := converse(t, []string{member, byCode, noBackoff}, sh(`
					if [ -e `+state+` ]; then
						for pid in $(cat `+state+`); do
							[ -e /proc/$pid ] && echo still there: $pid
						done
						echo next; exit 0
					fi
					exec 3>&1; (`+script+`) > `+state+`.raw; sed 's/left //' `+state+`.raw > `+state+`
					echo ready; while :; do sleep 0.01; done`), options(t)...)
				c.do(`
					< state is=new
					> run gen=0
					< state is=running
					| ready
					> stop gen=1 grace=60000 pre=0
					< state is=stopping
					< state is=parked code=143
					> run gen=1
					< state is=running
					| next
					< state is=ended
					> end code=-1
					exit 0`)
				b, err := os.ReadFile(state)
				require.NoError(t, err)
				require.NotEmpty(t, strings.Fields(string(b)), "the script left nothing, so the test shows nothing")
			})
		}
	}
}

// What came into the container while nothing runs there, by exec, is gone before the next start.
func TestAStopClearsAContainerInWhichNothingRuns(t *testing.T) {
	c := converse(t, []string{member, byCode}, sh(`(setsid sh -c 'trap "" TERM; sleep 1000' &) ; sleep 0.1; exit 88`))
	defer c.end()
	c.do(`
		< state is=new
		> run gen=0
		< state is=running
		< state is=asks
		gone $pid
		> stop gen=1 grace=0 pre=0
		< state is=parked`)
	require.Empty(t, childrenOf(t, c.cmd.Process.Pid))
}

func TestToldToStopByTheRuntime(t *testing.T) {
	const begun = `
		< state is=new
		> run gen=0
		< state is=running
		| ready
		`
	for name, test := range map[string]struct {
		role    string
		command []string
		steps   string
	}{
		"a member that never ran": {member, obedient, "< state is=new\nsignal SIGTERM\nexit 143"},
		"a twin that never ran":   {twin, obedient, "< state is=new\nsignal SIGTERM\nexit 0"},
		"running":                 {member, untilTold, begun + "signal SIGTERM\nuntil stopping\n> ok\nexit 7"},
		"asks":                    {member, obedient, begun + "stdin 88\n< state is=asks\nsignal SIGTERM\nexit 88"},
		"ended":                   {member, obedient, begun + "stdin 3\n< state is=ended\nsignal SIGTERM\nexit 3"},
		"parked":                  {member, untilTold, begun + "> stop gen=1 grace=60000 pre=0\nuntil state is=parked\nsignal SIGTERM\nexit 7"},
		"parked, never ran":       {member, untilTold, "< state is=new\n> stop gen=1 grace=60000 pre=0\n< state is=parked\nsignal SIGTERM\nexit 143"},
		"in back-off": {member, obedient, begun + `stdin 42
			< state is=running
			| ready
			stdin 42
			< state is=backoff
			signal SIGTERM
			exit 42`},
		"stopping, and it takes long": {member,
			sh(`trap '[ -n "$told" ] && exit 9; told=1' TERM; echo ready; while :; do sleep 0.01; done`), begun + `
			> stop gen=1 grace=60000 pre=0
			< state is=stopping
			signal SIGTERM
			exit 9`},
	} {
		t.Run(name, func(t *testing.T) {
			c := converse(t, []string{test.role, byCode, longBackoff}, test.command, inPIDNamespace(t), pipeStdin(t))
			defer c.end()
			c.do(test.steps)
		})
	}
}

func TestTheRuntimesStopForgetsSIGKILL(t *testing.T) {
	begin := func() *conversation {
		c := converse(t, []string{member, byCode}, stubborn, inPIDNamespace(t))
		c.do("< state is=new\n> run gen=0\n< state is=running\n| ready\n> stop gen=1 grace=200 pre=0\n< state is=stopping")
		return c
	}
	left := begin()
	defer left.end()
	left.do("signal SIGTERM\n< stopping\n> ok")
	clock := begin()
	defer clock.end()
	clock.do("< state is=parked code=137")
	left.do("reconnect\n< state gen=1 is=stopping")
}

func TestNothingStartsAfterTheRuntimesStop(t *testing.T) {
	c := converse(t, []string{member, byCode, noBackoff}, deaf, inPIDNamespace(t), pipeStdin(t))
	defer c.end()
	c.do(`
		< state is=new
		> run gen=0
		< state is=running
		| ready
		> stop gen=1 grace=60000 pre=0
		< state is=stopping
		signal SIGTERM
		< stopping
		> run gen=1
		stdin 7
		exit 7`)
}

func TestWhatEndsNoProcessIsNoStop(t *testing.T) {
	c := converse(t, []string{member, byCode, noBackoff}, obedient, inPIDNamespace(t), pipeStdin(t))
	defer c.end()
	c.do(`
		< state is=new
		> run gen=0
		< state is=running
		| ready
		signal SIGCONT
		signal SIGURG
		stdin 42
		< state is=running attempt=2
		| ready`)
}

func TestMarksOfAMember(t *testing.T) {
	for name, test := range map[string]struct {
		code string
		kind wire.MarkKind
		dir  string
		exit string
	}{
		"Pod, would ask":      {"88", wire.Pod, "", "exit 88"},
		"Pod, would restart":  {"42", wire.Pod, "", "exit 42"},
		"hook, would ask":     {"87", wire.Self, "/attempt", "exit 87"},
		"Pod, ends":           {"5", wire.Pod, "", "< state is=ended\n> end code=-1\nexit 5"},
		"peer, nothing comes": {"88", wire.Peer, "", "< state is=asks"},
	} {
		t.Run(name, func(t *testing.T) {
			c := converse(t, []string{member, byCode, noBackoff}, obedient, pipeStdin(t))
			defer c.end()
			c.do("< state is=new\n> run gen=0\n< state is=running\n| ready")
			mark(t, c.dir+test.dir, test.kind, wire.Now())
			c.do("stdin " + test.code + "\n" + test.exit)
		})
	}
	t.Run("a stop does not wait for the news", func(t *testing.T) {
		c := converse(t, []string{member, byCode, "--hold=1h"}, obedient, pipeStdin(t))
		defer c.end()
		c.do("< state is=new\n> run gen=0\n< state is=running\n| ready\nstdin 42")
		eventually(t, "the command is gone", func() bool { return gone(c.variables["$pid"]) })
		c.do("> stop gen=1 grace=60000 pre=0\nuntil state is=parked\n> run gen=1\n< state is=running\n| ready")
	})
}

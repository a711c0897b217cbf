package supervise_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each script leaves processes behind and prints their ids, one a line, after "left"; the second
// attempt prints "next" with those that it still finds.
var leftovers = map[string]string{
	"child":                "sleep 1000 & echo left $!",
	"child in a session":   "setsid sleep 1000 & echo left $!",
	"double-forked daemon": "(setsid sh -c 'echo left $$; exec sleep 1000' &) ; sleep 0.1",
	"ignores SIGTERM":      `sh -c 'trap "" TERM INT HUP; echo left $$; while :; do sleep 0.01; done' & sleep 0.1`,
	"several levels":       `sh -c 'echo left $$; sh -c "echo left \$\$; sh -c \"echo left \\\$\\\$; sleep 1000\" & wait" & wait' & sleep 0.2`,
	"stopped":              "sleep 1000 & echo left $!; kill -STOP $!",
	"fork bomb":            `f() { sh -c 'sleep 0.001; exit' & }; (while :; do f; sleep 0.001; done) & echo left $!; sleep 0.05`,
}

func TestNothingIsLeftBeforeTheNextStart(t *testing.T) {
	for name, script := range leftovers {
		for where, options := range map[string]func(*testing.T) []option{
			"shared namespace": func(*testing.T) []option { return nil },
			"own namespace":    func(t *testing.T) []option { return []option{inPIDNamespace(t)} },
		} {
			t.Run(name+"/"+where, func(t *testing.T) {
				state := filepath.Join(t.TempDir(), "state")
				s := start(t, []string{restart42, noBackoff}, sh(`
					if [ -e `+state+` ]; then
						for pid in $(cat `+state+`); do
							[ -e /proc/$pid ] && echo still there: $pid
						done
						echo next; exit 0
					fi
					exec 3>&1; (`+script+`) > `+state+`.raw; sed 's/left //' `+state+`.raw > `+state+`
					exit 42`), options(t)...)
				lines, code := s.wait()
				require.Zero(t, code, s.stderr.String())
				require.Equal(t, []string{"next"}, lines)
				b, err := os.ReadFile(state)
				require.NoError(t, err)
				require.NotEmpty(t, strings.Fields(string(b)), "the script left nothing, so the test shows nothing")
			})
		}
	}
}

func TestNothingIsLeftWhenTheContainerEnds(t *testing.T) {
	s := start(t, []string{endAlways}, sh(`
		(setsid sh -c 'trap "" TERM; echo $$; while :; do sleep 0.01; done' &)
		sleep 0.1; exit 4`))
	pid := s.line()
	_, code := s.wait()
	require.Equal(t, 4, code)
	require.True(t, gone(pid))
}

func TestToldToStopTheWholeTreeGoes(t *testing.T) {
	// The command ends on SIGTERM, its child does not.
	s := start(t, []string{restartAll, noBackoff}, sh(`
		trap 'exit 0' TERM
		sh -c 'trap "" TERM; echo child $$; while :; do sleep 0.01; done' &
		while :; do sleep 0.01; done`), inPIDNamespace(t))
	require.Contains(t, s.line(), "child ")
	s.signal(syscall.SIGTERM)
	_, code := s.wait()
	require.Zero(t, code)
}

func TestZombiesAreReapedWhileTheCommandRuns(t *testing.T) {
	// Orphans end while the command goes on; none may stay a zombie below the shim.
	s := start(t, []string{endAlways}, sh(`
		i=0; while [ $i -lt 50 ]; do (setsid true &); i=$((i+1)); done
		echo made; read go; exit 0`), pipeStdin(t))
	require.Equal(t, "made", s.line())
	eventually(t, "no zombies below the shim", func() bool {
		for _, pid := range childrenOf(t, s.cmd.Process.Pid) {
			b, _ := os.ReadFile("/proc/" + pid + "/stat")
			if strings.Contains(string(b), ") Z ") {
				return false
			}
		}
		return len(childrenOf(t, s.cmd.Process.Pid)) == 1
	})
	s.send("go\n")
	_, code := s.wait()
	require.Zero(t, code)
}

func childrenOf(t *testing.T, pid int) []string {
	entries, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	var children []string
	for _, path := range entries {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		text := string(b)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			children = append(children, filepath.Base(filepath.Dir(path)))
		}
	}
	return children
}

func TestDescriptorsDoNotGrow(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	s := start(t, []string{restart42, noBackoff, "--seam=off"}, sh(`
		echo x >> `+count+`; n=$(wc -l < `+count+`)
		case $n in 20|200) echo $(ls /proc/$PPID/fd | wc -l) $(ls /proc/$$/fd | wc -l);; esac
		[ $n -lt 200 ] && exit 42; exit 0`))
	lines, code := s.wait()
	require.Zero(t, code)
	require.Len(t, lines, 2)
	require.Equal(t, lines[0], lines[1], "descriptors of the shim and of the command, at attempts 20 and 200")
}

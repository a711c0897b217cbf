package supervise_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/supervise"
)

// impatientVariable, set to member or twin, makes this test's binary a shim that waits less long for a
// watcher than the real one.
const impatientVariable = "RESTARTRULES_TEST_IMPATIENT"

const (
	unwatched = 300 * time.Millisecond
	orphaned  = 400 * time.Millisecond
)

func runImpatient(args []string) int {
	c := supervise.Config{Container: "app", Env: os.Environ(), Unwatched: unwatched, Orphaned: orphaned, Role: supervise.Member}
	if os.Getenv(impatientVariable) == "twin" {
		c.Role = supervise.Twin
	}
	for i, arg := range args {
		if arg == "--" {
			c.Argv = args[i+1:]
			break
		}
		name, value, _ := strings.Cut(arg, "=")
		switch name {
		case "--dir":
			c.Dir = value
		case "--on-exit":
			var err error
			if c.Table, err = exittable.Parse(value); err != nil {
				return 2
			}
		}
	}
	return supervise.Run(c)
}

func impatient(t *testing.T, role string) option {
	return func(cmd *exec.Cmd) {
		binary, err := os.Executable()
		require.NoError(t, err)
		for i, arg := range cmd.Args {
			if arg == shimBinary {
				cmd.Args[i] = binary
			}
		}
		if cmd.Path == shimBinary {
			cmd.Path = binary
		}
		cmd.Env = append(os.Environ(), impatientVariable+"="+role)
	}
}

func TestWithoutAWatcher(t *testing.T) {
	asks, ends := "--on-exit=0-255:all/0", endAlways
	echo := sh(`echo run; exit 6`)

	t.Run("a member starts after all", func(t *testing.T) {
		c := unattended(t, []string{ends}, echo, impatient(t, "member"))
		require.NoError(t, c.listener.Close())
		require.Equal(t, "run", c.line())
		lines, code := c.wait()
		require.Contains(t, c.stderr.String(), "there is no watcher")
		require.Empty(t, lines)
		require.Equal(t, 6, code, "nobody says what becomes of it")
	})
	t.Run("a twin does not", func(t *testing.T) {
		c := unattended(t, []string{ends}, echo, impatient(t, "twin"), inPIDNamespace(t))
		require.NoError(t, c.listener.Close())
		member := unattended(t, []string{ends}, echo, impatient(t, "member"))
		require.NoError(t, member.listener.Close())
		require.Equal(t, "run", member.line())
		_, code := member.wait() // by then the twin would have given up twice
		require.Equal(t, 6, code)
		c.do("signal SIGTERM\nexit 0")
	})
	for name, test := range map[string]struct {
		table, steps string
		code         int
	}{
		"asks": {asks, `
			> run gen=0
			< state is=running
			| run
			< state is=asks`, 6},
		"ended": {ends, `
			> run gen=0
			< state is=running
			| run
			< state is=ended`, 6},
		"parked": {ends, `
			> stop gen=1 grace=0 pre=0
			< state is=parked`, 0},
	} {
		t.Run(name+" ends with its own code", func(t *testing.T) {
			c := converse(t, []string{test.table}, echo, impatient(t, "member"))
			c.do("< state is=new" + test.steps)
			require.NoError(t, c.connection.Close())
			require.NoError(t, c.listener.Close())
			lines, code := c.wait()
			require.Empty(t, lines)
			require.Equal(t, test.code, code)
			require.Contains(t, c.stderr.String(), "no watcher to decide")
		})
	}
	t.Run("only time without counts", func(t *testing.T) {
		c := converse(t, []string{asks}, echo, impatient(t, "member"))
		for range 5 {
			c.do("< state is=new\nreconnect")
		}
		c.do(`
			< state is=new
			> run gen=0
			< state is=running
			| run
			< state is=asks
			reconnect
			< state is=asks code=6
			> end code=9
			exit 9`)
	})
}

//go:build e2e && linux

package total

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/wire"
)

var (
	runs = flag.Int("runs", 100, "how often each shape is stopped")

	shimBinary, shapeBinary string
)

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "total")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	shimBinary, shapeBinary = filepath.Join(dir, "shim"), filepath.Join(dir, "shape")
	for binary, source := range map[string]string{shimBinary: "restartrules.dev/cmd/shim", shapeBinary: "restartrules.dev/e2e/total/shape"} {
		build := exec.Command("go", "build", "-o", binary, source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOEXPERIMENT=nogreenteagc")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Printf("build %s: %v\n%s", source, err, out)
			return 1
		}
	}
	return m.Run()
}

// shape is what the container has become when it is told to stop.
type shape struct {
	command []string
	// lines is how many processes say that they are there.
	lines int
	// processes is how many there have to be at the least.
	processes int
	// execs are commands that are run in the container from outside, with one line each.
	execs [][]string
}

var shapes = map[string]shape{
	"several levels":            {command: []string{"levels", "4"}, lines: 15, processes: 15},
	"daemons that left":         {command: []string{"daemons", "6"}, lines: 7, processes: 7},
	"deaf to SIGTERM":           {command: []string{"deaf", "5"}, lines: 6, processes: 6},
	"of another user":           {command: []string{"nobody", "5"}, lines: 6, processes: 6},
	"fork bomb":                 {command: []string{"bomb"}, lines: 1, processes: pidsMax},
	"fork bomb of sessions":     {command: []string{"bomb-sessions"}, lines: 1, processes: pidsMax},
	"fork bomb that flees":      {command: []string{"bomb-flees", "4"}, lines: 5, processes: 5},
	"born by an exec":           {command: []string{"sleep"}, lines: 1, processes: 4, execs: [][]string{{"sleep"}, {"deaf"}, {"daemon"}}},
	"fork bomb born by an exec": {command: []string{"sleep"}, lines: 1, processes: pidsMax, execs: [][]string{{"bomb-sessions"}}},
}

// grace is what the command gets between SIGTERM and SIGKILL, in milliseconds.
const grace = 50

func TestNothingIsLeft(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to make namespaces and cgroups")
	}
	for name, shape := range shapes {
		for _, shared := range []bool{false, true} {
			where := map[bool]string{false: "own namespace", true: "shared namespace"}[shared]
			t.Run(name+"/"+where, func(t *testing.T) {
				c := newContainer(t, shared, shape.command...)
				c.watcher.until(wire.IsNew, 0)
				var took []time.Duration
				for gen := range *runs {
					c.watcher.send(wire.Message{Verb: wire.Run, Gen: gen})
					c.watcher.until(wire.IsRunning, gen)
					sessions := c.become(t, shape)

					began := time.Now()
					c.watcher.send(wire.Message{Verb: wire.Stop, Gen: gen + 1, Grace: grace})
					c.watcher.until(wire.IsParked, gen+1)
					took = append(took, time.Since(began))
					require.Empty(t, c.left(t), "run %d of %d", gen+1, *runs)
					for _, session := range sessions {
						_ = session.Wait() // by whatever it died
					}
				}
				slices.Sort(took)
				t.Logf("nothing left in %d of %d; stopped in %v (median) to %v", len(took), *runs,
					took[len(took)/2].Round(time.Microsecond), took[len(took)-1].Round(time.Microsecond))
			})
		}
	}
}

// become waits until the container has the shape, and gives the exec sessions.
func (c *container) become(t *testing.T, shape shape) (sessions []*exec.Cmd) {
	t.Helper()
	for range shape.lines {
		c.expectUp(t, c.stdout)
	}
	for _, command := range shape.execs {
		session := enter(c.watcher.shim, append([]string{shapeBinary}, command...)...)
		c.expectUp(t, c.start(t, session))
		sessions = append(sessions, session)
	}
	eventually(t, "so many processes", func() bool { return c.processes(t) >= shape.processes })
	return sessions
}

// eventually looks again and again until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !condition(); {
		require.True(t, time.Now().Before(end), what)
	}
}

//go:build e2e

package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/bench/results"
	"restartrules.dev/pkg/wire"
)

// patience is how long anything without a cluster may take that should happen at once.
const patience = 30 * time.Second

// supervisors start a program under something, in a directory of its own; again has it started again when it ends.
type supervisor struct {
	name string
	argv func(dir string, again bool, program ...string) []string
}

// theShim is ours, without a watcher.
func theShim(t *testing.T) supervisor {
	binary := absolute(t, "bin", "shim")
	return supervisor{"shim", func(dir string, again bool, program ...string) []string {
		action := "--on-exit=0-255:end"
		if again {
			action = "--on-exit=0-255:restart/policy"
		}
		return append([]string{binary, "run", "--container=bench", action, "--backoff=none", "--dir=" + dir, "--"}, program...)
	}}
}

// theCProgram is testdata/supervisor.c, or the reason why it can't be compiled.
func theCProgram(t *testing.T) (binary, why string) {
	t.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil {
		return "", "there is no C compiler, cc"
	}
	binary = filepath.Join(t.TempDir(), "supervisor")
	for _, flags := range [][]string{{"-static"}, nil} {
		var output []byte
		if output, err = exec.Command(compiler, append(flags, "-O2", "-s", "-o", binary, "testdata/supervisor.c")...).CombinedOutput(); err == nil {
			return binary, ""
		}
		why = strings.TrimSpace(string(output))
	}
	return "", "the C supervisor can't be compiled: " + why
}

func underC(binary string) supervisor {
	return supervisor{"c", func(_ string, again bool, program ...string) []string {
		mode := "once"
		if again {
			mode = "run"
		}
		return append([]string{binary, mode}, program...)
	}}
}

// measureProcesses measures what the shim does with processes, in turns with others.
func measureProcesses(t *testing.T, p *results.Part) {
	pair := []supervisor{theShim(t)}
	c, why := theCProgram(t)
	if why == "" {
		pair = append(pair, underC(c))
	} else {
		p.Miss("process/restart/c", "%s", why)
		p.Miss("process/signal/c", "%s", why)
		p.Miss("process/start/c", "%s", why)
		p.Miss("process/floor/c", "%s", why)
	}
	const rounds, each = 20, 50
	restarts, signals := map[string][]float64{}, map[string][]float64{}
	repeat(t, times(rounds), func(int) {
		for _, s := range pair {
			restarts[s.name] = append(restarts[s.name], restartsUnder(t, s, each)...)
		}
		for _, s := range append(pair, supervisor{"direct", func(_ string, _ bool, program ...string) []string { return program }}) {
			signals[s.name] = append(signals[s.name], signalsUnder(t, s, each)...)
		}
	})
	for _, name := range []string{"shim", "c", "direct"} {
		p.Add("process/restart/"+name, restarts[name]...)
		p.Add("process/signal/"+name, signals[name]...)
	}
	measureStarts(t, p, pair)
	dir := programsDir(t)
	if why == "" {
		p.Add("process/floor/c", floorOfC(t, c, dir)...)
	}
	p.Add("process/floor/go", floorOfGo(t, dir)...)
}

// programsDir is a directory with the programs.
func programsDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, writePrograms(dir))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "attempt"), 0o755))
	return dir
}

// launch starts a program of the directory under the supervisor. It is killed, and what it started, when the test is over
// or stop is called.
func launch(t *testing.T, s supervisor, dir string, again bool, program string) (cmd *exec.Cmd, stop func()) {
	t.Helper()
	argv := s.argv(dir, again, filepath.Join(dir, program), filepath.Join(dir, "stamps"))
	cmd = exec.Command(argv[0], argv[1:]...)
	// A process group of its own; what the shim starts is in a session of its own, but dies with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	stop = func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		killChildren(cmd.Process.Pid)
		_ = cmd.Wait()
	}
	return cmd, stop
}

// killChildren kills the processes that a process has started.
func killChildren(pid int) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(pid) + "/children")
	if err != nil {
		return
	}
	for _, child := range strings.Fields(string(text)) {
		if n, err := strconv.Atoi(child); err == nil {
			_ = syscall.Kill(n, syscall.SIGKILL)
		}
	}
}

// stampsIn waits for that many.
func stampsIn(t *testing.T, dir string, count int) (stamps []int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		stamps, err = readStamps(filepath.Join(dir, "stamps"))
		return err == nil && len(stamps) >= count
	}, patience, 5*time.Millisecond)
	return stamps
}

// restartsUnder are times from a process's end to the first instruction of the next, in ms.
func restartsUnder(t *testing.T, s supervisor, count int) (millis []float64) {
	t.Helper()
	dir := programsDir(t)
	_, stop := launch(t, s, dir, true, "brief")
	defer stop()
	stamps := stampsIn(t, dir, 2*(count+2)+1)
	for i := 2; i < count+2; i++ { // the first are to warm up
		millis = append(millis, float64(stamps[2*i]-stamps[2*i-1])/1e6)
	}
	return millis
}

// signalsUnder are times from a signal to the supervisor until the program has it, in ms.
func signalsUnder(t *testing.T, s supervisor, count int) (millis []float64) {
	t.Helper()
	dir := programsDir(t)
	cmd, stop := launch(t, s, dir, false, "catcher")
	defer stop()
	stampsIn(t, dir, 1)
	time.Sleep(10 * time.Millisecond) // the catcher blocks the signal behind its first stamp
	for i := range count {
		sent := wire.Now()
		require.NoError(t, cmd.Process.Signal(syscall.SIGUSR1))
		for stamps := []int64{}; len(stamps) < i+2; time.Sleep(500 * time.Microsecond) {
			var err error
			stamps, err = readStamps(filepath.Join(dir, "stamps"))
			require.NoError(t, err)
			require.Less(t, wire.Now()-sent, int64(patience), "%s did not pass a signal on", s.name)
			if len(stamps) == i+2 {
				millis = append(millis, float64(stamps[i+1]-sent)/1e6)
			}
		}
	}
	return millis
}

// measureStarts measures what supervisors add to a start: each in turns with a start without one.
func measureStarts(t *testing.T, p *results.Part, supervisors []supervisor) {
	for _, name := range []string{"tini", "dumb-init"} {
		binary, err := exec.LookPath(name)
		if err != nil {
			p.Miss("process/start/"+name, "%s is not installed", name)
			continue
		}
		supervisors = append(supervisors, supervisor{name, func(_ string, _ bool, program ...string) []string {
			return append([]string{binary, "--"}, program...)
		}})
	}
	direct := supervisor{"direct", func(_ string, _ bool, program ...string) []string { return program }}
	added := map[string][]float64{}
	dir := programsDir(t)
	repeat(t, times(200), func(int) {
		without := startUnder(t, direct, dir)
		for _, s := range supervisors {
			added[s.name] = append(added[s.name], startUnder(t, s, dir)-without)
		}
	})
	for _, s := range supervisors {
		p.Add("process/start/"+s.name, added[s.name]...)
	}
}

// startUnder is the time from before the supervisor's start to the first instruction of what it starts, in ms.
func startUnder(t *testing.T, s supervisor, dir string) float64 {
	t.Helper()
	_ = os.Remove(filepath.Join(dir, "stamps"))
	argv := s.argv(dir, false, filepath.Join(dir, "init"), filepath.Join(dir, "stamps"))
	began := wire.Now()
	require.NoError(t, exec.Command(argv[0], argv[1:]...).Run(), s.name)
	stamps, err := readStamps(filepath.Join(dir, "stamps"))
	require.NoError(t, err)
	require.Len(t, stamps, 1)
	return float64(stamps[0]-began) / 1e6
}

const floorTimes = 500

func floorOfC(t *testing.T, c, dir string) (millis []float64) {
	t.Helper()
	output, err := exec.Command(c, "floor", strconv.Itoa(times(floorTimes)), filepath.Join(dir, "init"), filepath.Join(dir, "floor")).Output()
	require.NoError(t, err)
	for _, line := range strings.Fields(string(output)) {
		n, err := strconv.ParseFloat(line, 64)
		require.NoError(t, err)
		millis = append(millis, n/1e6)
	}
	return millis
}

func floorOfGo(t *testing.T, dir string) (millis []float64) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	argv := []string{filepath.Join(dir, "init"), filepath.Join(dir, "floor")}
	for range times(floorTimes) {
		began := time.Now()
		pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{})
		require.NoError(t, err)
		_, err = syscall.Wait4(pid, nil, 0, nil)
		require.NoError(t, err)
		millis = append(millis, float64(time.Since(began).Nanoseconds())/1e6)
		time.Sleep(2 * time.Millisecond)
	}
	return millis
}

package supervise_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The tests run the real shim, on real processes. Its commands are shell scripts.

var shimBinary string

func TestMain(m *testing.M) {
	if os.Getenv(impatientVariable) != "" {
		os.Exit(runImpatient(os.Args[1:]))
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "shim")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	shimBinary = filepath.Join(dir, "shim")
	build := exec.Command("go", append(append([]string{"build"}, buildFlags...), "-o", shimBinary, "restartrules.dev/cmd/shim")...)
	build.Env = append(os.Environ(), buildEnvironment...)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Printf("build the shim: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// deadline is how long anything here may take before it counts as hung.
const deadline = 30 * time.Second

// shim is one run of the shim.
type shim struct {
	t      *testing.T
	cmd    *exec.Cmd
	dir    string // of the container, as the watcher would make it
	out    *bufio.Reader
	stderr *lockedBuffer
}

type lockedBuffer struct {
	mutex sync.Mutex
	b     bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.b.String()
}

type option func(*exec.Cmd)

// inPIDNamespace makes the shim PID 1 of a PID namespace, as a container runtime does.
func inPIDNamespace(t *testing.T) option {
	if os.Getuid() != 0 {
		t.Skip("needs root to make a PID namespace")
	}
	return func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
		// /proc of the new namespace, as in a container.
		cmd.Args = append([]string{"sh", "-c", `mount --make-rprivate / && mount -t proc proc /proc && exec "$@"`, "sh"}, cmd.Args...)
		cmd.Path = "/bin/sh"
	}
}

// start runs the shim with these flags before the command.
func start(t *testing.T, flags, command []string, options ...option) *shim {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "attempt"), 0o755))
	args := append([]string{"run", "--container=app", "--dir=" + dir}, flags...)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, shimBinary, append(append(args, "--"), command...)...)
	for _, o := range options {
		o(cmd)
	}
	s := &shim{t: t, cmd: cmd, dir: dir, stderr: new(lockedBuffer)}
	if cmd.Stdout == nil {
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		s.out = bufio.NewReader(stdout)
	}
	if cmd.Stderr == nil {
		cmd.Stderr = s.stderr
	}
	require.NoError(t, cmd.Start())
	return s
}

// line reads the command's next line.
func (s *shim) line() string {
	s.t.Helper()
	line, err := s.out.ReadString('\n')
	require.NoError(s.t, err, "stderr: %s", s.stderr)
	return strings.TrimSuffix(line, "\n")
}

// wait reads the rest of the command's lines and gives the shim's exit code.
func (s *shim) wait() (lines []string, code int) {
	s.t.Helper()
	if s.out != nil {
		scanner := bufio.NewScanner(s.out)
		for scanner.Scan() {
			lines = append(lines, scanner.Text())
		}
	}
	err := s.cmd.Wait()
	require.NotErrorIs(s.t, err, context.DeadlineExceeded)
	require.GreaterOrEqual(s.t, s.cmd.ProcessState.ExitCode(), 0, "the shim itself was killed; stderr: %s", s.stderr)
	return lines, s.cmd.ProcessState.ExitCode()
}

func (s *shim) signal(n syscall.Signal) {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(n))
}

// eventually looks again and again until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, deadline, time.Millisecond, what)
}

func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

func gone(pid string) bool {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	return err != nil || strings.Contains(string(b), ") Z ")
}

// pipeStdin gives the shim a pipe to read from; send writes to it.
func pipeStdin(t *testing.T) option {
	return func(cmd *exec.Cmd) {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		cmd.Stdin = r
		t.Cleanup(func() { r.Close(); w.Close() })
		stdins.Store(cmd, w)
	}
}

var stdins sync.Map // *exec.Cmd → *os.File

func (s *shim) send(text string) {
	s.t.Helper()
	w, _ := stdins.Load(s.cmd)
	_, err := w.(*os.File).WriteString(text)
	require.NoError(s.t, err)
}

func (s *shim) closeStdin() {
	w, _ := stdins.Load(s.cmd)
	require.NoError(s.t, w.(*os.File).Close())
}

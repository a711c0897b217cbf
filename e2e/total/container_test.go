//go:build e2e && linux

package total

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// container is a shim with its command, in namespaces and a cgroup such as a runtime makes them.
type container struct {
	cgroup  string // the directory of its pids cgroup
	watcher *watcher
	stdout  *bufio.Reader
	stderr  *os.File
	// others are the processes that belong there, by their ids inside: perhaps PID 1, and the shim.
	others []int
}

// pidsMax bounds the fork bombs, as a node's podPidsLimit does.
const pidsMax = 256

// asContainer is what a runtime does between clone and exec: /proc of the new namespace, and of the
// cgroups only the container's own.
const asContainer = `set -e
mount --make-rprivate /
mkdir "$1/cgroup"
mount --bind "$2" "$1/cgroup"
mount -t tmpfs none /sys/fs/cgroup
mkdir /sys/fs/cgroup/pids
mount --bind "$1/cgroup" /sys/fs/cgroup/pids
mount -t proc none /proc
`

// inCgroup puts the process, which is in the namespaces already, into the cgroup.
const inCgroup = `set -e
echo 0 > /sys/fs/cgroup/pids/cgroup.procs
exec "$@"
`

// newContainer starts a shim with that command, as PID 1 of a PID namespace of its own or beside
// another PID 1. The command does not run yet.
func newContainer(t *testing.T, shared bool, command ...string) *container {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "attempt"), 0o755))
	stderr, err := os.Create(filepath.Join(dir, "stderr"))
	require.NoError(t, err)
	t.Cleanup(func() { stderr.Close() })
	c := &container{cgroup: newCgroup(t), stderr: stderr}
	c.watcher = listen(t, dir)
	shim := append([]string{shimBinary, "run", "--pod=member", "--container=app", "--on-exit=0-255:restart/policy",
		"--backoff=none", "--seam=off", "--dir=" + dir, "--", shapeBinary}, command...)

	namespaces := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	var cmd *exec.Cmd
	if shared {
		pause := exec.Command("/bin/sh", append([]string{"-c", asContainer + `shift 2; exec "$@"`, "sh", dir, c.cgroup}, shapeBinary, "pause")...)
		pause.SysProcAttr = namespaces
		c.run(t, pause)
		c.expectUp(t, c.stdout)
		cmd = enter(pause.Process.Pid, shim...)
		c.others = []int{1}
	} else {
		cmd = exec.Command("/bin/sh", append([]string{"-c", asContainer + "shift 2\n" + inCgroup, "sh", dir, c.cgroup}, shim...)...)
		cmd.SysProcAttr = namespaces
	}
	c.run(t, cmd)
	c.watcher.accept()
	c.others = append(c.others, insideID(t, c.watcher.shim))
	return c
}

// enter is a command that is run in the container of process pid, as kubectl exec does: from outside
// of its PID namespace.
func enter(pid int, command ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--target", strconv.Itoa(pid), "--pid", "--mount", "--",
		"/bin/sh", "-c", inCgroup, "sh"}, command...)...)
}

// run starts the process, whose lines go to c.stdout. It is killed and waited for when the test ends.
func (c *container) run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	c.stdout = c.start(t, cmd)
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
}

// start starts the process and gives its lines. The pipe is our own: exec's is closed by Wait.
func (c *container) start(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	cmd.Stdout, cmd.Stderr = w, c.stderr
	require.NoError(t, cmd.Start())
	require.NoError(t, w.Close())
	return bufio.NewReader(r)
}

// expectUp waits until a process says that it is there.
func (c *container) expectUp(t *testing.T, lines *bufio.Reader) {
	t.Helper()
	line, err := lines.ReadString('\n')
	require.NoError(t, err, "%s", read(c.stderr.Name()))
	require.Equal(t, "up\n", line)
}

// newCgroup makes a pids cgroup, which is emptied and removed when the test ends.
func newCgroup(t *testing.T) string {
	t.Helper()
	root := "/sys/fs/cgroup/pids"
	if _, err := os.Stat(root + "/cgroup.procs"); err != nil {
		t.Skipf("needs the pids controller of cgroup v1: %v", err)
	}
	dir, err := os.MkdirTemp(root, "restartrules-total-")
	require.NoError(t, err)
	t.Cleanup(func() {
		eventually(t, "the cgroup is empty and removed", func() bool {
			for _, pid := range strings.Fields(read(dir + "/cgroup.procs")) {
				n, err := strconv.Atoi(pid)
				require.NoError(t, err)
				_ = syscall.Kill(n, syscall.SIGKILL)
			}
			return syscall.Rmdir(dir) == nil
		})
	})
	require.NoError(t, os.WriteFile(dir+"/pids.max", []byte(strconv.Itoa(pidsMax)), 0))
	return dir
}

// processes is how many there are in the container.
func (c *container) processes(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(read(c.cgroup + "/pids.current")))
	require.NoError(t, err)
	return n
}

// left is what somebody in the container sees in /proc that does not belong there. What is dead already
// and has a parent elsewhere, as what was born by an exec has, is for that parent to reap, not for the shim.
func (c *container) left(t *testing.T) (left []string) {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d/root/proc/", c.watcher.shim)
	entries, err := os.ReadDir(proc)
	require.NoError(t, err, "%s", read(c.stderr.Name()))
	ofShim := fmt.Sprintf("PPid:\t%d\n", c.others[len(c.others)-1])
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || slices.Contains(c.others, pid) {
			continue
		}
		status := read(proc + entry.Name() + "/status")
		dead := status == "" || strings.Contains(status, "State:\tZ") || strings.Contains(status, "State:\tX")
		if !dead || strings.Contains(status, ofShim) {
			left = append(left, fmt.Sprintf("%d\n%s", pid, status))
		}
	}
	return left
}

// insideID is the id that the process has in its own PID namespace.
func insideID(t *testing.T, pid int) int {
	t.Helper()
	for line := range strings.Lines(read(fmt.Sprintf("/proc/%d/status", pid))) {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(ids)
			id, err := strconv.Atoi(fields[len(fields)-1])
			require.NoError(t, err)
			return id
		}
	}
	require.Fail(t, "no NSpid", "process %d", pid)
	return 0
}

// read is the file's content; nothing if it can't be read, as when a process has ended.
func read(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(f)
	return string(b)
}

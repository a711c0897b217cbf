//go:build e2e

package chaos

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"restartrules.dev/e2e/chaos/tracer"
	"restartrules.dev/pkg/watcher"
	"restartrules.dev/pkg/watcher/machine"
)

// shortage is how long something can't be had.
const shortage = 700 * time.Millisecond

// A restart does not depend on the journal: that is for a watcher that is killed.
func TestJournalCannotBeWritten(t *testing.T) {
	t.Parallel()
	p := newPod(t, shape{policy: corev1.RestartPolicyNever})
	for _, errno := range []unix.Errno{unix.ENOSPC, unix.EROFS, unix.EIO} {
		for _, at := range []machine.Phase{machine.Stopping, machine.Replaying, machine.Starting, machine.Running} {
			w, err := p.watcher()
			require.NoError(t, err)
			p.failing(t, []int{w.pid}, false, func(c *tracer.Call) (tracer.Verdict, bool) {
				phase, gen, ok := entry(c)
				if !ok || gen != p.restarts+1 {
					return tracer.Continue, false
				}
				if phase == at && c.Entry {
					faults.add("journal write fails with "+unix.ErrnoName(errno), at.String())
					return tracer.Fail(errno), false
				}
				return tracer.Continue, phase == machine.Running && !c.Entry
			}, func() error { return p.exit(source) })
			p.restartedUnjournaled()
		}
	}
	p.restart()
	p.checkUntouched()
}

func TestJournalCannotBeMade(t *testing.T) {
	t.Parallel()
	p := newPod(t, shape{policy: corev1.RestartPolicyNever})
	w, err := p.watcher()
	require.NoError(t, err)
	shim, err := p.watcherShim()
	require.NoError(t, err)
	p.failing(t, []int{shim.pid}, true, func(c *tracer.Call) (tracer.Verdict, bool) {
		to, ok := c.Renamed()
		if !ok || filepath.Base(to) != watcher.JournalName {
			return tracer.Continue, false
		}
		if c.Entry {
			faults.add("journal can't be made", unix.ErrnoName(unix.ENOSPC))
			return tracer.Fail(unix.ENOSPC), false
		}
		return tracer.Continue, true
	}, func() error {
		return errors.Join(os.Remove(filepath.Join(p.volume(), watcher.JournalName)), syscall.Kill(w.pid, syscall.SIGKILL))
	})
	for range 2 {
		require.NoError(t, p.exit(source))
		p.restartedUnjournaled()
	}
	p.checkUntouched()
}

// failing is traced for a test that has system calls fail.
func (p *pod) failing(t *testing.T, pids []int, follow bool, judge func(c *tracer.Call) (tracer.Verdict, bool), act func() error) {
	t.Helper()
	err := p.traced(pids, follow, judge, act)
	if errors.Is(err, tracer.ErrCantFail) {
		t.Skip(err)
	}
	require.NoError(t, err, "%s\n%s", p.story(), p.logs())
}

// restartedUnjournaled is restarted where the journal can't tell.
func (p *pod) restartedUnjournaled() {
	p.Helper()
	for name := range p.starts {
		p.starts[name]++
	}
	p.restarts++
	if err := p.settled(); err != nil {
		faults.missed()
		require.NoError(p, err, "%s\n%s", p.story(), p.logs())
	}
}

// Where no process can be made the start is tried again until one can.
func TestNoProcessCanBeMade(t *testing.T) {
	t.Parallel()
	for _, name := range []string{worker, source, sidecar, twin} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPod(t, shape{policy: corev1.RestartPolicyOnFailure})
			p.restart() // so that all shims are through with their start
			shim, err := p.shim(name)
			require.NoError(t, err)
			lift := noMoreProcesses(t, shim)
			require.NoError(t, p.exit(source))
			faults.add("no process (EAGAIN)", name)
			time.Sleep(shortage)
			lift()
			if now, err := p.shim(name); err != nil || now.pid != shim.pid {
				// Go's runtime ends a program that can't have a thread, and so it did the shim: no other than if that was killed.
				t.Logf("the shim has ended: %s", p.lastWords(name))
				p.shimDied = true
				p.comesBack(report{container: name})
				return
			}
			p.restartedUnattempted() // each that failed was one
			p.checkUntouched()
		})
	}
	t.Run("watcher", func(t *testing.T) {
		t.Parallel()
		p := newPod(t, shape{policy: corev1.RestartPolicyNever})
		shim, err := p.watcherShim()
		require.NoError(t, err)
		w, err := p.watcher()
		require.NoError(t, err)
		lift := noMoreProcesses(t, shim)
		require.NoError(t, p.exit(source))
		require.NoError(t, syscall.Kill(w.pid, syscall.SIGKILL))
		faults.add("no process (EAGAIN)", "watcher")
		time.Sleep(shortage)
		lift()
		p.restarted()
		p.restart()
	})
}

// noMoreProcesses lets a container have no process but its shim, as it is. What is there stays.
func noMoreProcesses(t *testing.T, shim process) (lift func()) {
	file := filepath.Join(shim.group, "pids.max")
	tasks, err := os.ReadDir("/proc/" + strconv.Itoa(shim.pid) + "/task")
	require.NoError(t, err)
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(strconv.Itoa(len(tasks))), 0o644))
	return func() {
		if err := os.WriteFile(file, before, 0o644); !os.IsNotExist(err) { // the container may have ended
			require.NoError(t, err)
		}
	}
}

// lastWords is the end of what a container wrote before it was started again.
func (p *pod) lastWords(container string) string {
	text, err := client.CoreV1().Pods(namespace).GetLogs(p.name, &corev1.PodLogOptions{
		Container: container, Previous: true, TailLines: ptr.To[int64](40)}).DoRaw(p.Context())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestNoFileCanBeOpened(t *testing.T) {
	t.Parallel()
	for _, name := range []string{worker, source, sidecar, twin} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPod(t, shape{policy: corev1.RestartPolicyNever})
			p.restart()
			shim, err := p.shim(name)
			require.NoError(t, err)
			lift := noMoreFiles(t, shim)
			require.NoError(t, p.exit(source))
			faults.add("no file descriptor (EMFILE)", name)
			p.restartedUnattempted()
			// A shim that loses its watcher then has to find the next as soon as it can.
			time.Sleep(rest)
			w, err := p.watcher()
			require.NoError(t, err)
			require.NoError(t, syscall.Kill(w.pid, syscall.SIGKILL))
			require.NoError(t, p.exit(source))
			faults.add("no file descriptor (EMFILE)", name+", watcher killed")
			time.Sleep(shortage)
			lift()
			p.restartedUnattempted()
			p.restart()
			p.checkUntouched()
		})
	}
	t.Run("watcher", func(t *testing.T) {
		t.Parallel()
		p := newPod(t, shape{policy: corev1.RestartPolicyOnFailure})
		p.restart()
		w, err := p.watcher()
		require.NoError(t, err)
		lift := noMoreFiles(t, w)
		require.NoError(t, p.exit(source))
		faults.add("no file descriptor (EMFILE)", "watcher")
		time.Sleep(shortage) // it can't look whether anything is left, and doesn't go on
		lift()
		p.restarted()
		lift = noMoreFiles(t, w)
		p.killShimWithin(newRandom(t), worker) // the next shim can't be talked to
		time.Sleep(shortage)
		lift()
		p.comesBack(report{container: worker, random: true})
		p.restart()
	})
}

// noMoreFiles lets a process open nothing more. What is open stays open.
func noMoreFiles(t *testing.T, one process) (lift func()) {
	limit := func(files int) {
		// As the process's own user: then it takes no capability.
		info, err := os.Stat("/proc/" + strconv.Itoa(one.pid))
		require.NoError(t, err)
		owner := info.Sys().(*syscall.Stat_t)
		prlimit := exec.Command("prlimit", "--pid="+strconv.Itoa(one.pid), "--nofile="+strconv.Itoa(files)+":")
		prlimit.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
		output, err := prlimit.CombinedOutput()
		require.NoError(t, err, "%s", output)
	}
	limit(0)
	return func() { limit(1024) }
}

// restartedUnattempted is restarted where the attempt file can't tell.
func (p *pod) restartedUnattempted() {
	p.Helper()
	p.restartedUnjournaled()
	p.checkJournal()
}

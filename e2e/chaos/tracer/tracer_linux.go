package tracer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Verdict is what becomes of a process that has stopped.
type Verdict struct {
	kill  bool
	errno unix.Errno
}

var (
	// Continue lets it go on.
	Continue = Verdict{}
	// Kill kills it with SIGKILL where it is: what it has stopped in front of does not happen.
	Kill = Verdict{kill: true}
)

// Fail has the call in front of which the process has stopped fail with that error; the kernel does nothing of
// it. It needs Linux 6.16: without, Trace ends with ErrCantFail.
func Fail(errno unix.Errno) Verdict { return Verdict{errno: errno} }

// ErrCantFail says that the kernel can't have system calls fail.
var ErrCantFail = errors.New("the kernel can't change system calls by PTRACE_SET_SYSCALL_INFO, which it has since 6.16")

// Options of Trace.
type Options struct {
	// Follow has the processes traced, too, that a traced process starts.
	Follow bool
	// Attached is called when all threads are traced; nil: it isn't.
	Attached func()
}

// Trace calls judge for each system call of the processes, before and after it, from one goroutine, until the context ends
// or all processes have. Then what still runs goes on untraced. It returns nil in both cases. The processes should not be
// children of this one: who traces its child takes the child's end from whoever waits for that.
func Trace(ctx context.Context, pids []int, o Options, judge func(*Call) Verdict) error {
	return onThread(func() error { return trace(ctx, pids, o, judge) })
}

// onThread calls f on a thread without any children: tracing is a matter of a thread, and so is waiting for what it has
// started.
func onThread(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WNOTHREAD, nil)
		if err == unix.ECHILD {
			result <- f()
		} else {
			result <- onThread(f) // on another: this one is taken
		}
	}()
	return <-result
}

// tracer is one call of Trace.
type tracer struct {
	ctx     context.Context
	options int
	judge   func(*Call) Verdict
	threads map[int]*thread
	// waker is a child that ends with the context.
	waker int
	// leaving says that threads are let go at their next stop; err is why, if that is a failure.
	leaving bool
	err     error
}

type thread struct {
	call Call
	// errno is what the call is to fail with; 0: it isn't.
	errno unix.Errno
}

func trace(ctx context.Context, pids []int, o Options, judge func(*Call) Verdict) error {
	t := &tracer{ctx: ctx, judge: judge, threads: map[int]*thread{},
		options: unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEEXEC}
	if o.Follow {
		t.options |= unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK
	}
	end, err := t.startWaker()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, end)()
	for _, pid := range pids {
		if err := t.seize(pid); err != nil {
			t.leave(err)
			break
		}
	}
	if o.Attached != nil && t.err == nil {
		o.Attached()
	}
	for {
		if len(t.threads) == 0 {
			end() // nothing is left to wait for
		}
		var status unix.WaitStatus
		// WNOTHREAD: not the children of other threads, that other parts of this process wait for.
		tid, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case err == unix.EINTR:
		case err == unix.ECHILD:
			return t.err // none is left
		case err != nil:
			return fmt.Errorf("trace: wait: %w", err)
		case tid != t.waker:
			t.stopped(tid, status)
		case !t.leaving:
			t.leave(nil)
		}
	}
}

// startWaker starts a child of this thread that does nothing, and ends when end is called: a wait for whatever happens next
// can't be ended otherwise, and what is traced should not get signals.
func (t *tracer) startWaker() (end func(), err error) {
	waker := exec.Command("cat")
	in, err := waker.StdinPipe()
	if err == nil {
		err = waker.Start()
	}
	if err != nil {
		return func() {}, fmt.Errorf("trace: %w", err)
	}
	t.waker = waker.Process.Pid
	_ = waker.Process.Release() // it is waited for with the others
	return func() { _ = in.Close() }, nil
}

// seize begins to trace all threads of a process. Those that are made meanwhile are seen by their maker
// being traced, or in the next look.
func (t *tracer) seize(pid int) error {
	for again := true; again; {
		again = false
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", pid))
		if err != nil {
			return err
		}
		if len(tasks) == 0 {
			return fmt.Errorf("trace process %d: %w", pid, unix.ESRCH)
		}
		for _, task := range tasks {
			tid, err := strconv.Atoi(filepath.Base(task))
			if err != nil || t.threads[tid] != nil {
				continue
			}
			_, err = ptrace(unix.PTRACE_SEIZE, tid, 0, uintptr(t.options))
			if err == unix.ESRCH || err == unix.EPERM && traced(pid, tid) {
				continue // it has ended, or its maker was traced already
			}
			if err == nil {
				_, err = ptrace(unix.PTRACE_INTERRUPT, tid, 0, 0)
			}
			if err != nil && err != unix.ESRCH {
				return fmt.Errorf("trace thread %d of process %d: %w", tid, pid, err)
			}
			t.threads[tid] = &thread{call: Call{PID: pid, TID: tid}}
			again = true
		}
	}
	return nil
}

// traced says whether this thread traces that one.
func traced(pid, tid int) bool {
	return field(fmt.Sprintf("/proc/%d/task/%d/status", pid, tid), "TracerPid:") == unix.Gettid()
}

// field is a number in a status file of /proc, or 0.
func field(file, name string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte(name)); ok {
			n, _ := strconv.Atoi(string(bytes.TrimSpace(value))) // 0 is fine
			return n
		}
	}
	return 0
}

// stopped deals with a thread that has stopped or ended.
func (t *tracer) stopped(tid int, status unix.WaitStatus) {
	if status.Exited() || status.Signaled() {
		delete(t.threads, tid)
		return
	}
	th := t.threads[tid]
	if th == nil {
		// New: its maker is traced.
		th = &thread{call: Call{PID: field(fmt.Sprintf("/proc/%d/status", tid), "Tgid:"), TID: tid}}
		t.threads[tid] = th
	}
	if t.ctx.Err() != nil && !t.leaving {
		t.leave(nil)
	}
	signal, event := status.StopSignal(), int(status)>>16
	switch {
	case signal == unix.SIGTRAP|0x80:
		t.atCall(th)
		return
	case event == unix.PTRACE_EVENT_STOP && (signal == unix.SIGSTOP || signal == unix.SIGTSTP || signal == unix.SIGTTIN || signal == unix.SIGTTOU):
		if !t.leaving {
			_, _ = ptrace(unix.PTRACE_LISTEN, tid, 0, 0) // it stays stopped, as it was told
			return
		}
		signal = 0
	case event != 0:
		signal = 0
	}
	t.goOn(th, signal)
}

// goOn lets a thread go on, with a signal that it has got.
func (t *tracer) goOn(th *thread, signal unix.Signal) {
	request := unix.PTRACE_SYSCALL
	if t.leaving {
		request = unix.PTRACE_DETACH
		delete(t.threads, th.call.TID)
	}
	_, _ = ptrace(request, th.call.TID, 0, uintptr(signal)) // it is there, or was killed
}

// leave has all threads let go.
func (t *tracer) leave(err error) {
	t.leaving, t.err = true, err
	for tid := range t.threads {
		_, _ = ptrace(unix.PTRACE_INTERRUPT, tid, 0, 0) // if it runs
	}
}

// atCall has a thread that has stopped at a system call judged.
func (t *tracer) atCall(th *thread) {
	info, err := getSyscallInfo(th.call.TID)
	if err != nil {
		t.goOn(th, 0) // it was killed
		return
	}
	switch info.op {
	case infoEntry:
		th.call.Entry, th.call.Number, th.call.Args, th.call.Result = true, info.number, info.args, 0
	case infoExit:
		th.call.Entry, th.call.Result = false, int64(info.number)
		if th.errno != 0 {
			info.number, info.args[0] = uint64(-int64(th.errno)), 1
			th.call.Result, th.errno = -int64(th.errno), 0
			if err := setSyscallInfo(th.call.TID, &info); err != nil {
				t.leave(fmt.Errorf("trace: set the result of a system call: %w", err))
			}
		}
	}
	if t.leaving || info.op != infoEntry && info.op != infoExit {
		t.goOn(th, 0)
		return
	}
	switch v := t.judge(&th.call); {
	case v.kill:
		_ = unix.Kill(th.call.PID, unix.SIGKILL) // it is there: it is stopped
		return
	case v.errno != 0 && th.call.Entry:
		info.number = ^uint64(0) // no such call: nothing is done
		if err := setSyscallInfo(th.call.TID, &info); err != nil {
			t.leave(errors.Join(ErrCantFail, err))
			break
		}
		th.errno = v.errno
	}
	t.goOn(th, 0)
}

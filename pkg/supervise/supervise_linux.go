package supervise

import (
	"runtime"
	"sync"
	"syscall"
	"time"

	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/supervise/fixedpath"
	"restartrules.dev/pkg/supervise/sigpipe"
	"restartrules.dev/pkg/supervise/spawn"
	"restartrules.dev/pkg/wire"
)

// Config is what a shim is to run, and how. Argv, Env and Table must be set.
type Config struct {
	// Container is the name of the container, for the seam line and the attempt file.
	Container string
	Argv, Env []string
	Table     *exittable.Table
	// Total bounds the restarts; nil: nothing does.
	Total   *exittable.Total
	Backoff Backoff
	Seam    SeamFormat
	// Dir is the container's directory of the shared volume: the watcher's socket, the mark, and
	// attempt/ for the attempt file. Empty: there is none of these, and only what the command
	// started is killed when it has ended, not everything in the container.
	Dir string
	// Hold is how long an exit that would restart waits for news of the Pod's deletion.
	Hold time.Duration
}

type supervisor struct {
	Config
	self      int
	scope     scope
	cgroup    string
	command   *spawn.Command
	startedAt int64 // wire.Now; marks from before are of an earlier life of the container
	link      *link
	attempts  attemptFile
	counter   *exittable.Counter
	// mark is the watcher's, ownMark the preStop hook's.
	mark, ownMark fixedpath.Path
	// stop is closed when the container is told to stop from outside.
	stop chan struct{}

	mutex sync.Mutex
	// pid is the command's process, 0 while there is none.
	pid int
	// stopSignal is the first signal from outside, 0: none.
	stopSignal syscall.Signal

	buffer [16384]byte
}

// Run runs the command until its container has to end, and returns the exit code for it. It must be
// called on the main goroutine, once in a process.
func Run(config Config) int {
	// The command dies with the thread that started it (Pdeathsig), so it is always the same one.
	runtime.LockOSThread()
	runtime.GOMAXPROCS(1)

	s := &supervisor{
		Config:    config,
		self:      syscall.Getpid(),
		scope:     scopeOf(),
		startedAt: wire.Now(),
		counter:   exittable.NewCounter(config.Table, config.Total),
		stop:      make(chan struct{}),
	}
	s.cgroup = string(readFile(s.buffer[:], "/proc/self/cgroup"))
	if s.Dir == "" || s.scope == group && s.cgroup == "" {
		s.scope = descendants
	}
	if err := becomeSubreaper(); err != nil {
		s.say("can't become child subreaper, orphans may outlive a restart: " + err.Error())
	}
	signals, err := sigpipe.Install()
	if err != nil {
		s.say("can't catch signals: " + err.Error())
		return codeStartError
	}
	if s.command, err = spawn.New(s.Argv, s.Env, isTerminal(0)); err != nil {
		s.say("can't pass on the command: " + err.Error())
		return codeNotExecutable
	}
	if s.Dir != "" {
		s.link = dialLink(s.Dir + "/" + wire.SocketName)
		s.attempts = newAttemptFile(s.Dir, s.Container)
		s.mark = fixedpath.New(s.Dir + "/" + wire.MarkName)
		s.ownMark = fixedpath.New(s.Dir + "/attempt/" + wire.MarkName)
	}
	go s.forward(signals) // ends with the process
	return s.run()
}

func becomeSubreaper() error {
	const prSetChildSubreaper = 36
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

package supervise

import (
	"runtime"
	"sync"
	"syscall"
	"time"

	"restartrules.dev/pkg/backoff"
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
	Backoff backoff.Backoff
	Seam    SeamFormat
	// Dir is the container's directory of the shared volume: the watcher's socket, the mark, and
	// attempt/ for the attempt file. Empty: there is none of these, and only what the command
	// started is killed when it has ended, not everything in the container.
	Dir string
	// TerminationMessage is the file from which the kubelet takes the last words of a container. Each
	// attempt finds it empty.
	TerminationMessage string
	// Hold is how long an exit that would restart waits for news of the Pod's deletion.
	Hold time.Duration
	// KillTimeout is how long something may survive SIGKILL before it counts as stuck; 0: a minute.
	KillTimeout time.Duration
	// Role is what the container has to do with restarts of its whole Pod. All but Alone need Dir.
	Role Role
	// Commands are what the watcher may have run in the container while its command runs.
	Commands []Command
	// Unwatched is how long a Member that was never run waits for a watcher before it starts its
	// command without; 0: 30 s.
	Unwatched time.Duration
	// Orphaned is how long a container that waits for the watcher's decision stays without a watcher,
	// in all; 0: 330 s, which is longer than the kubelet ever takes to start the watcher again.
	Orphaned time.Duration
}

// Role is what a container has to do with restarts of its whole Pod.
type Role uint8

const (
	// Alone: nothing; its shim decides by itself.
	Alone Role = iota
	// Member: it is started, stopped and ended by the watcher, and asks it for what concerns the Pod.
	Member
	// Twin: a Member that runs the command of an init container, and never by itself.
	Twin
	// Own: its shim decides by itself, and runs the container's probes for the watcher.
	Own
)

type supervisor struct {
	Config
	self      int
	scope     scope
	cgroup    string
	command   *spawn.Command
	given     given
	own       fixedpath.Path // the list of the container's processes, see ownList
	killed    []int          // by the last look of a sweep
	listed    []int          // see list
	startedAt int64          // wire.Now; marks from before are of an earlier life of the container
	link      *link
	attempts  attemptFile
	counter   *exittable.Counter
	delay     time.Duration // see nextWait
	// mark is the watcher's, ownMark the preStop hook's.
	mark, ownMark   fixedpath.Path
	message, paused fixedpath.Path
	// stop is closed when the container is told to stop from outside.
	stop chan struct{}
	// wake is 1 when the main goroutine is to look again at what it is to do, while no command runs.
	wake uint32

	mutex sync.Mutex
	// pid is the command's process, 0 while there is none.
	pid int
	// stopSignal is the first signal from outside, 0: none.
	stopSignal syscall.Signal
	member     member
	commands   commands
	alarm      alarm

	buffer [16384]byte
}

// nextWait is the wait before the restart that follows a run of this length.
func (s *supervisor) nextWait(ran time.Duration) (wait time.Duration) {
	wait, s.delay = s.Backoff.Next(ran, s.delay)
	return wait
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
	s.setDefaults()
	s.cgroup = string(readFile(s.buffer[:], "/proc/self/cgroup"))
	if s.Dir == "" || s.scope == group && s.cgroup == "" {
		s.scope = descendants
	}
	if s.scope == group {
		s.own = s.ownList()
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
	if s.TerminationMessage != "" {
		s.message = fixedpath.New(s.TerminationMessage)
	}
	if s.Dir != "" {
		s.attempts = newAttemptFile(s.Dir, s.Container)
		s.mark = fixedpath.New(s.Dir + "/" + wire.MarkName)
		s.ownMark = fixedpath.New(s.Dir + "/attempt/" + wire.MarkName)
		s.paused = fixedpath.New(s.Dir + "/" + wire.PausedName)
	}
	if s.Role != Alone {
		if err := s.join(); err != nil {
			s.say(err.Error())
			return codeNotExecutable
		}
	} else if s.Dir != "" {
		s.listen()
	}
	go s.forward(signals) // ends with the process
	if s.Role != Alone {
		return s.live()
	}
	return s.run()
}

func (s *supervisor) setDefaults() {
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{{&s.KillTimeout, DefaultKillTimeout}, {&s.Unwatched, 30 * time.Second}, {&s.Orphaned, 330 * time.Second}} {
		if *d.value == 0 {
			*d.value = d.or
		}
	}
}

func becomeSubreaper() error {
	const prSetChildSubreaper = 36
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

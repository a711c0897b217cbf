package supervise

import (
	"errors"
	"syscall"
	"time"

	"restartrules.dev/pkg/supervise/spawn"
	"restartrules.dev/pkg/wire"
)

// Command is a command that the watcher may have run in the container: with its environment, working
// directory and user, but neither with its input nor with its log.
type Command struct {
	// Name is one of wire's Exec names.
	Name string
	Argv []string
}

// maxRunning is how many commands may run at a time.
const maxRunning = 4

// commands are those that are known, and those that run. The supervisor's mutex guards them. They
// run only while the container's command does: with what is left of that they are killed.
type commands struct {
	known   []knownCommand
	running [maxRunning]runningCommand
}

type knownCommand struct {
	name    string
	command *spawn.Command
}

type runningCommand struct {
	pid int // 0: the place is free
	id  int
	// preStop says that it was not the watcher who started it, but a stop: the command gets its
	// SIGTERM when this has ended.
	preStop bool
	// due is when it is killed, 0: never, or it was.
	due      int64
	timedOut bool
}

func (c *commands) prepare(list []Command, env []string) error {
	if len(list) == 0 {
		return nil
	}
	null, err := openNull()
	if err != nil {
		return errors.New("can't open /dev/null: " + err.Error())
	}
	for _, k := range list {
		command, err := spawn.New(k.Argv, env, false)
		if err != nil {
			return errors.New("can't pass on the command " + k.Name + ": " + err.Error())
		}
		command.Redirect(null)
		c.known = append(c.known, knownCommand{k.Name, command})
	}
	return nil
}

// openNull opens /dev/null above the standard descriptors, which a container may have closed.
func openNull() (int, error) {
	fd, err := syscall.Open("/dev/null", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer syscall.Close(fd)
	above, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 3)
	if errno != 0 {
		return -1, errno
	}
	return int(above), nil
}

// start starts the command of that name, and gives its place. It is nil if it is unknown, can't be
// started, or too many run.
func (c *commands) start(name string) *runningCommand {
	for i := range c.running {
		if r := &c.running[i]; r.pid == 0 {
			for _, k := range c.known {
				if k.name != name {
					continue
				}
				pid, err := k.command.Start()
				if err != nil {
					return nil
				}
				*r = runningCommand{pid: pid}
				return r
			}
			return nil
		}
	}
	return nil
}

// orderExec runs a command for the watcher. The mutex is held.
func (s *supervisor) orderExec(order wire.Message) {
	var r *runningCommand
	if s.pid != 0 && !s.member.stop {
		r = s.commands.start(order.Name)
	}
	if r == nil {
		s.link.tell(&wire.Message{Verb: wire.Execed, ID: order.ID, Code: -1})
		return
	}
	r.id = order.ID
	if order.Timeout > 0 {
		r.due = wire.Now() + int64(time.Duration(order.Timeout)*time.Millisecond)
	}
}

// runPreStop runs the container's preStop command, if it can. The mutex is held.
func (s *supervisor) runPreStop() bool {
	r := s.commands.start(wire.ExecPreStop)
	if r == nil {
		return false
	}
	r.preStop = true
	return true
}

// reaped notes that a child has ended that is not the container's command. The mutex is held.
func (s *supervisor) reaped(pid int, status syscall.WaitStatus) {
	for i := range s.commands.running {
		r := &s.commands.running[i]
		if r.pid != pid {
			continue
		}
		if r.preStop {
			if s.pid != 0 {
				_ = syscall.Kill(s.pid, syscall.SIGTERM)
			}
		} else {
			s.link.tell(&wire.Message{Verb: wire.Execed, ID: r.id, Code: exitCode(status), TimedOut: r.timedOut})
		}
		*r = runningCommand{}
		return
	}
}

// abandon forgets what runs: the container's command has ended, and all that is left is killed.
func (c *commands) abandon(l *link) {
	for i := range c.running {
		r := &c.running[i]
		if r.pid != 0 && !r.preStop {
			l.tell(&wire.Message{Verb: wire.Execed, ID: r.id, Code: -1, TimedOut: r.timedOut})
		}
		*r = runningCommand{}
	}
}

package supervise

import (
	"strconv"
	"syscall"

	"restartrules.dev/pkg/supervise/sigpipe"
	"restartrules.dev/pkg/wire"
)

// forward passes signals on to the command's process.
func (s *supervisor) forward(signals *sigpipe.Pipe) {
	for {
		signal, err := signals.Next()
		if err != nil {
			s.say("no more signals: " + err.Error())
			return
		}
		// Neither ends a process by default: they are what follows a SIGSTOP, and news of a socket.
		stops := signal.Number != syscall.SIGCONT && signal.Number != syscall.SIGURG
		if stops && s.fromRuntime(signal) {
			s.told(signal.Number)
		}
		s.mutex.Lock()
		if s.pid != 0 {
			_ = syscall.Kill(s.pid, signal.Number) // not reaped yet, so it is the right process
		}
		s.mutex.Unlock()
	}
}

// told notes that the container is being stopped, and has the watcher tell the other containers,
// before the command hears of it and they of its end.
func (s *supervisor) told(signal syscall.Signal) {
	s.mutex.Lock()
	first := s.stopSignal == 0
	if first {
		s.stopSignal = signal
		close(s.stop)
		s.leave() // from now on the runtime kills
		s.wakeUp()
	}
	s.mutex.Unlock()
	if first {
		s.link.ask(wire.Message{Verb: wire.Stopping})
	}
}

// fromRuntime says whether the container runtime sent the signal, and not somebody in the container
// or, through its terminal, the kernel.
func (s *supervisor) fromRuntime(signal sigpipe.Signal) bool {
	if runtimeIsHidden() {
		return signal.FromOutside()
	}
	// Without a PID namespace of the Pod's own (hostPID) the runtime is visible. Who is not seen
	// any more, or is in another cgroup, is not of this container.
	return signal.Code == 0 && signal.PID != int32(s.self) &&
		string(readFile(make([]byte, len(s.buffer)), "/proc/"+strconv.Itoa(int(signal.PID))+"/cgroup")) != s.cgroup
}

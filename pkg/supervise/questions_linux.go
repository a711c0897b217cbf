package supervise

import (
	"syscall"
	"time"

	"restartrules.dev/pkg/wire"
)

const (
	// questionTimeout is how long a question to the watcher may take in all.
	questionTimeout = 5 * time.Second
	questionPause   = 10 * time.Millisecond
)

// RestartAll asks the watcher to restart the whole Pod in place, and says on standard output what it
// answers. The exit code is 0 if it will, else 1.
func RestartAll(dir, reason string) int {
	answer, err := question(dir, wire.Message{Verb: wire.Demand, Reason: reason})
	switch {
	case err != nil:
		writeStderr([]byte("restartrules: the Pod is not restarted: the watcher can't be asked over " +
			dir + "/" + wire.SocketName + ": " + err.Error() + "\n"))
		return 1
	case answer.Verb != wire.OK:
		_, _ = syscall.Write(1, []byte("refused: "+answer.Reason+"\n"))
		return 1
	}
	_, _ = syscall.Write(1, []byte("accepted: all containers of the Pod are restarted in place\n"))
	return 0
}

// Restart asks the watcher to restart the container in place, its command having that long to end, and says on
// standard output what it answers. The exit code is 0 if it will, else 1.
func Restart(dir, reason string, grace time.Duration) int {
	answer, err := question(dir, wire.Message{Verb: wire.Restart, Reason: reason, Grace: int(grace.Milliseconds())})
	switch {
	case err != nil:
		writeStderr([]byte("restartrules: the container is not restarted: the watcher can't be asked over " +
			dir + "/" + wire.SocketName + ": " + err.Error() + "\n"))
		return 1
	case answer.Verb != wire.OK:
		_, _ = syscall.Write(1, []byte("refused: "+answer.Reason+"\n"))
		return 1
	}
	_, _ = syscall.Write(1, []byte("accepted: the container is restarted in place\n"))
	return 0
}

// HasStarted asks the watcher whether the container's own startupProbe has passed. The exit code is 0
// if it has, else 1.
func HasStarted(dir string) int {
	answer, err := question(dir, wire.Message{Verb: wire.Startup})
	switch {
	case err != nil:
		_, _ = syscall.Write(1, []byte("the watcher can't be asked: "+err.Error()+"\n"))
		return 1
	case answer.Verb != wire.OK:
		_, _ = syscall.Write(1, []byte("the container has not started yet\n"))
		return 1
	}
	return 0
}

// question asks the watcher and waits for its answer. A watcher that is being started again is waited
// for; once asked, it is not asked again.
func question(dir string, m wire.Message) (wire.Message, error) {
	deadline := wire.Now() + int64(questionTimeout)
	fd, err := dial(dir + "/" + wire.SocketName)
	for err != nil {
		if err != syscall.ECONNREFUSED && err != syscall.EAGAIN || wire.Now() > deadline {
			return wire.Message{}, err
		}
		time.Sleep(questionPause)
		fd, err = dial(dir + "/" + wire.SocketName)
	}
	defer syscall.Close(fd)
	limit := syscall.NsecToTimeval(max(int64(time.Millisecond), deadline-wire.Now()))
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit); err != nil {
		return wire.Message{}, err
	}
	if err := syscall.Sendto(fd, m.Append(nil), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, nil); err != nil {
		return wire.Message{}, err
	}
	var buffer [wire.MaxMessage]byte
	for {
		n, err := syscall.Read(fd, buffer[:])
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return wire.Message{}, err
		case n <= 0:
			return wire.Message{}, syscall.ECONNRESET
		}
		answer, err := wire.Parse(buffer[:n])
		if err == nil && (answer.Verb == wire.OK || answer.Verb == wire.No) {
			return answer, nil
		}
	}
}

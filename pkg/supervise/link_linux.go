package supervise

import (
	"sync"
	"syscall"
	"time"

	"restartrules.dev/pkg/wire"
)

// link is the shim's connection to the watcher. The shim works as well without: messages wait in a
// short queue, and whoever needs an answer waits for it a bounded time.
type link struct {
	path string

	mutex  sync.Mutex
	fd     int
	buffer [wire.MaxMessage]byte
	// queue holds what could not be sent, the oldest first.
	queue []wire.Message
	// answers gets a value for each OK. Its buffer makes the reader never wait.
	answers chan struct{}
}

const (
	queueLength = 16
	// answerTimeout is how long a stop signal is kept from the command at most, for the watcher to
	// tell the other containers first. The watcher's own shim brings it back in a few milliseconds.
	answerTimeout = 100 * time.Millisecond

	reconnectFirst = time.Millisecond
	reconnectMax   = 5 * time.Second
)

// dialLink keeps connecting in the background, for as long as the process lives; the shim's end is
// the end of its goroutine.
func dialLink(path string) *link {
	l := &link{path: path, fd: -1, queue: make([]wire.Message, 0, queueLength), answers: make(chan struct{}, 1)}
	go l.run()
	return l
}

func (l *link) run() {
	pause := reconnectFirst
	for {
		if fd, err := dial(l.path); err == nil {
			pause = reconnectFirst
			l.connected(fd)
			l.read(fd)
			l.disconnected(fd)
		}
		time.Sleep(pause)
		pause = min(2*pause, reconnectMax)
	}
}

func dial(path string) (int, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (l *link) connected(fd int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.fd = fd
	l.push(wire.Message{Verb: wire.Hello, Version: wire.Version})
	for _, m := range l.queue {
		l.push(m)
	}
	l.queue = l.queue[:0]
}

// read waits for messages until the watcher is gone.
func (l *link) read(fd int) {
	var buffer [wire.MaxMessage]byte
	for {
		n, err := syscall.Read(fd, buffer[:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		// A message that we don't know is from a newer watcher, and not for us.
		if m, err := wire.Parse(buffer[:n]); err == nil && m.Verb == wire.OK {
			select {
			case l.answers <- struct{}{}:
			default:
			}
		}
	}
}

func (l *link) disconnected(fd int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.fd = -1
	_ = syscall.Close(fd)
}

// send sends the message now if it can, else when the watcher is back. It never waits.
func (l *link) send(m wire.Message) {
	if l == nil {
		return
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.fd >= 0 && l.push(m) {
		return
	}
	if len(l.queue) == queueLength {
		l.queue = l.queue[:copy(l.queue, l.queue[1:])]
	}
	l.queue = append(l.queue, m)
}

func (l *link) push(m wire.Message) bool {
	b := m.Append(l.buffer[:0])
	return syscall.Sendto(l.fd, b, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, nil) == nil
}

// ask sends the message and waits for the watcher's OK, a bounded time.
func (l *link) ask(m wire.Message) {
	if l == nil {
		return
	}
	select {
	case <-l.answers: // of an earlier question that was no longer waited for
	default:
	}
	l.send(m)
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	select {
	case <-l.answers:
	case <-timer.C:
	}
}

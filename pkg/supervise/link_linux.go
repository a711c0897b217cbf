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
	// pause is the longest time between two attempts to connect.
	pause time.Duration
	// obey is called with every message but OK, and changed when the connection is there or gone,
	// both on the link's goroutine; nil: nobody wants to know.
	obey    func(wire.Message)
	changed func()
	// ring is called before each wait, on the link's goroutine too, and says how long that may be at most; nil: forever.
	ring func() time.Duration

	mutex  sync.Mutex
	fd     int
	buffer [wire.MaxMessage]byte
	// state is sent first on every connection; without a Verb there is none.
	state wire.Message
	// gone is since when there is no connection, and away how long there was none before.
	gone int64
	away time.Duration
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
	// reconnectMember is reconnectMax where the watcher has a restart of the Pod to go on with.
	reconnectMember = 100 * time.Millisecond
)

// dialLink keeps connecting in the background, for as long as the process lives; the shim's end is
// the end of its goroutine.
func dialLink(path string, pause time.Duration) *link {
	l := newLink(path, pause)
	go l.run()
	return l
}

func newLink(path string, pause time.Duration) *link {
	return &link{path: path, pause: pause, fd: -1, gone: wire.Now(),
		queue: make([]wire.Message, 0, queueLength), answers: make(chan struct{}, 1)}
}

func (l *link) run() {
	pause := reconnectFirst
	for {
		if fd, err := dial(l.path); err == nil {
			pause = reconnectFirst
			l.connected(fd)
			l.notify()
			l.read(fd)
			l.disconnected(fd)
			l.notify()
		}
		l.sleep(pause)
		pause = min(2*pause, l.pause)
	}
}

// sleep waits for that long.
func (l *link) sleep(pause time.Duration) {
	for until := wire.Now() + int64(pause); ; {
		due, left := l.due(), time.Duration(until-wire.Now())
		if left <= 0 {
			return
		}
		if due != forever {
			left = min(left, due)
		}
		time.Sleep(left)
	}
}

// due is how long there may be waited.
func (l *link) due() time.Duration {
	if l.ring == nil {
		return forever
	}
	return l.ring()
}

func (l *link) notify() {
	if l.changed != nil {
		l.changed()
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
	l.away += time.Duration(wire.Now() - l.gone)
	l.push(wire.Message{Verb: wire.Hello, Version: wire.Version})
	if l.state.Verb != "" {
		l.push(l.state)
	}
	for _, m := range l.queue {
		l.push(m)
	}
	l.queue = l.queue[:0]
}

// read waits for messages until the watcher is gone.
func (l *link) read(fd int) {
	var buffer [wire.MaxMessage]byte
	for limit := forever; ; {
		if due := l.due(); due != limit {
			limit = due
			limitReads(fd, limit)
		}
		n, err := syscall.Read(fd, buffer[:])
		if err == syscall.EINTR || err == syscall.EAGAIN { // a signal; something is due
			continue
		}
		if err != nil || n <= 0 {
			return
		}
		// A message that we don't know is from a newer watcher, and not for us.
		m, err := wire.Parse(buffer[:n])
		switch {
		case err != nil:
		case m.Verb == wire.OK:
			l.answered()
		case l.obey != nil:
			l.obey(m)
		}
	}
}

// limitReads has reads wait no longer than that; forever: as long as it takes. It is the kernel that waits: a timer of the
// runtime's would have it wake other threads, too.
func limitReads(fd int, wait time.Duration) {
	var limit syscall.Timeval // 0 is forever
	if wait != forever {
		limit = syscall.NsecToTimeval(int64(max(time.Microsecond, wait)))
	}
	// It can't fail with a socket.
	_ = syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit)
}

// answered ends the wait for an answer.
func (l *link) answered() {
	select {
	case l.answers <- struct{}{}:
	default:
	}
}

func (l *link) disconnected(fd int) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.fd = -1
	l.gone = wire.Now()
	_ = syscall.Close(fd)
}

// absence is how long there was no watcher, in all, and whether there is none now.
func (l *link) absence() (total time.Duration, now bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.fd >= 0 {
		return l.away, false
	}
	return l.away + time.Duration(wire.Now()-l.gone), true
}

// tell sends what nobody needs later: the state, which is sent anew on every connection, or an answer
// to a question that nobody remembers then.
func (l *link) tell(m *wire.Message) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if m.Verb == wire.State {
		l.state = *m
	}
	if l.fd >= 0 {
		l.push(*m)
	}
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

// push sends the message. A watcher that takes none is not one: the connection is given up, and with
// the next one it learns the state.
func (l *link) push(m wire.Message) bool {
	b := m.Append(l.buffer[:0])
	if syscall.Sendto(l.fd, b, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, nil) == nil {
		return true
	}
	_ = syscall.Shutdown(l.fd, syscall.SHUT_RDWR) // which ends read
	return false
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
	timer := time.AfterFunc(answerTimeout, l.answered)
	<-l.answers
	timer.Stop()
}

package supervise_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"restartrules.dev/pkg/wire"
)

// conversation is a shim of a Pod that is restarted as a whole, and its watcher, which is the test.
type conversation struct {
	*shim
	listener   *net.UnixListener
	connection *net.UnixConn
	// variables are replaced in steps: $pid is that of the last state that had one.
	variables map[string]string
}

// converse starts the shim, and takes its first messages.
func converse(t *testing.T, flags, command []string, options ...option) *conversation {
	t.Helper()
	c := unattended(t, flags, command, options...)
	c.accept()
	return c
}

// unattended starts the shim beside a socket that nobody accepts connections of yet.
func unattended(t *testing.T, flags, command []string, options ...option) *conversation {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "attempt"), 0o755))
	c := &conversation{listener: watcherSocket(t, dir), variables: map[string]string{}}
	c.shim = start(t, append([]string{"--dir=" + dir}, flags...), command, options...)
	c.dir = dir
	return c
}

func (c *conversation) accept() {
	c.t.Helper()
	require.NoError(c.t, c.listener.SetDeadline(time.Now().Add(deadline)))
	connection, err := c.listener.AcceptUnix()
	require.NoError(c.t, err)
	c.t.Cleanup(func() { connection.Close() })
	c.connection = connection
	require.Equal(c.t, "hello version=1", c.receive())
}

func (c *conversation) receive() string {
	c.t.Helper()
	require.NoError(c.t, c.connection.SetReadDeadline(time.Now().Add(deadline)))
	b := make([]byte, wire.MaxMessage)
	n, err := c.connection.Read(b)
	require.NoError(c.t, err, "stderr: %s", c.stderr)
	return string(b[:n])
}

// tell sends a message.
func (c *conversation) tell(text string) {
	c.t.Helper()
	_, err := c.connection.Write([]byte(text))
	require.NoError(c.t, err)
}

// hear receives the next message, which must have this verb and these pairs. Events are passed over
// unless one is what is expected.
func (c *conversation) hear(want string) wire.Message {
	c.t.Helper()
	verb, pairs, _ := strings.Cut(want, " ")
	for {
		text := c.receive()
		got, _, _ := strings.Cut(text, " ")
		if got != verb && (got == "started" || got == "exited") {
			continue
		}
		fields := strings.Fields(text)
		require.Equal(c.t, verb, got, "expected %q, got %q", want, text)
		for _, pair := range strings.Fields(pairs) {
			require.Contains(c.t, fields, pair, "expected %q, got %q", want, text)
		}
		m, err := wire.Parse([]byte(text))
		require.NoError(c.t, err)
		if m.PID != 0 {
			c.variables["$pid"] = strconv.Itoa(m.PID)
		}
		return m
	}
}

// until receives messages until one has this verb and these pairs.
func (c *conversation) until(want string) {
	c.t.Helper()
	for {
		fields := strings.Fields(c.receive())
		found := true
		for _, word := range strings.Fields(want) {
			found = found && slices.Contains(fields, word)
		}
		if found {
			return
		}
	}
}

// do takes steps, one a line:
//
//	> MESSAGE    the watcher says it
//	< MESSAGE    the shim answers with at least these pairs
//	until STATE  it does, if need be after other states
//	| LINE       the command writes it
//	stdin TEXT   the command reads it
//	reconnect    the watcher is gone and comes back
//	signal NAME  the container runtime sends it to the shim
//	gone PID     the process is gone
//	there PID    it is not
//	exit CODE    the shim ends, and nothing more was written
func (c *conversation) do(steps string) {
	c.t.Helper()
	for line := range strings.SplitSeq(strings.TrimSpace(steps), "\n") {
		for name, value := range c.variables {
			line = strings.ReplaceAll(line, name, value)
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "":
		case ">":
			c.tell(rest)
		case "<":
			c.hear(rest)
		case "|":
			require.Equal(c.t, rest, c.line())
		case "stdin":
			c.send(rest + "\n")
		case "until":
			c.until(rest)
		case "reconnect":
			require.NoError(c.t, c.connection.Close())
			c.accept()
		case "signal":
			c.signal(unix.SignalNum(rest))
		case "gone":
			require.True(c.t, gone(rest), "process %s", rest)
		case "there":
			require.False(c.t, gone(rest), "process %s", rest)
		case "exit":
			lines, code := c.wait()
			require.Empty(c.t, lines)
			require.Equal(c.t, rest, strconv.Itoa(code), c.stderr)
		default:
			require.Fail(c.t, "unknown step", line)
		}
	}
}

// end has the shim end, if the test has not.
func (c *conversation) end() {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Signal(syscall.SIGKILL)
		_ = c.cmd.Wait()
	}
}

// ask runs a subcommand of the shim beside it, and gives what it writes and its exit code.
func ask(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(shimBinary, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError))
	}
	return string(out), cmd.ProcessState.ExitCode()
}

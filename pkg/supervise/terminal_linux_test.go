package supervise_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// openTerminal makes a pseudo-terminal: our end, and the end for a container.
func openTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { ours.Close() })
	ioctl := func(request, argument uintptr) {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, ours.Fd(), request, argument)
		require.Zero(t, errno)
	}
	var unlock, number int32
	ioctl(syscall.TIOCSPTLCK, uintptr(unsafe.Pointer(&unlock)))
	ioctl(syscall.TIOCGPTN, uintptr(unsafe.Pointer(&number)))
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { theirs.Close() })
	return ours, theirs
}

func TestTerminal(t *testing.T) {
	ours, theirs := openTerminal(t)
	s := start(t, []string{restart42, noBackoff}, sh(`
		trap 'echo interrupted; exit 42' INT
		[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminal
		read line; echo "read $line"
		while :; do sleep 0.01; done`), func(cmd *exec.Cmd) {
		// As a container runtime does: a session of its own with the terminal as its controlling one.
		cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	})
	screen := bufio.NewReader(ours)
	expect := func(text string) {
		t.Helper()
		for {
			line, err := screen.ReadString('\n')
			require.NoError(t, err, "waiting for %q", text)
			if strings.Contains(line, text) {
				return
			}
		}
	}
	for range 3 { // the terminal is as good after a restart as before
		expect("terminal")
		_, err := ours.WriteString("hello\n")
		require.NoError(t, err)
		expect("read hello")
		_, err = ours.WriteString("\x03") // Ctrl-C
		require.NoError(t, err)
		expect("interrupted")
	}
	expect("terminal")
	s.kill()
}

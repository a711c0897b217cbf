//go:build e2e

package tests

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// transcript is what a command has said so far.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *transcript) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// converse types one line after the other, each when the one before was answered with "got" and the
// line, and one more, upon which the command is to end: the last words of one that ends by itself can get
// lost on the way. It returns what was said.
func converse(t *testing.T, cmd *exec.Cmd, lines ...string) string {
	t.Helper()
	if _, err := exec.LookPath(cmd.Args[0]); err != nil {
		t.Skipf("no terminal to type at: %v", err)
	}
	said := &transcript{}
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig)
	cmd.Stdout, cmd.Stderr = said, said
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // if it is still there
	})
	for _, line := range lines {
		_, err := stdin.Write([]byte(line + "\n"))
		require.NoError(t, err)
		eventually(t, line+" is answered", func() bool { return strings.Contains(said.String(), "got "+line) })
	}
	_, err = stdin.Write([]byte("bye\n"))
	require.NoError(t, err)
	var end error
	eventually(t, "it ends with the container", func() bool {
		select {
		case end = <-ended:
			return true
		default:
			return false
		}
	})
	require.NoError(t, end, said.String())
	return said.String()
}

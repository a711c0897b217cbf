package supervise_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		flags []string
		runs  int
	}{
		"of a rule":        {[]string{"--on-exit=0-41:end,42:restart/0*2|end,43-255:end"}, 3},
		"of two rules":     {[]string{"--on-exit=0-255:restart/0*1@1h|restart/1*2|end"}, 4},
		"of the container": {[]string{"--on-exit=0-255:restart/policy", "--max-restarts=1/end"}, 2},
		"no restart":       {[]string{"--on-exit=0-255:restart/policy", "--max-restarts=0/end"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, append(tc.flags, noBackoff), sh(`echo run; exit 42`))
			lines, code := s.wait()
			require.Equal(t, 42, code)
			require.Len(t, lines, tc.runs)
		})
	}
}

func TestLinger(t *testing.T) {
	for name, flags := range map[string][]string{
		"after a code":              {"--on-exit=0-6:end,7:linger,8-255:end"},
		"when restarts are used up": {"--on-exit=0-255:restart/policy", "--max-restarts=0/linger"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, append(flags, noBackoff), sh(`echo run; exit 7`), inPIDNamespace(t))
			require.Equal(t, "run", s.line())
			eventually(t, "it says that it stays", func() bool { return strings.Contains(s.stderr.String(), "exit code 7 ends app for good") })
			s.signal(syscall.SIGTERM)
			lines, code := s.wait()
			require.Equal(t, 7, code)
			require.Empty(t, lines)
		})
	}
}

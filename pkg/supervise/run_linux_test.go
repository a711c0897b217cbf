package supervise_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	endAlways   = "--on-exit=0-255:end"
	restart42   = "--on-exit=0-41:end,42:restart/0,43-255:end"
	restart143  = "--on-exit=0-142:end,143:restart/1,144-255:end"
	restartAll  = "--on-exit=0-255:restart/policy"
	noBackoff   = "--backoff=none"
	longBackoff = "--backoff=1h/1h/1h"
)

func TestEndsWithTheCommandsOwnCode(t *testing.T) {
	for script, want := range map[string]int{
		"exit 0":        0,
		"exit 3":        3,
		"exit 255":      255,
		"kill -9 $$":    137,
		"kill -TERM $$": 143,
		"kill -SEGV $$": 139,
	} {
		_, code := start(t, []string{endAlways}, sh(script)).wait()
		require.Equal(t, want, code, script)
	}
}

func TestACommandThatCannotBeStarted(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), mode))
		return path
	}
	for name, test := range map[string]struct {
		command string
		code    int
		says    string
	}{
		"not in PATH":        {"no-such-command", 127, "can't start no-such-command: not found"},
		"no such file":       {"/no/such/file", 127, "can't start /no/such/file: not found"},
		"empty":              {"", 127, "not found"},
		"not executable":     {file("plain", "#!/bin/sh\n", 0o644), 126, "permission denied"},
		"a directory":        {dir, 126, "permission denied"},
		"without #! line":    {file("noshebang", "exit 0\n", 0o755), 126, "exec format error"},
		"interpreter absent": {file("badshebang", "#!/no/such/sh\n", 0o755), 127, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, []string{endAlways}, []string{test.command})
			_, code := s.wait()
			require.Equal(t, test.code, code)
			require.Contains(t, s.stderr.String(), test.says)
		})
	}
}

func TestRestartsInPlaceUntilTheCodeEndsIt(t *testing.T) {
	count := filepath.Join(t.TempDir(), "count")
	s := start(t, []string{restart42, noBackoff}, sh(`
		echo x >> `+count+`; n=$(wc -l < `+count+`)
		echo "$n $PPID $$"
		[ $n -lt 3 ] && exit 42; exit 5`))
	lines, code := s.wait()
	require.Equal(t, 5, code)
	require.Len(t, lines, 3)
	pids := map[string]bool{}
	for i, line := range lines {
		fields := strings.Fields(line)
		require.Equal(t, strconv.Itoa(i+1), fields[0])
		require.Equal(t, strconv.Itoa(s.cmd.Process.Pid), fields[1], "the parent is the shim")
		pids[fields[2]] = true
	}
	require.Len(t, pids, 3)
	require.Equal(t, `restartrules: container=app attempt=1 exitCode=42 rule=restartPolicyRules[0] action=Restart nextAttempt=2 wait=0s
restartrules: container=app attempt=2 exitCode=42 rule=restartPolicyRules[0] action=Restart nextAttempt=3 wait=0s
`, s.stderr.String())
}

func TestSeamAsJSONAndOff(t *testing.T) {
	script := sh(`[ -e ` + "$0" + `.done ] && exit 0; touch $0.done; exit 42`)
	run := func(form string) string {
		s := start(t, []string{restart42, noBackoff, "--seam=" + form}, append(script, filepath.Join(t.TempDir(), "x")))
		_, code := s.wait()
		require.Zero(t, code)
		return s.stderr.String()
	}
	require.Empty(t, run("off"))
	require.JSONEq(t, `{"logger":"restartrules","container":"app","attempt":1,"exitCode":42,
		"rule":"restartPolicyRules[0]","action":"Restart","nextAttempt":2,"waitSeconds":0}`, run("json"))
}

func TestAttemptFile(t *testing.T) {
	var s *shim
	read := func() string {
		b, err := os.ReadFile(filepath.Join(s.dir, "attempt", "app.json"))
		require.NoError(t, err)
		return string(b)
	}
	s = start(t, []string{restart42, noBackoff}, sh(`echo ready; read go; exit $go`), pipeStdin(t))
	for _, step := range []struct{ file, exit string }{
		{`{"version":"v1","container":"app","attempt":1}`, "42"},
		{`{"version":"v1","container":"app","attempt":2,"lastExitCode":42,"lastReason":"Error"}`, "42"},
		{`{"version":"v1","container":"app","attempt":3,"lastExitCode":42,"lastReason":"Error"}`, "0"},
	} {
		require.Equal(t, "ready", s.line())
		require.JSONEq(t, step.file, read())
		s.send(step.exit + "\n")
	}
	_, code := s.wait()
	require.Zero(t, code)
	require.JSONEq(t, `{"version":"v1","container":"app","attempt":3,"lastExitCode":42,"lastReason":"Error","exitCode":0}`, read())

	t.Run("the next shim of the container goes on", func(t *testing.T) {
		next := start(t, []string{endAlways, "--dir=" + s.dir}, sh("cat "+s.dir+"/attempt/app.json"))
		lines, _ := next.wait()
		require.JSONEq(t, `{"version":"v1","container":"app","attempt":4,"lastExitCode":0,"lastReason":"Completed"}`, lines[0])
	})
	t.Run("an end that nobody saw", func(t *testing.T) {
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, "attempt", "app.json"), []byte(`{"attempt":8}`), 0o644))
		lines, _ := start(t, []string{endAlways, "--dir=" + s.dir}, sh("cat "+s.dir+"/attempt/app.json")).wait()
		var got map[string]any
		require.NoError(t, json.Unmarshal([]byte(lines[0]), &got))
		require.Equal(t, 9.0, got["attempt"])
		require.Equal(t, 137.0, got["lastExitCode"])
		require.Equal(t, "ContainerStatusUnknown", got["lastReason"])
	})
	t.Run("nonsense counts from one", func(t *testing.T) {
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, "attempt", "app.json"), []byte(`"attempt":-5 {{`), 0o644))
		lines, _ := start(t, []string{endAlways, "--dir=" + s.dir}, sh("cat "+s.dir+"/attempt/app.json")).wait()
		require.JSONEq(t, `{"version":"v1","container":"app","attempt":1}`, lines[0])
	})
}

func TestEnvironmentDirectoryAndStdinAreTheContainers(t *testing.T) {
	dir := t.TempDir()
	s := start(t, []string{endAlways}, sh(`pwd; env | sort; cat; ulimit -n`), pipeStdin(t), func(cmd *exec.Cmd) {
		cmd.Dir = dir
		cmd.Env = []string{"PATH=/usr/bin:/bin", "A=b c", "EMPTY="}
	})
	s.send("from stdin\n")
	s.closeStdin()
	lines, code := s.wait()
	require.Zero(t, code)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	require.Equal(t, []string{dir, "A=b c", "EMPTY=", "PATH=/usr/bin:/bin", "PWD=" + dir, "from stdin"}, lines[:6])
}

func TestPATHIsTheContainers(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tool"), []byte("#!/bin/sh\necho found $0\n"), 0o755))
	s := start(t, []string{endAlways}, []string{"tool"}, func(cmd *exec.Cmd) { cmd.Env = []string{"PATH=/nowhere:" + dir} })
	lines, _ := s.wait()
	require.Equal(t, []string{"found " + dir + "/tool"}, lines)
}

func TestBackoffWaitEndsWhenTheContainerIsToldToStop(t *testing.T) {
	s := start(t, []string{restart42, longBackoff}, sh(`echo run; exit 42`), inPIDNamespace(t))
	require.Equal(t, "run", s.line()) // the first restart is immediate
	require.Equal(t, "run", s.line())
	eventually(t, "the second seam line", func() bool { return strings.Contains(s.stderr.String(), "wait=1h0m0s") })
	s.signal(syscall.SIGTERM)
	lines, code := s.wait()
	require.Empty(t, lines)
	require.Equal(t, 42, code, "the code of the last attempt")
}

package supervise_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a restart of the whole Pod leaves in a container: the attempt file, and a line in the log.

func TestAttemptFileOfAMember(t *testing.T) {
	c := converse(t, []string{member, byCode, noBackoff}, obedient, pipeStdin(t))
	c.do("< state is=new\n> run gen=0\n< state is=running\n| ready")
	require.JSONEq(t, `{"version":"v1","container":"app","attempt":1}`, attemptOf(t, c.dir))
	c.do("> stop gen=1 grace=60000 pre=0\n< state is=stopping\n< state is=parked\n> run gen=1\n< state is=running\n| ready")
	require.JSONEq(t, `{"version":"v1","container":"app","attempt":2,"lastExitCode":143,"lastReason":"RestartingAllContainers"}`, attemptOf(t, c.dir))
	c.send("88\n")
	c.do("< state is=asks\n> stop gen=2 grace=0 pre=0\n< state is=parked\n> run gen=2\n< state is=running\n| ready")
	require.JSONEq(t, `{"version":"v1","container":"app","attempt":3,"lastExitCode":88,"lastReason":"Error"}`, attemptOf(t, c.dir))
	c.send("0\n")
	c.do("< state is=ended\n> end code=-1\nexit 0")
	require.JSONEq(t, `{"version":"v1","container":"app","attempt":3,"lastExitCode":88,"lastReason":"Error","exitCode":0}`, attemptOf(t, c.dir))
}

func TestSeamBetweenRestartsOfThePod(t *testing.T) {
	c := converse(t, []string{member, byCode, noBackoff}, obedient, pipeStdin(t))
	defer c.end()
	c.do("< state is=new\n> run gen=0\n< state is=running\n| ready")
	c.send("88\n")
	c.do("< state is=asks\n> stop gen=1 grace=0 pre=0\n< state is=parked\n> run gen=1\n< state is=running\n| ready")
	c.do("> stop gen=2 grace=60000 pre=0\n< state is=stopping\n< state is=parked code=143\n> run gen=2\n< state is=running\n| ready")
	want := `restartrules: container=app attempt=1 exitCode=88 rule=restartPolicyRules[1] action=RestartAllContainers nextAttempt=2
restartrules: container=app attempt=2 exitCode=143 reason=RestartingAllContainers action=RestartAllContainers nextAttempt=3
`
	eventually(t, want, func() bool { return c.stderr.String() == want })
}

func attemptOf(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "attempt", "app.json"))
	require.NoError(t, err)
	return string(b)
}

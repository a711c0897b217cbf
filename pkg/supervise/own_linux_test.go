package supervise_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/wire"
)

// A container whose probes the watcher runs, in a Pod that is not restarted as a whole, does not wait
// for the watcher.
func TestAnOwnShimDecidesByItself(t *testing.T) {
	done := t.TempDir() + "/done"
	c := unattended(t, []string{"--pod=own", "--on-exit=0-41:end,42:restart/0,43-255:end", "--backoff=none"},
		sh(`[ -e `+done+` ] && exit 7; touch `+done+`; exit 42`))
	_, code := c.wait()
	require.Equal(t, 7, code)
}

func TestAnOwnShimRunsProbes(t *testing.T) {
	c := converse(t, []string{"--pod=own", "--on-exit=0-255:restart/policy", "--backoff=none", `--exec=liveness="sh" "-c" "exit 3"`}, []string{"sleep", "1000"})
	for c.hear("state").Is != wire.IsRunning {
		// It does not wait for its watcher before it starts the command.
	}
	c.tell("exec id=1 name=liveness timeout=1000")
	c.hear("execed id=1 code=3 timeout=0")
	c.tell("kill grace=1000 judge=0 attempt=1")
	c.hear("state is=running attempt=1") // it was heard
	c.hear("state is=running attempt=2")
}

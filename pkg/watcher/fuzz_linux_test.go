package watcher

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/wire"
)

// fuzzedPlan has every role.
func fuzzedPlan() *plan.Plan {
	setup := withTwin("setup")
	return &plan.Plan{Version: plan.Version, RestartPolicy: plan.RestartPolicy{Own: "Never", Compiled: "Never"},
		RestartAll: &plan.RestartAll{Backoff: "none", TerminationGracePeriodSeconds: 30},
		Containers: []plan.Container{setup[0].Container, member("trainer", "0-87:end,88:all/0,89-255:end", true).Container,
			member("peer", "0-255:end", false).Container, setup[1].Container}}
}

// FuzzMessages has the watcher deal with what containers might send. A line of the input is a message; its
// first byte says whose: of a container, or of the watcher's own hooks. An empty message is the end of the
// connection. A container has root in it, perhaps, and can send anything.
func FuzzMessages(f *testing.F) {
	for _, text := range []string{
		"1hello version=1\n1state gen=0 is=new attempt=0 code=0 rule=-1 pid=0 micros=0 wait=0\n1state gen=0 is=asks attempt=1 code=88 rule=0 action=all pid=0 micros=0 wait=0\n1",
		"2hello version=1\n2state gen=0 is=running attempt=1 code=0 rule=-1 pid=7 micros=0 wait=0\n2demand reason=\"x\"\n2state gen=1 is=parked attempt=1 code=137 rule=-1 pid=0 micros=0 wait=0",
		"3hello version=7\n3state gen=0 is=stuck attempt=1 code=137 rule=-1 action=all pid=7 micros=0 wait=0 name=x\n3execed id=1 code=0 timeout=0",
		"1stopping\n0stopping\n0hello version=1\n1startup\n2demand reason=\"\"\n1run gen=1\n1stop gen=1 grace=0 pre=0\n1end code=-1",
		"1hello version=1\n1state gen=0 is=running attempt=1 code=0 rule=-1 pid=7 micros=0 wait=0\n1restart grace=-1 reason=\"x\"\n1exited attempt=1 code=143 action=restart rule=-1 wait=0\n1started attempt=2 pid=8 micros=5\n2restart grace=1\n3restart grace=1",
		"1exited attempt=1 code=42 action=restart rule=0 wait=0\n1started attempt=2 pid=8 micros=231\n1exited attempt=-1 code=-1 action=pod rule=99 wait=-1\n1ok\n1no reason=\"\"",
		"1state gen=9223372036854775807 is=parked attempt=-1 code=1000 rule=-9 pid=-1 micros=-1 wait=-1\n1state gen=-9223372036854775808 is=asks",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p := fuzzedPlan()
		v := Volume{Root: t.TempDir(), Containers: p.Wrapped()}
		require.NoError(t, v.prepare())
		d, err := newPod(v, p, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		defer d.close()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		d.wake = time.NewTimer(time.Hour)
		defer d.wake.Stop()
		connections := make([]*connection, 1+len(v.Containers))
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			if len(line) == 0 {
				continue
			}
			i := int(line[0]) % len(connections)
			if connections[i] == nil {
				connections[i] = pairedConnection(t, i-1)
			}
			c := connections[i]
			if len(line) == 1 {
				d.deal(ctx, happening{connection: c, lost: true})
				connections[i] = nil
			} else if m, err := wire.Parse(line[1:]); err == nil {
				d.deal(ctx, happening{connection: c, message: m})
			}
			d.idle()
			d.setAlarm(ctx)
		}
		d.tasks.Wait()
	})
}

// pairedConnection is one whose client reads nothing.
func pairedConnection(t *testing.T, container int) *connection {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	file := os.NewFile(uintptr(fds[0]), "watcher")
	socket, err := net.FileConn(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	t.Cleanup(func() { _ = socket.Close(); _ = syscall.Close(fds[1]) })
	c, err := newConnection(container, socket.(*net.UnixConn))
	require.NoError(t, err)
	return c
}

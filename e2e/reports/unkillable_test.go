//go:build e2e

package reports

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/e2e/record"
	"restartrules.dev/pkg/report"
)

// TestUnkillable: a process outlives SIGKILL. Nothing is started beside it, the Event names it, the Pod fails.
func TestUnkillable(t *testing.T) {
	t.Parallel()
	p := newPod(t, restartsAll, nil)
	p.await("the condition, from the start", isCondition(corev1.ConditionFalse, ""))
	letGo := undead(t, p.process("/app", "-record=/records/"+worker))
	defer letGo()
	began, err := record.Read(p.dir + "/" + worker)
	require.NoError(t, err)
	p.tell(restartAllCode)
	event := p.await("the Event", p.isEvent("FailedKillPod", 1)).event
	require.Equal(t, corev1.EventTypeWarning, event.Type)
	require.Equal(t, fmt.Sprintf("process %d (app) of container worker outlives SIGKILL: nothing is started beside it, the Pod fails", began[0].PID), event.Message)
	seen := p.await("the condition", isCondition(corev1.ConditionFalse, "PodFailed"))
	status := seen.status(t)
	require.Equal(t, &report.Stuck{Container: worker, PID: began[0].PID, Name: "app"}, status.Stuck)
	require.Equal(t, map[string]int{setup: 0, app: 0, worker: 0}, status.Restarts)
	// The kubelet says that a Pod has failed when nothing of its sandbox is left, so not before the process is.
	ended := p.await("that all containers have ended", func(s *sight) bool {
		return s.pod != nil && !slices.ContainsFunc(s.pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool { return c.State.Terminated == nil })
	}).pod
	for _, c := range ended.Status.ContainerStatuses {
		if code, ours := map[string]int32{app: restartAllCode, worker: 137}[c.Name]; ours {
			require.Equal(t, code, c.State.Terminated.ExitCode, c.Name)
		}
	}
	letGo()
	p.await("that the Pod has failed", func(s *sight) bool { return s.pod != nil && s.pod.Status.Phase == corev1.PodFailed })
	events, err := record.Read(p.dir + "/" + setup)
	require.NoError(t, err)
	require.Equal(t, 1, record.Starts(events))
}

// undead makes a process one that outlives SIGKILL, until it is let go: it stays a zombie that nobody but this
// thread can reap. The test has to stay on its thread.
func undead(t *testing.T, pid int) (letGo func()) {
	t.Helper()
	require.NotZero(t, pid)
	runtime.LockOSThread()
	require.NoError(t, syscall.PtraceAttach(pid))
	var status syscall.WaitStatus
	wait := func() {
		_, err := syscall.Wait4(pid, &status, syscall.WALL, nil)
		require.NoError(t, err)
	}
	wait()
	require.True(t, status.Stopped())
	require.NoError(t, syscall.PtraceCont(pid, 0))
	return sync.OnceFunc(func() {
		for !status.Signaled() && !status.Exited() {
			if status.Stopped() {
				_ = syscall.PtraceCont(pid, int(status.StopSignal()))
			}
			wait()
		}
		runtime.UnlockOSThread()
	})
}

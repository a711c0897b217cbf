//go:build e2e

package tests

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
)

func TestARestartInPlaceKeepsThePod(t *testing.T) {
	inBothNamespaces(t, func(t *testing.T, shared bool) {
		// Two retriable errors, then it runs until it is told to fail with a code of its own.
		p := newPod(t, "in-place", shared, "-run=1s,1s,0", "-exit=42", "-quit=3").restartOn(42).create(t)
		p.waitStarts("app", 1)
		eventually(t, "running", func() bool { return status(p.get(), "app").State.Running != nil })
		before := p.get()
		require.Equal(t, shared, before.Spec.ShareProcessNamespace != nil && *before.Spec.ShareProcessNamespace)
		require.Equal(t, api.ModeEmulated, before.Labels[api.ModeLabel])
		require.Nil(t, before.Spec.Containers[0].RestartPolicyRules, "the API server has no such field with the gate off")
		eventually(t, "a file is written", func() bool { // a restart stops what does it
			_, _, err := kubectl(t, "", "exec", "-n", enabled, p.name, "-c", "app", "--", "sh", "-c", "echo kept > /work/file")
			return err == nil
		})

		p.waitStarts("app", 3)
		after := p.get()
		require.Equal(t, before.UID, after.UID)
		require.Equal(t, before.Status.PodIP, after.Status.PodIP)
		require.Equal(t, before.Spec.NodeName, after.Spec.NodeName)
		require.Equal(t, status(before, "app").ContainerID, status(after, "app").ContainerID)
		require.NotEmpty(t, status(after, "app").ContainerID)
		require.Zero(t, status(after, "app").RestartCount, "no restart of the container")
		require.Equal(t, "kept\n", p.exec("app", "cat", "/work/file"))

		var attempt struct{ Attempt, LastExitCode int }
		require.NoError(t, json.Unmarshal([]byte(p.exec("app", "cat", "/restartrules/attempt/app.json")), &attempt))
		require.Equal(t, 3, attempt.Attempt)
		require.Equal(t, 42, attempt.LastExitCode)

		events := p.events("app")
		require.Len(t, events, 5)
		require.Equal(t, "start end start end start", verbs(events))
		require.NotEqual(t, events[0].PID, events[2].PID)
		require.GreaterOrEqual(t, events[4].At-events[3].At, int64(9e9), "the kubelet's back-off: the second restart waits 10 s")

		logs := p.logs("app")
		require.Contains(t, logs, "restartrules: container=app attempt=1 exitCode=42 rule=restartPolicyRules[0] action=Restart nextAttempt=2 wait=0s\n")
		require.Contains(t, logs, "attempt=2 exitCode=42 rule=restartPolicyRules[0] action=Restart nextAttempt=3 wait=10s\n")

		p.quit("app")
		pod := p.waitPhase(corev1.PodFailed)
		require.EqualValues(t, 3, status(pod, "app").State.Terminated.ExitCode, "the command's own code")
		require.Equal(t, 3, starts(p.events("app")), "no restart on a code that doesn't match")
	})
}

func verbs(events []event) string {
	var all []string
	for _, e := range events {
		all = append(all, e.Event)
	}
	return strings.Join(all, " ")
}

func TestTheCommandsOwnCodeReachesTheKubelet(t *testing.T) {
	inBothNamespaces(t, func(t *testing.T, shared bool) {
		for name, test := range map[string]struct {
			command []string
			code    int32
			phase   corev1.PodPhase
		}{
			"zero":           {[]string{"sh", "-c", "exit 0"}, 0, corev1.PodSucceeded},
			"seven":          {[]string{"sh", "-c", "exit 7"}, 7, corev1.PodFailed},
			"signal":         {[]string{"sh", "-c", "kill -9 $$$$"}, 137, corev1.PodFailed},
			"not-found":      {[]string{"no-such-command"}, 127, corev1.PodFailed},
			"not-executable": {[]string{"/tmp"}, 126, corev1.PodFailed},
		} {
			t.Run(name, func(t *testing.T) {
				b := newPod(t, "code-"+name, shared).restartOn(42)
				b.Spec.Containers[0].Command = test.command
				p := b.create(t)
				pod := p.waitPhase(test.phase)
				require.Equal(t, test.code, status(pod, "app").State.Terminated.ExitCode)
				if test.code == 127 {
					require.Contains(t, p.logs("app"), "can't start no-such-command: not found")
				}
				watcher := status(pod, api.WatcherContainer)
				require.NotNil(t, watcher.State.Terminated, "the sidecar does not keep the Pod")
				require.Zero(t, watcher.State.Terminated.ExitCode)
			})
		}
	})
}

func TestNothingOfTheContainerIsLeftBeforeTheNextStart(t *testing.T) {
	inBothNamespaces(t, func(t *testing.T, shared bool) {
		b := newPod(t, "leftovers", shared).rules(restartAtOnce(42))
		b.Spec.Containers[0].Command = []string{"sh", "-c", `
			if [ ! -e /work/daemons ]; then
				(setsid sh -c 'trap "" TERM HUP; echo one >> /work/daemons; exec sleep 1000' &)
				(setsid sh -c 'sleep 1000 & echo two >> /work/daemons; wait' &)
				until [ "$(wc -l < /work/daemons)" = 2 ]; do sleep 0.1; done
				until [ -e /work/exec ]; do sleep 0.1; done
				exit 42
			fi
			for pid in $(pidof sleep); do # the dead, which containerd has not buried yet, apart
				case "$(grep State /proc/$pid/status)" in *zombie* | "") ;; *) left="$left $pid" ;; esac
			done
			echo "left:$left."
			exec /app -record=/records/app`}
		p := b.create(t)
		eventually(t, "daemons", func() bool {
			out, _, err := kubectl(t, "", "exec", "-n", enabled, p.name, "-c", "app", "--", "wc", "-l", "/work/daemons")
			return err == nil && strings.HasPrefix(out, "2 ")
		})
		// What kubectl exec started in the container ends with it, too.
		out, _, err := kubectl(t, "", "exec", "-n", enabled, p.name, "-c", "app", "--", "sh", "-c", "echo begun; touch /work/exec; exec sleep 1001")
		require.Error(t, err, "it was killed")
		require.Equal(t, "begun\n", out)
		p.waitStarts("app", 1)
		p.waitPhase(corev1.PodRunning)
		require.Contains(t, p.logs("app"), "left:.\n", "processes of the first attempt were still there")
	})
}

func TestKillFromInsideIsAnExitThatTheRulesJudge(t *testing.T) {
	inBothNamespaces(t, func(t *testing.T, shared bool) {
		p := newPod(t, "kill-inside", shared).rules(restartAtOnce(143)).create(t)
		p.waitStarts("app", 1)
		// With a shared process namespace process 1 is the sandbox's; the container's is its shim. The
		// session ends with what it killed, so how it ended says nothing.
		_, _, _ = kubectl(t, "", "exec", "-n", enabled, p.name, "-c", "app", "--", "sh", "-c",
			"kill -TERM $(grep -al container=app /proc/[0-9]*/cmdline | grep -o '[0-9]*' | sort -n | head -1)")
		p.waitStarts("app", 2)
		require.Equal(t, "start term end start", verbs(p.events("app")))
		require.Zero(t, status(p.waitPhase(corev1.PodRunning), "app").RestartCount)
	})
}

//go:build e2e

package chaos

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/e2e/record"
)

// These are alone on the node: the tests that are parallel come later.

func TestKubeletIsRestartedInTheMiddleOfARestart(t *testing.T) {
	throughARestartOf(t, "kubelet", local.RestartKubelet)
}

func TestContainerdIsRestartedInTheMiddleOfARestart(t *testing.T) {
	throughARestartOf(t, "containerd", local.RestartContainerd)
}

// throughARestartOf has Pods restart while something of the node does.
func throughARestartOf(t *testing.T, component string, restart func(context.Context) error) {
	never := newPod(t, shape{policy: corev1.RestartPolicyNever, init: slowReplays, suffix: "-never"})
	onFailure := newPod(t, shape{policy: corev1.RestartPolicyOnFailure, init: slowReplays, suffix: "-onfailure"})
	both := []*pod{never, onFailure}
	for _, p := range both {
		require.NoError(t, p.exit(source))
		require.NoError(t, p.replays())
	}
	require.NoError(t, restart(t.Context()))
	for _, p := range both {
		p.restarted()
		faults.add(component+" restarted", "in the middle")
	}

	// A restart that begins while it is down, and a shim that is killed then.
	down := make(chan error, 1)
	go func() { down <- restart(t.Context()) }()
	require.NoError(t, never.exit(source))
	faults.add(component+" restarted", "when a restart begins")
	time.Sleep(time.Second) // it has only just been told to end
	onFailure.killShimWithin(newRandom(t), worker)
	never.restarted()
	require.NoError(t, <-down)
	onFailure.comesBack(report{container: worker, random: true})
	never.checkUntouched()
	for _, p := range both {
		p.restart()
	}
}

// slowReplays are arguments of an init container that is quick at first, and then takes long.
var slowReplays = []string{"-run=2ms,1500ms"}

// replays waits until the init container is run again.
func (p *pod) replays() error {
	return eventually(p.Context(), "the init container is run again", func() error {
		events, err := p.records[initContainer].read()
		if err == nil && record.Starts(events) <= p.starts[initContainer] {
			err = fmt.Errorf("%d starts", record.Starts(events))
		}
		return err
	})
}

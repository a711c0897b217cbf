package watcher

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/watcher/machine"
)

// Without a journal nothing says that worker runs, and it connects later than source asks: nothing may start beside it.
func TestWithoutAJournalWaitsForContainersThatWereStarted(t *testing.T) {
	v := Volume{Root: t.TempDir(), Containers: []string{"source", "worker", "later"}}
	require.NoError(t, v.prepare())
	var of []*plan.Container
	c := &machine.Config{}
	for _, name := range v.Containers {
		of = append(of, &plan.Container{Name: name})
		c.Members = append(c.Members, machine.Member{Name: name, Role: machine.Regular, Wrapped: true, Twin: -1, Source: true})
		if name != "later" {
			require.NoError(t, os.WriteFile(filepath.Join(v.Root, api.AttemptsDir, name, name+".json"), []byte("{}"), 0o644))
		}
	}
	checks := func(effects []machine.Effect) bool {
		for _, e := range effects {
			if _, ok := e.(machine.Check); ok {
				return true
			}
		}
		return false
	}
	s := machine.NewState(c, v.unjournaled(of), 1)
	s, _ = machine.Step(c, s, machine.Report{Member: 0, Connected: true, Is: machine.Asks, Rule: int(exittable.Policy)}, 2)
	require.Equal(t, machine.Stopping, s.Phase)
	s, effects := machine.Step(c, s, machine.Report{Member: 0, Is: machine.Parked, Gen: s.Gen}, 3)
	require.False(t, checks(effects), "worker may run")
	connected, _ := machine.Step(c, s, machine.Report{Member: 1, Connected: true, Is: machine.Runs}, 4)
	_, effects = machine.Step(c, connected, machine.Report{Member: 1, Is: machine.Parked, Gen: s.Gen}, 5)
	require.True(t, checks(effects), "later was never started")
	_, effects = machine.Step(c, s, machine.Tick{}, 1+int64(machine.Settle+time.Second))
	require.True(t, checks(effects), "worker doesn't come")
}

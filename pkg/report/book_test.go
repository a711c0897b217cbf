package report

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	pod   = Pod{Namespace: "ns", Name: "pod", UID: "uid"}
)

// at is so many seconds after the start.
func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

func ptr[T any](v T) *T { return &v }

// containers: app and worker, and setup, which its twin replays.
func containers() map[string]Container {
	return map[string]Container{"app": {Counts: "app", MaxRestarts: 5}, "worker": {Counts: "worker"}, "setup-replay": {Counts: "setup", Twin: true}}
}

func byRule(action string) Restart {
	return Restart{Container: "app", ExitCode: ptr(88), Rule: 1, Action: action}
}

func TestBook(t *testing.T) {
	inPlace := func(micros int64) *Restart {
		return &Restart{Container: "app", ExitCode: ptr(42), Rule: 0, Action: ActionRestart, DurationMicros: micros}
	}
	first := func(b *Book) {
		b.Started("app", 1, nil, at(1))
		b.Started("worker", 1, nil, at(1))
	}
	for name, test := range map[string]struct {
		happens func(b *Book)
		want    func(t *testing.T, r *Report)
	}{
		"first starts are no restarts": {first, func(t *testing.T, r *Report) {
			require.Equal(t, map[string]int{"app": 0, "worker": 0, "setup": 0}, r.Status.Restarts)
			require.Nil(t, r.Status.Last)
			require.Zero(t, r.Status.LastID())
		}},
		"a restart in place": {func(b *Book) {
			first(b)
			b.Exited("app", 1, 0, at(2))
			b.Started("app", 2, inPlace(500), at(3))
		}, func(t *testing.T, r *Report) {
			require.Equal(t, 1, r.Status.Restarts["app"])
			require.Equal(t, &Restart{ID: 1, Container: "app", ExitCode: ptr(42), Action: ActionRestart, Time: at(3), DurationMicros: 500}, r.Status.Last)
			require.Equal(t, []Restart{*r.Status.Last}, r.Status.Recent)
		}},
		"back-off": {func(b *Book) {
			first(b)
			b.Exited("app", 1, 10*time.Second, at(2))
		}, func(t *testing.T, r *Report) {
			require.Equal(t, &Next{Container: "app", At: at(12), Attempt: 2, Max: 5}, r.Status.Next)
			require.Zero(t, r.Status.Restarts["app"])
		}},
		"the first of two that wait is next": {func(b *Book) {
			b.Exited("app", 1, 10*time.Second, at(2))
			b.Exited("worker", 1, time.Second, at(2))
		}, func(t *testing.T, r *Report) { require.Equal(t, "worker", r.Status.Next.Container) }},
		"a wait that ends with the container": {func(b *Book) {
			b.Exited("app", 1, 10*time.Second, at(2))
			b.Ended("app", at(3))
		}, func(t *testing.T, r *Report) { require.Nil(t, r.Status.Next) }},
		"starts that nobody has seen count": {func(b *Book) {
			first(b)
			b.Started("app", 4, nil, at(3))
		}, func(t *testing.T, r *Report) { require.Equal(t, 3, r.Status.Restarts["app"]) }},
		"what the kubelet starts anew doesn't count": {func(b *Book) {
			first(b)
			b.Started("app", 3, nil, at(2))
			b.Lost("app", at(3))
			b.Started("app", 1, nil, at(4))
		}, func(t *testing.T, r *Report) { require.Equal(t, 2, r.Status.Restarts["app"]) }},
		"a container that is not counted": {func(b *Book) { b.Started("stranger", 7, nil, at(1)) },
			func(t *testing.T, r *Report) { require.NotContains(t, r.Status.Restarts, "stranger") }},
		"a script in place of a twin": {func(b *Book) {
			b.Replayed("setup", at(1))
			b.Replayed("stranger", at(1))
		}, func(t *testing.T, r *Report) {
			require.Equal(t, map[string]int{"app": 0, "worker": 0, "setup": 1}, r.Status.Restarts)
		}},
		"the whole Pod, under way": {func(b *Book) {
			first(b)
			b.Began(byRule(ActionRestartAll), 1, 0, at(5))
		}, func(t *testing.T, r *Report) {
			require.True(t, r.Restarting)
			require.Equal(t, at(5), r.Since)
			require.Nil(t, r.Status.Last)
			require.Len(t, r.Status.Recent, 1)
			require.Zero(t, r.Status.Recent[0].DurationMicros)
		}},
		"the whole Pod": {func(b *Book) {
			first(b)
			b.Began(byRule(ActionRestartAll), 1, 0, at(5))
			b.Started("setup-replay", 1, nil, at(6))
			b.Started("app", 2, nil, at(6))
			b.Started("worker", 2, nil, at(6))
			b.Finished(1500*time.Microsecond, at(7))
		}, func(t *testing.T, r *Report) {
			require.False(t, r.Restarting)
			require.Equal(t, at(7), r.Since)
			require.Equal(t, map[string]int{"app": 1, "worker": 1, "setup": 1}, r.Status.Restarts)
			require.EqualValues(t, 1500, r.Status.Last.DurationMicros)
			require.Equal(t, *r.Status.Last, r.Status.Recent[0])
		}},
		"the whole Pod, in back-off": {func(b *Book) {
			b.Exited("worker", 1, time.Hour, at(1)) // which is forgotten
			b.Began(byRule(ActionRestartAll), 3, 20*time.Second, at(5))
		}, func(t *testing.T, r *Report) {
			require.Equal(t, &Next{Container: "app", At: at(25), Attempt: 3}, r.Status.Next)
		}},
		"the end by a rule": {func(b *Book) { b.Began(byRule(ActionTerminate), 1, 0, at(5)) }, func(t *testing.T, r *Report) {
			require.False(t, r.Restarting)
			require.Equal(t, ActionTerminate, r.Status.Last.Action)
		}},
		"given up": {func(b *Book) {
			b.Began(byRule(ActionRestartAll), 1, 0, at(5))
			b.GaveUp(strings.Repeat("é", MaxText), &Stuck{Container: "app", PID: 7, Name: "driver"}, at(6))
			b.Enter("Failed", false, at(6))
		}, func(t *testing.T, r *Report) {
			require.Equal(t, 2, r.Status.LastID())
			require.Equal(t, strings.Repeat("é", MaxText/2), r.Status.Failed.Message)
			require.Equal(t, &Stuck{Container: "app", PID: 7, Name: "driver"}, r.Status.Stuck)
			require.False(t, r.Restarting)
		}},
		"only the last are remembered, all counted": {func(b *Book) {
			first(b)
			for n := 2; n < 30; n++ {
				b.Started("app", n, inPlace(1), at(n))
			}
		}, func(t *testing.T, r *Report) {
			require.Equal(t, 28, r.Status.Restarts["app"])
			require.Len(t, r.Status.Recent, MaxRecent)
			require.Equal(t, 28, r.Status.Recent[MaxRecent-1].ID)
		}},
		"a clock that goes back": {func(b *Book) {
			b.Started("app", 1, nil, at(0))
			b.Started("app", 2, nil, at(-3600))
		}, func(t *testing.T, r *Report) { require.Equal(t, start.Add(1), r.Status.ObservedAt) }},
	} {
		t.Run(name, func(t *testing.T) {
			b := NewBook(containers(), true, start)
			test.happens(b)
			r := b.Report(pod)
			test.want(t, r)

			// It is one that is taken, and the same after the watcher was killed: but for what waits.
			text, err := r.Encode()
			require.NoError(t, err)
			require.Less(t, len(text), MaxBytes)
			decoded, err := Decode(text)
			require.NoError(t, err)
			require.Equal(t, r, decoded)
			text, err = b.Save()
			require.NoError(t, err)
			again, err := Reopen(text, containers(), true, at(3600))
			require.NoError(t, err)
			reopened := again.Report(pod)
			reopened.Status.Next, reopened.Status.ObservedAt, reopened.Status.Phase = r.Status.Next, r.Status.ObservedAt, r.Status.Phase
			require.Equal(t, r, reopened)
		})
	}
}

func TestChanged(t *testing.T) {
	b := NewBook(containers(), false, start)
	require.False(t, b.Changed(), "of a Pod without rules for the whole there is nothing to tell yet")
	b.Started("app", 1, nil, at(1))
	require.False(t, b.Changed())
	b.Started("app", 2, ptr(byRule(ActionRestart)), at(2))
	require.True(t, b.Changed())
	require.False(t, b.Changed(), "it is said once")
	b.Enter("Running", false, at(3))
	require.False(t, b.Changed())

	text, err := b.Save()
	require.NoError(t, err)
	again, err := Reopen(text, containers(), false, at(4))
	require.NoError(t, err)
	require.True(t, again.Changed(), "the webhook may not have been told")
	again.Started("app", 3, ptr(byRule(ActionRestart)), at(5))
	require.Equal(t, 2, again.Report(pod).Status.LastID())
	again.Told(2)
	text, err = again.Save()
	require.NoError(t, err)
	again, err = Reopen(text, containers(), false, at(6))
	require.NoError(t, err)
	require.False(t, again.Changed())
	require.Equal(t, 2, again.Report(pod).Told)

	require.True(t, NewBook(containers(), true, start).Changed(), "the condition is there from the start")
}

func TestReopenWhatIsNoBook(t *testing.T) {
	b, err := Reopen([]byte("{"), containers(), true, start)
	require.ErrorContains(t, err, "read what was known of the Pod's restarts")
	require.NotNil(t, b)
	b, err = Reopen([]byte(`{"status": {"version": 9, "restarts": {"app": 3}}}`), containers(), true, start)
	require.NoError(t, err)
	require.Zero(t, b.Report(pod).Status.Restarts["app"])
}

package watcher

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/watcher/history"
	"restartrules.dev/pkg/wire"
)

// control is the volume that tells whether the Pod is to be paused; set writes it as the kubelet does.
func control(t *testing.T, v *Volume) (set func(text string)) {
	v.Control = t.TempDir()
	path := filepath.Join(v.Control, api.ControlPausedFile)
	set = func(text string) {
		require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o644))
		require.NoError(t, os.Rename(path+".new", path))
	}
	set("")
	return set
}

func TestWhilePaused(t *testing.T) {
	carries := func(policy string) json.RawMessage { return json.RawMessage(`{"restartPolicy":"` + policy + `"}`) }
	const whole = "its Pod restarts as a whole"
	inWhole := func(c plan.Container) plan.Container { c.Why = whole; return c }
	for name, test := range map[string]struct {
		own, compiled string
		container     plan.Container
		want          wire.Paused
	}{
		"the kubelet does it":               {"Always", "Always", plan.Container{}, wire.PausedEnd},
		"Always in place":                   {"Always", "Never", plan.Container{}, wire.PausedAlways},
		"OnFailure in place":                {"OnFailure", "Never", plan.Container{}, wire.PausedOnFailure},
		"OnFailure where it would be more":  {"OnFailure", "Always", plan.Container{}, wire.PausedOnFailure},
		"Never":                             {"Never", "Never", plan.Container{}, wire.PausedEnd},
		"init container under Always":       {"Always", "Never", plan.Container{Kind: plan.KindInitContainer}, wire.PausedOnFailure},
		"init container, the kubelet":       {"Always", "Always", plan.Container{Kind: plan.KindInitContainer}, wire.PausedEnd},
		"sidecar":                           {"Never", "Never", plan.Container{Kind: plan.KindInitContainer, Role: plan.Role{Sidecar: true}}, wire.PausedEnd},
		"twin":                              {"Always", "Never", plan.Container{Role: plan.Role{TwinOf: "setup"}}, wire.NotPaused},
		"natively given another policy":     {"Always", "Always", plan.Container{Carried: carries("Never")}, wire.PausedAlways},
		"natively given the Pod's own":      {"Never", "Never", plan.Container{Carried: carries("Never")}, wire.PausedEnd},
		"natively given one, but the own's": {"OnFailure", "OnFailure", plan.Container{Carried: carries("OnFailure")}, wire.PausedEnd},
		"of a whole Pod, Always":            {"Always", "Always", inWhole(plan.Container{}), wire.PausedAlways},
		"of a whole Pod, OnFailure":         {"OnFailure", "OnFailure", inWhole(plan.Container{}), wire.PausedOnFailure},
		"of a whole Pod, Never":             {"Never", "Never", inWhole(plan.Container{}), wire.PausedEnd},
		"of a whole Pod, sidecar":           {"Never", "Never", inWhole(plan.Container{Kind: plan.KindInitContainer, Role: plan.Role{Sidecar: true}}), wire.PausedAlways},
		"of a whole Pod, init container":    {"Always", "Always", inWhole(plan.Container{Kind: plan.KindInitContainer}), wire.PausedOnFailure},
	} {
		t.Run(name, func(t *testing.T) {
			p := &plan.Plan{RestartPolicy: plan.RestartPolicy{Own: test.own, Compiled: test.compiled}}
			if test.container.Why == whole {
				p.RestartAll = new(plan.RestartAll)
			}
			require.Equal(t, test.want, whilePaused(p, &test.container))
		})
	}
}

// The hook that installs the shim pauses the Pod before any other container starts, and an older Pod never.
func TestPauseBeforeTheFirstStart(t *testing.T) {
	v := testVolume(t, "a", "b")
	require.NoError(t, v.prepare())
	v.Control = filepath.Join(t.TempDir(), "nothing")
	paused, err := v.Pause(planOf(v))
	require.NoError(t, err)
	require.Empty(t, paused)

	set := control(t, &v)
	for _, text := range []string{"true", "false", "true", ""} {
		set(text)
		paused, err := v.Pause(planOf(v))
		require.NoError(t, err)
		require.Equal(t, text == "true", paused == api.PausedAll)
		require.Equal(t, text == "true", wire.ReadPaused(v.directory("a")) == wire.PausedEnd)
		said, done, err := v.Paused(planOf(v))
		require.NoError(t, err)
		require.True(t, done)
		require.Equal(t, paused, said)
		require.Equal(t, text == "true", wire.ReadPaused(v.directory("b")) == wire.PausedEnd)
	}
	set("b, c\n")
	_, done, err := v.Paused(planOf(v))
	require.NoError(t, err)
	require.False(t, done, "the shims don't know yet")
	paused, err = v.Pause(planOf(v))
	require.NoError(t, err)
	require.Equal(t, "b, c", paused)
	require.Equal(t, wire.NotPaused, wire.ReadPaused(v.directory("a")))
	require.Equal(t, wire.PausedEnd, wire.ReadPaused(v.directory("b")))
}

func ask(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(shimBinary, args...).CombinedOutput()
	if err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError))
	}
	return string(out)
}

// told are the actions in the Pod's history, in order.
func (p *realPod) told() string {
	entries, err := history.Read(filepath.Join(p.volume.Root, HistoryName))
	require.NoError(p.t, err)
	var actions []string
	for _, e := range entries {
		text := e.Action
		if e.Reason != "" {
			text += "(" + e.Reason + ")"
		}
		actions = append(actions, text)
	}
	return strings.Join(actions, " ")
}

// TestPauseAndResume is a Pod that is paused while a watcher is there, stays so under the next, and is resumed.
func TestPauseAndResume(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record")
	trainer := member("trainer", "0-87:end,88:all/0,89-255:end", true, "/bin/sh", "-c", "echo trainer >>"+record+
		"; trap 'exit 143' TERM; while [ ! -e "+record+".exit ]; do sleep 0.01; done; exit 88")
	peer := member("peer", "0-255:end", false, "/bin/sleep", "1000")
	p := newIdlePod(t, "none", trainer, peer)
	set := control(t, &p.volume)
	starts := func(n int) func() bool {
		return func() bool {
			text, _ := os.ReadFile(record)
			return strings.Count(string(text), "trainer") == n
		}
	}
	dir := "--dir=" + p.volume.directory("peer")
	p.start(trainer)
	p.start(peer)
	stop := p.serve()
	p.eventually("it runs", starts(1))
	p.eventually("both are there", func() bool { return strings.Count(p.log.String(), `"msg":"started"`) == 2 })

	require.Contains(t, ask(t, "restart-all", dir, "--reason=new data"), "accepted")
	p.eventually("all restart", func() bool { return starts(2)() && len(p.finished()) == 1 })
	require.Contains(t, ask(t, "restart", "--dir="+p.volume.directory("trainer"), "--reason=once more"), "accepted")
	p.eventually("one restarts", starts(3))
	p.eventually("and it is in the history", func() bool { return p.told() == "RestartAllContainers(new data) Restart(once more)" })

	set("true")
	p.eventually("it is paused", func() bool { return strings.HasSuffix(p.told(), " Pause") })
	require.Equal(t, wire.PausedEnd, wire.ReadPaused(p.volume.directory("trainer")))
	require.Contains(t, ask(t, "restart-all", dir), "refused: the Pod is paused")
	require.Contains(t, ask(t, "restart", dir), "refused: the Pod is paused")

	stop()
	defer p.serve()()
	p.eventually("the next watcher knows", func() bool { return strings.Contains(ask(t, "restart", dir), "refused: the Pod is paused") })
	set("")
	p.eventually("it is resumed", func() bool { return strings.HasSuffix(p.told(), " Resume") })
	require.NoError(t, os.WriteFile(record+".exit", nil, 0o644))
	p.eventually("the rule acts again", func() bool { return starts(4)() || starts(5)() })
}

func TestWhoCantBeRestartedOnDemand(t *testing.T) {
	setup := withTwin("setup", "/bin/true")
	trainer := member("trainer", "0-255:end", true, "/bin/true")
	peer := member("peer", "0-255:end", false, "/bin/sleep", "1000")
	p := newIdlePod(t, "none", setup[0], trainer, peer, setup[1])
	p.start(peer)
	p.start(setup[1])
	defer p.serve()()
	restart := func(name string) string { return ask(t, "restart", "--dir="+p.volume.directory(name)) }
	p.eventually("the socket is there", func() bool { return strings.HasPrefix(restart("trainer"), "refused: its command is not running") })
	require.Contains(t, restart("setup-replay"), "refused: it only replays init container setup: restart the whole Pod")
	p.eventually("one that runs is", func() bool { return strings.HasPrefix(restart("peer"), "accepted") })
	require.Contains(t, ask(t, "restart", "--grace=1y"), "--grace=1y: time: unknown unit")
	require.Contains(t, ask(t, "restart", "--dir=/nowhere"), "the watcher can't be asked over /nowhere/sock: no such file or directory")
}

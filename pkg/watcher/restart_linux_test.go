package watcher

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/plan"
)

// shimBinary is cmd/shim, built once.
var shimBinary string

func TestMain(m *testing.M) { os.Exit(withShim(m)) }

func withShim(m *testing.M) int {
	dir, err := os.MkdirTemp("", "shim")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	shimBinary = filepath.Join(dir, "shim")
	build := exec.Command("go", "build", "-o", shimBinary, "restartrules.dev/cmd/shim")
	build.Env = append(os.Environ(), "GOEXPERIMENT=nogreenteagc")
	if out, err := build.CombinedOutput(); err != nil {
		panic("build the shim: " + string(out))
	}
	return m.Run()
}

// realPod is a Pod of real shims, without Kubernetes: each in a process group of its own, as a
// container is.
type realPod struct {
	t      testing.TB
	volume Volume
	plan   *plan.Plan
	log    *lockedBuffer
	shims  map[string]*exec.Cmd
}

type container struct {
	plan.Container
	command []string
}

func newRealPod(t testing.TB, backoff string, containers ...container) *realPod {
	p := newIdlePod(t, backoff, containers...)
	for _, c := range containers {
		if c.Wrapped {
			p.start(c)
		}
	}
	return p
}

// newIdlePod is one whose shims have not been started.
func newIdlePod(t testing.TB, backoff string, containers ...container) *realPod {
	p := &realPod{t: t, log: new(lockedBuffer), shims: map[string]*exec.Cmd{}, plan: &plan.Plan{Version: plan.Version,
		RestartPolicy: plan.RestartPolicy{Own: "Never", Compiled: "Never"}, RestartAll: &plan.RestartAll{Backoff: backoff, TerminationGracePeriodSeconds: 30}}}
	p.volume.Root = t.TempDir()
	for _, c := range containers {
		p.plan.Containers = append(p.plan.Containers, c.Container)
		if c.Wrapped {
			p.volume.Containers = append(p.volume.Containers, c.Name)
		}
	}
	require.NoError(t, p.volume.Install(shimBinary))
	return p
}

// serve runs a watcher until the returned function is called.
func (p *realPod) serve() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, p.volume, p.plan, slog.New(slog.NewJSONHandler(p.log, nil))) }()
	return func() {
		cancel()
		require.NoError(p.t, <-done)
	}
}

func (p *realPod) start(c container) {
	dir := p.volume.directory(c.Name)
	require.NoError(p.t, os.RemoveAll(filepath.Join(dir, "attempt")))
	require.NoError(p.t, os.Symlink(filepath.Join(p.volume.Root, "attempts", c.Name), filepath.Join(dir, "attempt")))
	p.startIn(c, dir)
}

// startIn starts the container's shim, to which dir is its directory of the volume.
func (p *realPod) startIn(c container, dir string) {
	mode := "--pod=member"
	if c.TwinOf != "" {
		mode = "--pod=twin"
	}
	shim := exec.Command(filepath.Join(p.volume.directory(c.Name), "shim"), append([]string{"run", mode, "--container=" + c.Name, "--on-exit=" + c.OnExit,
		"--dir=" + dir, "--backoff=none", "--seam=off", "--"}, c.command...)...)
	shim.Stderr = os.Stderr
	shim.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(p.t, shim.Start())
	p.shims[c.Name] = shim
	p.t.Cleanup(func() { _ = shim.Process.Kill(); _ = shim.Wait() })
}

// finished are the durations of the restarts so far, as the watcher logged them, sorted.
func (p *realPod) finished() (micros []int) {
	for line := range strings.SplitSeq(p.log.String(), "\n") {
		var entry struct {
			Msg    string
			Micros int
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "restarted all containers in place" {
			micros = append(micros, entry.Micros)
		}
	}
	slices.Sort(micros)
	return micros
}

func (p *realPod) eventually(what string, holds func() bool) {
	p.t.Helper()
	require.Eventually(p.t, holds, patience, time.Millisecond, what)
}

func member(name, onExit string, source bool, command ...string) container {
	return container{plan.Container{Name: name, Kind: plan.KindContainer, Wrapped: true, OnExit: onExit, Role: plan.Role{Source: source}}, command}
}

func withTwin(name string, command ...string) []container {
	return []container{
		{plan.Container{Name: name, Kind: plan.KindInitContainer, Role: plan.Role{Twin: name + "-replay"}}, nil},
		{plan.Container{Name: name + "-replay", Kind: plan.KindContainer, Wrapped: true, OnExit: "0-255:end", Role: plan.Role{TwinOf: name}}, command},
	}
}

func TestRealShimsRestart(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record")
	setup := withTwin("setup", "/bin/sh", "-c", "echo setup >>"+record)
	p := newRealPod(t, "none", setup[0], member("trainer", "0-87:end,88:all/0,89-255:end", true, "/bin/sh", "-c",
		"echo trainer >>"+record+"; [ $(grep -c trainer "+record+") -ge 4 ] && exit 0; exit 88"),
		member("logger", "0-255:end", false, "/bin/sh", "-c", "echo logger >>"+record+"; trap 'exit 9' TERM; while :; do sleep 0.01; done"), setup[1])
	defer p.serve()()
	// Not by the watcher's log: a restart that the source asks for before the last one is over makes one of them.
	p.eventually("three restarts", func() bool {
		text, err := os.ReadFile(record)
		return err == nil && strings.Count(string(text), "trainer") == 4 && strings.Count(string(text), "setup") == 3
	})
}

// BenchmarkRestartAll is a Pod with one init container and two regular ones, which the first of them
// restarts as soon as it runs.
func BenchmarkRestartAll(b *testing.B) {
	setup := withTwin("setup", "/bin/true")
	p := newRealPod(b, "none", setup[0], member("trainer", "0-87:end,88:all/0,89-255:end", true, "/bin/sh", "-c", "sleep 0.02; exit 88"),
		member("logger", "0-255:end", false, "/bin/sleep", "1000"), setup[1])
	defer p.serve()()
	for b.Loop() {
		n := len(p.finished())
		for len(p.finished()) == n {
			time.Sleep(5 * time.Millisecond)
		}
	}
	micros := p.finished()
	b.ReportMetric(float64(micros[len(micros)/2]), "µs-median")
	b.ReportMetric(float64(micros[len(micros)*99/100]), "µs-p99")
}

func TestAScriptStandsForAnInitContainer(t *testing.T) {
	dir := t.TempDir()
	record, script := filepath.Join(dir, "record"), filepath.Join(dir, "setup")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho setup >>"+record+"\n"), 0o644))
	setup := container{plan.Container{Name: "setup", Kind: plan.KindInitContainer, Role: plan.Role{InitScript: script}}, nil}
	p := newRealPod(t, "none", setup, member("trainer", "0-87:end,88:all/0,89-255:end", true, "/bin/sh", "-c",
		"echo trainer >>"+record+"; [ $(grep -c trainer "+record+") -ge 3 ] && exec sleep 1000; exit 88"))
	defer p.serve()()
	p.eventually("two restarts, the script in each", func() bool {
		text, err := os.ReadFile(record)
		return err == nil && string(text) == "trainer\nsetup\ntrainer\nsetup\ntrainer\n"
	})
}

package watcher

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/probe"
	"restartrules.dev/pkg/probe/client"
	"restartrules.dev/pkg/watcher/machine"
	"restartrules.dev/pkg/wire"
)

// proberPath is the prober in the watcher's image: a process of its own, so that the watcher links
// neither HTTP nor gRPC.
const proberPath = "/prober"

// probes are the probes and hooks that the kubelet was relieved of. They belong to the Pod's loop.
type probes struct {
	podIP string
	// prober runs httpGet and grpc probes; nil if the plan has none.
	prober *client.Client
	// execs are the commands under way in containers, by ID.
	execs  map[int]func(m wire.Message)
	lastID int
}

// probed is what concerns probes and hooks of one container.
type probed struct {
	worker *probe.Worker
	// grace is what the command has to end after a probe has failed, by the probe's kind.
	grace [2]time.Duration
	// judged says that the exit that follows is judged by the container's rules.
	judged    bool
	postStart *hook
	// attempt is the one that runs, 0: none; kubelets is the one that the kubelet started, whose
	// postStart hook it runs itself.
	attempt, kubelets int
}

// hook is a LifecycleHandler.
type hook struct {
	Exec    *struct{}            `json:"exec"`
	HTTPGet *probe.HTTPGetAction `json:"httpGet"`
}

// newProbed reads what the plan says of a container. network says that there is something for the
// prober to do.
func newProbed(c *plan.Container) (p probed, network bool, err error) {
	var specs [2]*probe.Spec
	for kind, text := range map[probe.Kind]json.RawMessage{probe.Startup: c.Startup, probe.Liveness: c.Liveness} {
		if len(text) == 0 {
			continue
		}
		spec, err := probe.Parse(text)
		if err != nil {
			return p, false, fmt.Errorf("container %q: %s %w", c.Name, kind, err)
		}
		specs[kind] = spec
		network = network || spec.NeedsProber()
		if s := c.TerminationGracePeriodSeconds; s != nil {
			p.grace[kind] = time.Duration(*s) * time.Second
		}
		if s := spec.TerminationGracePeriodSeconds; s != nil {
			p.grace[kind] = time.Duration(*s) * time.Second
		}
	}
	if specs != [2]*probe.Spec{} {
		p.worker = probe.NewWorker(specs[probe.Startup], specs[probe.Liveness])
	}
	p.judged = c.RestartPolicy == "Never"
	if len(c.PostStart) > 0 {
		p.postStart = new(hook)
		if err := json.Unmarshal(c.PostStart, p.postStart); err != nil {
			return p, false, fmt.Errorf("container %q: lifecycle.postStart: %w", c.Name, err)
		}
		network = network || p.postStart.HTTPGet != nil
	}
	return p, network, nil
}

// follow takes a shim's new state to its probes and hooks.
func (d *pod) follow(ctx context.Context, container int, first bool) {
	s := &d.shims[container]
	switch {
	case s.state.Is == wire.IsNew:
		s.kubelets = s.state.Attempt + 1
	case first:
		s.kubelets = s.state.Attempt
	}
	attempt := 0
	if s.state.Is == wire.IsRunning {
		attempt = s.state.Attempt
	}
	if attempt == s.attempt && !first {
		return
	}
	s.attempt = attempt
	if s.worker != nil {
		if attempt == 0 {
			s.worker.Stopped()
		} else {
			s.worker.Started(wire.Now())
		}
	}
	if attempt > s.kubelets && s.postStart != nil {
		d.runPostStart(ctx, container, attempt)
	}
}

// runProbes runs what is due, and says when the next is; 0: nothing is.
func (d *pod) runProbes(ctx context.Context) (next int64) {
	now := wire.Now()
	for i := range d.shims {
		s := &d.shims[i]
		if s.worker == nil {
			continue
		}
		for {
			run, ok := s.worker.Due(now)
			if !ok {
				break
			}
			d.runProbe(ctx, i, run)
		}
		if at, ok := s.worker.Next(); ok && (next == 0 || at < next) {
			next = at
		}
	}
	return next
}

func (d *pod) runProbe(ctx context.Context, container int, run probe.Run) {
	name := wire.ExecLiveness
	if run.Kind == probe.Startup {
		name = wire.ExecStartup
	}
	result := func(outcome probe.Outcome, message string) { d.probeResult(container, run, outcome, message) }
	switch spec := run.Spec; {
	case spec.Exec != nil:
		d.exec(container, name, spec.Timeout(), func(m wire.Message) {
			result(probe.Exec(m.Code, m.TimedOut), fmt.Sprintf("command exited with %d", m.Code))
		})
	case spec.TCPSocket != nil:
		d.beside(ctx, func() func() {
			outcome, message := probe.TCP(ctx, spec.TCPSocket, d.probes.podIP, spec.Timeout())
			return func() { result(outcome, message) }
		})
	default:
		d.beside(ctx, func() func() {
			outcome, message := d.probes.prober.Probe(ctx, spec, d.probes.podIP)
			return func() { result(outcome, message) }
		})
	}
}

// beside runs f on a goroutine of its own, and what it returns on the loop.
func (d *pod) beside(ctx context.Context, f func() func()) {
	d.tasks.Go(func() { d.pass(ctx, happening{call: f()}) })
}

func (d *pod) probeResult(container int, run probe.Run, outcome probe.Outcome, message string) {
	s := &d.shims[container]
	attempt := s.attempt
	verdict := s.worker.Result(run, outcome, wire.Now())
	if outcome == probe.Failure && attempt != 0 {
		d.log.Warn(run.Kind.String()+" probe failed", "container", s.plan.Name, "attempt", attempt, "message", message)
	}
	switch verdict {
	case probe.StartupPassed:
		if member := d.memberOf[container]; member >= 0 {
			d.step(machine.StartupPassed{Member: member})
		}
	case probe.Failed:
		d.kill(container, attempt, s.grace[run.Kind], s.judged, run.Kind.String()+" probe")
	}
}

// kill has the container's command killed because a probe, or the postStart hook, has failed. judged:
// its exit is judged by the container's rules; else it is started again in any case.
func (d *pod) kill(container, attempt int, grace time.Duration, judged bool, failed string) {
	s := &d.shims[container]
	if s.connection == nil || attempt == 0 || attempt != s.attempt {
		return
	}
	d.log.Warn(failed+" failed, the command is killed", "container", s.plan.Name, "attempt", attempt, "judged", judged)
	judged = judged || isPaused(d.paused, s.plan.Name) // then the Pod's restartPolicy decides
	s.connection.send(wire.Message{Verb: wire.Kill, Grace: int(grace.Milliseconds()), Judge: judged, Attempt: attempt})
}

// exec has a command run in the container. done is not called if the shim is lost before.
func (d *pod) exec(container int, name string, timeout time.Duration, done func(wire.Message)) {
	s := &d.shims[container]
	if s.connection == nil {
		return
	}
	d.probes.lastID++
	d.probes.execs[d.probes.lastID] = done
	s.execs = append(s.execs, d.probes.lastID)
	s.connection.send(wire.Message{Verb: wire.Exec, ID: d.probes.lastID, Name: name, Timeout: int(timeout.Milliseconds())})
}

func (d *pod) execed(s *shim, m wire.Message) {
	done, ok := d.probes.execs[m.ID]
	if !ok {
		return
	}
	delete(d.probes.execs, m.ID)
	for i, id := range s.execs {
		if id == m.ID {
			s.execs = append(s.execs[:i], s.execs[i+1:]...)
			break
		}
	}
	done(m)
}

// runPostStart runs the postStart hook of a container that was started again in place. If it fails the
// command is killed, as natively, and its exit judged.
func (d *pod) runPostStart(ctx context.Context, container, attempt int) {
	s := &d.shims[container]
	failed := func(message string) {
		d.log.Warn("postStart hook failed", "container", s.plan.Name, "attempt", attempt, "message", message)
		d.kill(container, attempt, machineGrace, true, "postStart hook")
	}
	switch {
	case s.postStart.Exec != nil:
		d.exec(container, wire.ExecPostStart, 0, func(m wire.Message) {
			if m.Code != 0 && s.attempt == attempt {
				failed(fmt.Sprintf("command exited with %d", m.Code))
			}
		})
	case s.postStart.HTTPGet != nil:
		spec := &probe.Spec{HTTPGet: s.postStart.HTTPGet, TimeoutSeconds: 30}
		d.beside(ctx, func() func() {
			outcome, message := d.probes.prober.Probe(ctx, spec, d.probes.podIP)
			return func() {
				if outcome == probe.Failure {
					failed(message)
				}
			}
		})
	}
}

// machineGrace is what a command has to end after its postStart hook has failed.
const machineGrace = defaultGrace

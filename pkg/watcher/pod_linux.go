package watcher

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/probe/client"
	"restartrules.dev/pkg/probe/ready"
	"restartrules.dev/pkg/watcher/history"
	"restartrules.dev/pkg/watcher/journal"
	"restartrules.dev/pkg/watcher/machine"
	"restartrules.dev/pkg/wire"
)

// happening is one thing that the Pod's loop has to deal with: a client's message or its end, or
// something to be called on the loop.
type happening struct {
	connection *connection
	message    wire.Message
	lost       bool
	call       func()
}

// pod is the watcher's view of its Pod. Everything in it belongs to the goroutine of run.
type pod struct {
	volume     Volume
	plan       *plan.Plan
	log        *slog.Logger
	happenings chan happening
	shims      []shim // as Volume.Containers

	// Of Pods that are restarted as a whole; machine is nil otherwise.
	machine *machine.Config
	state   machine.State
	// shimOf is, by member, its index in shims, or -1; memberOf the other way round.
	shimOf, memberOf []int
	scripts          map[int]string // by member
	journal          *journal.Journal
	processes        *processes
	// demander is the connection that the next Answer is for.
	demander *connection
	// alarm is when the timer wake goes off, 0: nobody wants it to.
	alarm int64
	wake  *time.Timer
	later []func() // logs, written when there is nothing else to do
	// laterBy is when they are written at the latest; 0: they need not wait.
	laterBy int64

	probes  probes
	ready   *ready.Responder // nil: there is no port for it
	reports *reports         // nil: there is nobody to tell
	history *history.History
	// whole is the history's entry of the last restart of the whole Pod that this watcher has begun.
	whole *history.Entry

	// paused says where no rule acts, as the Pod's annotation does. pauseSeen is the same for the goroutine that looks
	// for a change; pauseFailed says that the shims could not be told, which was logged.
	paused      string
	pauseSeen   atomic.Pointer[string]
	pauseFailed bool
	// tasks are the goroutines that run begins, whose context it ends.
	tasks sync.WaitGroup
	begin func(machine.RunScript)
}

// shim is what is known of one wrapped container.
type shim struct {
	plan *plan.Container
	// connection is its shim's, nil: there is none. reported says that it has told its state.
	connection *connection
	reported   bool
	pid        int
	// cgroup is the container's, kept when the shim is gone: something may be left of it.
	cgroup []byte
	state  wire.Message
	// exit is the last exit that it reported; down says that the next start has to wait, or won't come.
	exit wire.Message
	down bool
	// over says that its command has ended for good; demanded is the reason of whoever wanted the restart that is under
	// way, nil: nobody did.
	over     bool
	demanded *string
	// execs are the commands under way in it.
	execs []int
	probed
}

// waiting is how many happenings may wait for the loop before clients do.
const waiting = 64

func newPod(v Volume, p *plan.Plan, log *slog.Logger) (*pod, error) {
	d := &pod{volume: v, plan: p, log: log, history: history.Open(filepath.Join(v.Root, HistoryName)), happenings: make(chan happening, waiting), processes: newProcesses()}
	d.probes = probes{podIP: os.Getenv(api.PodIPEnv), execs: map[int]func(wire.Message){}}
	index, network := map[string]int{}, false
	for i, name := range v.Containers {
		container := p.Container(name)
		probed, uses, err := newProbed(container)
		if err != nil {
			return nil, fmt.Errorf("plan: %w", err)
		}
		network = network || uses
		d.shims = append(d.shims, shim{plan: container, probed: probed})
		d.memberOf = append(d.memberOf, -1)
		index[name] = i
	}
	d.reports = newReports(v, p, log, d.told)
	d.paused = d.history.Paused()
	d.pauseSeen.Store(new(string))
	d.pause()
	if network {
		d.probes.prober = client.New(log, proberPath)
	}
	if p.ReadinessPort != 0 {
		var err error
		if d.ready, err = ready.Listen(":" + strconv.Itoa(int(p.ReadinessPort))); err != nil {
			log.Error("the Pod stays unready", "error", err) // which is no reason to leave it alone
		}
	}
	if p.RestartAll == nil {
		return d, nil
	}
	config, of, err := machineConfig(p)
	if err != nil {
		return nil, err
	}
	d.machine = config
	d.scripts = map[int]string{}
	for member, container := range of {
		if container.InitScript != "" {
			d.scripts[member] = container.InitScript
		}
		at, ok := index[container.Name]
		if !ok {
			at = -1
		} else {
			d.memberOf[at] = member
		}
		d.shimOf = append(d.shimOf, at)
	}
	var record *machine.Record
	var void bool
	d.journal, record, void, err = journal.Open(filepath.Join(v.Root, JournalName), identity(len(config.Members)))
	if err != nil {
		log.Error("nothing is journaled", "error", err)
	}
	if void {
		log.Info("the journal is of another boot or sandbox, and void")
	}
	if record != nil {
		log.Info("resumed", "phase", record.Phase.String(), "restart", record.Gen)
	}
	if record == nil {
		record = v.unjournaled(of)
	}
	d.state = machine.NewState(config, record, wire.Now())
	return d, nil
}

// JournalName is the journal's file in the volume.
const JournalName = "journal"

func (d *pod) close() {
	_ = d.history.Close() // every entry is written
	if d.journal != nil {
		_ = d.journal.Close() // every entry is written
	}
}

// pass gives the loop something to deal with. It returns false if the context has ended.
func (d *pod) pass(ctx context.Context, h happening) bool {
	select {
	case d.happenings <- h:
		return true
	case <-ctx.Done():
		return false
	}
}

// run deals with what happens until the context ends.
func (d *pod) run(ctx context.Context) {
	d.wake = time.NewTimer(time.Hour)
	defer d.wake.Stop()
	tidy := time.NewTimer(tidyAfter)
	defer tidy.Stop()
	defer d.tasks.Wait()
	d.begin = func(e machine.RunScript) { d.runScript(ctx, e) }
	d.tasks.Go(func() { d.followPause(ctx) })
	if d.ready != nil {
		d.tasks.Go(func() { d.ready.Serve(ctx) })
	}
	if d.probes.prober != nil {
		d.tasks.Go(func() { d.probes.prober.Run(ctx) })
	}
	if d.reports != nil {
		d.tasks.Go(func() { d.reports.out.Run(ctx) })
	}
	if d.volume.deleting() {
		d.step(machine.Deleting{})
	}
	d.step(machine.Tick{})
	for {
		if len(d.happenings) == 0 {
			d.idle()
		}
		d.setAlarm(ctx)
		select {
		case <-ctx.Done():
			d.finish()
			return
		case h := <-d.happenings:
			d.deal(ctx, h)
			if h.message.Verb == wire.Started {
				tidy.Reset(tidyAfter)
			}
		case <-d.wake.C:
			d.alarm = 0
			d.step(machine.Tick{})
		case <-tidy.C:
			debug.FreeOSMemory()
		}
	}
}

// tidyAfter is how long nothing has to start before the garbage of what has is given back to the kernel.
const tidyAfter = 3 * time.Second

// idle does what is in nobody's way: there is nothing else to do. While the Pod restarts logs wait, for
// what comes next is on its way; but not for long.
func (d *pod) idle() {
	if len(d.later) > 0 && d.hurried() {
		if d.laterBy == 0 {
			d.laterBy = wire.Now() + int64(logsWait)
		}
		if wire.Now() < d.laterBy {
			return
		}
	}
	d.laterBy = 0
	d.finish()
	if d.ready != nil {
		d.ready.Set(d.unready())
	}
}

// finish logs and reports what was left for later.
func (d *pod) finish() {
	for _, f := range d.later {
		f()
	}
	d.later = d.later[:0]
	d.publish()
}

// logsWait is how long logs wait for a restart of the Pod to be over.
const logsWait = 20 * time.Millisecond

func (d *pod) hurried() bool {
	return d.machine != nil && d.state.Restarting() && d.state.Phase != machine.BackingOff
}

// setAlarm runs the probes that are due, and has the loop woken when the next is, or the machine wants.
func (d *pod) setAlarm(ctx context.Context) {
	at := d.runProbes(ctx)
	if d.laterBy != 0 && (at == 0 || d.laterBy < at) {
		at = d.laterBy
	}
	if d.machine != nil {
		if wake := d.state.Wake(d.machine); wake != 0 && (at == 0 || wake < at) {
			at = wake
		}
	}
	if at != 0 && at != d.alarm {
		d.alarm = at
		d.wake.Reset(time.Duration(at - wire.Now()))
	}
}

func (d *pod) deal(ctx context.Context, h happening) {
	if h.call != nil {
		h.call()
		return
	}
	c := h.connection
	if h.lost {
		d.lost(c)
		return
	}
	if c.container < 0 { // the watcher's own container: its preStop hook
		if h.message.Verb == wire.Stopping {
			d.log.Info("told to stop: the Pod is over, or being deleted")
			d.step(machine.Deleting{})
			c.send(wire.Message{Verb: wire.OK})
		}
		return
	}
	s := &d.shims[c.container]
	switch m := h.message; m.Verb {
	case wire.Hello:
		s.connection, s.reported = c, false
		if s.pid = c.peer(); s.pid != 0 {
			s.cgroup = append(s.cgroup[:0], d.processes.cgroup(s.pid)...)
		}
	case wire.State:
		if s.connection == c {
			d.reported(ctx, c.container, m)
		}
	case wire.Stopping:
		d.stopping(c)
	case wire.Demand:
		d.demand(c, m.Reason)
	case wire.Restart:
		d.demandOne(c, m)
	case wire.Startup:
		d.startup(c)
	case wire.Execed:
		d.execed(s, m)
	case wire.Exited, wire.Started:
		s.down = m.Verb == wire.Exited && (m.Action == wire.ActionEnd || m.Wait > 0)
		s.over = m.Verb == wire.Exited && m.Action == wire.ActionEnd
		d.later = append(d.later, func() { d.report(s, m) })
	}
}

// reported takes a shim's report of its state.
func (d *pod) reported(ctx context.Context, container int, m wire.Message) {
	s := &d.shims[container]
	first := !s.reported
	s.state, s.reported = m, true
	if m.Is == wire.IsStuck {
		d.reports.outlived(s.plan.Name, m.PID, m.Name)
	}
	if member := d.memberOf[container]; member >= 0 {
		d.step(machine.Report{Member: member, Connected: first, Is: conditions[m.Is], Gen: m.Gen, Code: m.Code, Rule: m.Rule,
			EndPod: m.Action == wire.ActionPod, Process: m.Name})
	}
	d.follow(ctx, container, first)
}

var conditions = map[wire.Is]machine.Is{
	wire.IsNew: machine.New, wire.IsRunning: machine.Runs, wire.IsBackoff: machine.Backs, wire.IsAsks: machine.Asks,
	wire.IsEnded: machine.Ended, wire.IsStopping: machine.Stops, wire.IsParked: machine.Parked, wire.IsStuck: machine.Stuck,
}

// lost notes that a client is gone.
func (d *pod) lost(c *connection) {
	if c.container < 0 || d.shims[c.container].connection != c {
		return
	}
	s := &d.shims[c.container]
	s.connection, s.pid = nil, 0
	d.later = append(d.later, func() { d.reports.lost(s.plan.Name) })
	if member := d.memberOf[c.container]; member >= 0 && s.reported {
		d.step(machine.Lost{Member: member})
	}
	s.reported, s.down, s.over, s.attempt, s.demanded = false, false, false, 0, nil
	if s.worker != nil {
		s.worker.Stopped()
	}
	for _, id := range s.execs {
		delete(d.probes.execs, id)
	}
	s.execs = s.execs[:0]
}

func (d *pod) stopping(c *connection) {
	name := d.volume.Containers[c.container]
	if err := d.volume.MarkPeers(name); err != nil {
		d.log.Error("told to stop, but the other containers could not be told", "container", name, "error", err)
	} else {
		d.log.Info("told to stop", "container", name)
	}
	// The container doesn't wait long for the answer; if it is gone nobody needs it.
	c.send(wire.Message{Verb: wire.OK})
}

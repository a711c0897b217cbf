package machine

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/backoff"
)

// pod is a Pod with an init container that has a twin, a sidecar, and two regular containers, the
// first of which is a source.
const (
	setup = iota
	proxy
	trainer
	logger
	replayer
)

func aPod(returns bool) *Config {
	return &Config{
		Members: []Member{
			setup:    {Name: "setup", Role: Init, Twin: replayer, Returns: returns},
			proxy:    {Name: "proxy", Role: Sidecar, Wrapped: true, Twin: -1, Returns: true, Gate: true},
			trainer:  {Name: "trainer", Role: Regular, Wrapped: true, Twin: -1, Source: true, Returns: returns},
			logger:   {Name: "logger", Role: Regular, Wrapped: true, Twin: -1, Returns: returns},
			replayer: {Name: "setup-replay", Role: Twin, Wrapped: true, Twin: setup, Returns: returns},
		},
		Grace: 2 * time.Second, TerminationGrace: 30 * time.Second, KillTimeout: time.Minute,
		Backoff: backoff.Backoff{Initial: 10 * time.Second, Max: 5 * time.Minute, Reset: 10 * time.Minute},
	}
}

// play feeds events to a machine and keeps what it did.
type play struct {
	c       *Config
	s       State
	now     int64
	effects []Effect
}

func start(c *Config) *play {
	p := &play{c: c, s: NewState(c, nil, 1), now: 1}
	for _, member := range []int{proxy, trainer, logger, replayer} {
		p.feed(Report{Member: member, Connected: true, Is: New})
	}
	for _, member := range []int{proxy, trainer, logger} {
		p.is(member, Runs)
	}
	p.effects = nil
	return p
}

func (p *play) feed(e Event) {
	p.now += int64(time.Millisecond)
	var effects []Effect
	p.s, effects = Step(p.c, p.s, e, p.now)
	p.effects = append(p.effects, effects...)
}

func (p *play) is(member int, is Is) { p.feed(Report{Member: member, Is: is, Gen: p.s.Gen}) }

func (p *play) exits(member, code int, is Is) {
	p.feed(Report{Member: member, Is: is, Gen: p.s.Gen, Code: code})
}

// sent takes the commands sent since the last call.
func (p *play) sent() (sent []Send) {
	for _, e := range p.effects {
		if s, ok := e.(Send); ok {
			sent = append(sent, s)
		}
	}
	p.effects = nil
	return sent
}

// stopAll answers every stop, and the look for processes.
func (p *play) stopAll() {
	for _, member := range []int{proxy, trainer, logger, replayer} {
		p.is(member, Parked)
	}
	p.feed(Checked{Gen: p.s.Gen})
}

func TestARestartGoesInOrder(t *testing.T) {
	p := start(aPod(false))
	p.exits(trainer, 88, Asks)
	require.Equal(t, Stopping, p.s.Phase)
	require.Equal(t, []Send{
		{Member: proxy, Verb: Stop, Gen: 1, Grace: 2 * time.Second},
		{Member: trainer, Verb: Stop, Gen: 1, Grace: 2 * time.Second},
		{Member: logger, Verb: Stop, Gen: 1, Grace: 2 * time.Second},
		{Member: replayer, Verb: Stop, Gen: 1, Grace: 2 * time.Second},
	}, p.sent(), "everything at once")
	p.stopAll()
	require.Equal(t, []Send{{Member: replayer, Verb: Run, Gen: 1}}, p.sent(), "only the init container")
	p.is(replayer, Runs)
	p.exits(replayer, 0, Ended)
	require.Equal(t, []Send{{Member: proxy, Verb: Run, Gen: 1}}, p.sent())
	p.is(proxy, Runs)
	require.Empty(t, p.sent(), "the sidecar's startupProbe has not passed")
	p.feed(StartupPassed{Member: proxy})
	require.Equal(t, []Send{{Member: trainer, Verb: Run, Gen: 1}, {Member: logger, Verb: Run, Gen: 1}}, p.sent())
	p.is(trainer, Runs)
	require.Equal(t, Starting, p.s.Phase)
	p.is(logger, Runs)
	require.Equal(t, Running, p.s.Phase)
}

func TestTheFirstRestartIsAtOnceAndTheSecondWaits(t *testing.T) {
	p := start(aPod(false))
	again := func() {
		p.exits(trainer, 88, Asks)
		p.stopAll()
	}
	finish := func() {
		p.is(replayer, Runs)
		p.exits(replayer, 0, Ended)
		p.is(proxy, Runs)
		p.feed(StartupPassed{Member: proxy})
		p.is(trainer, Runs)
		p.is(logger, Runs)
		require.Equal(t, Running, p.s.Phase)
	}
	again()
	require.Equal(t, Replaying, p.s.Phase)
	finish()
	again()
	require.Equal(t, BackingOff, p.s.Phase)
	require.Equal(t, p.s.Began+int64(10*time.Second), p.s.Wake(p.c))
	p.now = p.s.Wake(p.c)
	p.feed(Tick{})
	require.Equal(t, Replaying, p.s.Phase)
	finish()
	p.now += int64(11 * time.Minute)
	again()
	require.Equal(t, Replaying, p.s.Phase, "it ran longer than the reset")
}

func TestAMatchDuringTheStopCoalesces(t *testing.T) {
	p := start(aPod(false))
	p.exits(trainer, 88, Asks)
	p.feed(Report{Member: logger, Is: Asks, Gen: 0, Code: 77})
	require.Equal(t, 1, p.s.Gen)
	require.Equal(t, 88, p.s.Code)
}

func TestDeletionAbandonsARestart(t *testing.T) {
	p := start(aPod(false))
	p.exits(trainer, 88, Asks)
	p.is(trainer, Parked)
	p.sent()
	p.feed(Deleting{})
	require.Equal(t, []Send{{Member: proxy, Verb: Leave, Gen: 1}, {Member: logger, Verb: Leave, Gen: 1}, {Member: replayer, Verb: Leave, Gen: 1}}, p.sent())
	p.stopAll()
	p.feed(Demand{Member: trainer})
	require.Empty(t, p.sent(), "nothing starts any more")
}

func TestAReplayThatFailsEndsThePodWithItsCode(t *testing.T) {
	p := start(aPod(false))
	p.exits(trainer, 88, Asks)
	p.stopAll()
	p.is(replayer, Runs)
	p.sent()
	p.exits(replayer, 3, Ended)
	require.Equal(t, Failing, p.s.Phase)
	require.Equal(t, []Send{
		{Member: trainer, Verb: EndShim, Gen: 1, Code: 137},
		{Member: logger, Verb: EndShim, Gen: 1, Code: 137},
		{Member: replayer, Verb: EndShim, Gen: 1, Code: -1},
	}, p.sent())
}

func TestTheEndedLingerAsLongAsThereIsASource(t *testing.T) {
	p := start(aPod(true))
	p.exits(logger, 0, Ended)
	require.Empty(t, p.sent())
	p.exits(trainer, 88, Asks)
	p.stopAll()
	p.is(replayer, Runs)
	p.exits(replayer, 0, Ended)
	p.is(proxy, Runs)
	p.sent()
	p.feed(StartupPassed{Member: proxy})
	require.Len(t, p.sent(), 2, "the one that had ended runs again, too")
	p.is(logger, Runs)
	p.exits(trainer, 0, Ended)
	require.Equal(t, []Send{{Member: trainer, Verb: EndShim, Gen: 1, Code: -1}}, p.sent(), "no source is left")
	p.feed(Lost{Member: trainer})
	p.exits(logger, 7, Ended)
	require.Equal(t, Ending, p.s.Phase)
	require.Equal(t, []Send{{Member: logger, Verb: EndShim, Gen: 1, Code: -1}, {Member: replayer, Verb: EndShim, Gen: 1, Code: 0}}, p.sent())
}

func TestWhatOutlivesSIGKILLFailsThePod(t *testing.T) {
	for name, outlives := range map[string]func(*play){
		"a shim says so": func(p *play) {
			p.feed(Report{Member: logger, Is: Stuck, Gen: 1, Process: "nfs"})
		},
		"the watcher sees it": func(p *play) {
			for _, member := range []int{proxy, trainer, logger, replayer} {
				p.is(member, Parked)
			}
			for range 3 {
				p.feed(Checked{Gen: 1, Left: "process 7 (nfs)"})
				p.now = max(p.now, p.s.Wake(p.c))
				p.feed(Tick{})
			}
			require.Equal(t, Stopping, p.s.Phase)
			p.now += int64(63 * time.Second)
			p.feed(Checked{Gen: 1, Left: "process 7 (nfs)"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(aPod(false))
			p.exits(trainer, 88, Asks)
			p.sent()
			outlives(p)
			require.Equal(t, Failing, p.s.Phase)
			require.Contains(t, p.s.Why, "nfs")
			for _, e := range p.sent() {
				require.NotEqual(t, Run, e.Verb)
			}
		})
	}
}

func TestAnUnansweredStopIsEscalated(t *testing.T) {
	p := start(aPod(true))
	p.exits(trainer, 88, Asks)
	p.now = p.s.Wake(p.c)
	p.feed(Tick{})
	require.Contains(t, p.effects, Escalate{Member: logger})
	p.effects = nil
	p.feed(Tick{})
	require.NotContains(t, p.effects, Escalate{Member: logger}, "once")
}

func TestDemands(t *testing.T) {
	p := start(aPod(false))
	p.feed(Demand{Member: logger, Reason: "new data"})
	require.Contains(t, p.effects, Answer{Member: logger})
	require.Equal(t, Stopping, p.s.Phase)
	require.Equal(t, "new data", p.s.Why)
	p.effects = nil
	p.feed(Demand{Member: trainer})
	require.Equal(t, []Effect{Answer{Member: trainer}}, p.effects, "it is under way already")

	p = start(aPod(false))
	p.feed(Lost{Member: logger})
	p.effects = nil
	p.feed(Demand{Member: trainer})
	require.Equal(t, []Effect{Answer{Member: trainer, Refused: "container logger has ended for good and can't be started again in place"}}, p.effects)
}

func TestTerminatePodStopsAllAndKeepsTheirCodes(t *testing.T) {
	p := start(aPod(false))
	p.feed(Report{Member: trainer, Is: Asks, Code: 9, EndPod: true})
	require.Equal(t, Send{Member: logger, Verb: Stop, Gen: 1, Grace: 30 * time.Second, PreStop: true}, p.sent()[2])
	p.stopAll()
	require.Equal(t, Ending, p.s.Phase)
	require.Equal(t, []Send{{Member: trainer, Verb: EndShim, Gen: 1, Code: -1}, {Member: logger, Verb: EndShim, Gen: 1, Code: -1},
		{Member: replayer, Verb: EndShim, Gen: 1}}, p.sent())
}

func TestAScriptThatFailsIsTriedAgainOrFailsThePod(t *testing.T) {
	for _, returns := range []bool{true, false} {
		c := aPod(returns)
		c.Members[setup].Script = true
		p := start(c)
		p.exits(trainer, 88, Asks)
		p.effects = nil
		p.stopAll()
		require.Contains(t, p.effects, RunScript{Member: setup, Gen: 1})
		p.effects = nil
		p.feed(ScriptEnded{Member: setup, Gen: 1, Code: 3})
		if !returns {
			require.Equal(t, Failing, p.s.Phase)
			continue
		}
		p.now = p.s.Wake(c)
		p.feed(Tick{})
		require.Contains(t, p.effects, RunScript{Member: setup, Gen: 1})
		p.feed(ScriptEnded{Member: setup, Gen: 1})
		require.Equal(t, 1, p.s.Step)
	}
}

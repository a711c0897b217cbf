//go:build e2e

package chaos

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/record"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/watcher/machine"
)

// follower reads a record that grows.
type follower struct {
	file   string
	mutex  sync.Mutex
	at     int64
	events []record.Event
	// checked is how many of them have been checked for overlaps.
	checked int
}

// read gives all events so far.
func (f *follower) read() ([]record.Event, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	file, err := os.Open(f.file)
	if os.IsNotExist(err) {
		return nil, nil // not started yet
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, f.at, 1<<40))
	if err != nil {
		return nil, err
	}
	whole := string(text[:strings.LastIndexByte(string(text), '\n')+1])
	events, err := record.Parse(whole)
	if err != nil {
		return nil, err
	}
	f.at += int64(len(whole))
	f.events = append(f.events, events...)
	return f.events, nil
}

func count(events []record.Event, kind string) (n int) {
	for _, e := range events {
		if e.Event == kind {
			n++
		}
	}
	return n
}

// settled waits until the Pod has started as often as it should have, and everything runs.
func (p *pod) settled() error {
	return eventually(p.Context(), "the Pod runs", func() error {
		return p.runs(0, 0)
	})
}

// runs says whether every record has so many starts more than expected, from least to most, and its process is there.
func (p *pod) runs(least, most int) error {
	for name, r := range p.records {
		events, err := r.read()
		if err != nil {
			return err
		}
		if n := record.Starts(events) - p.starts[name]; n < least || n > most {
			return fmt.Errorf("%s has been started %d times, expected %d and %d to %d more", name, record.Starts(events), p.starts[name], least, most)
		}
		switch last := lastOf(events); {
		case name == initContainer && last != "end":
			return fmt.Errorf("%s runs", name)
		case name != initContainer && last != "start":
			return fmt.Errorf("%s does not run, its last event is %s", name, last)
		}
	}
	for _, name := range running {
		if _, err := p.app(name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	_, err := p.shim(twin)
	return err
}

// lastOf is the last event that is not an overlap.
func lastOf(events []record.Event) string {
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Event != record.Overlap {
			return events[i].Event
		}
	}
	return "none"
}

// restarted waits until the restart that was asked for is over, and checks that it was one, and that the exit code
// which began it is known.
func (p *pod) restarted() {
	p.Helper()
	for name := range p.starts {
		p.starts[name]++
	}
	p.restarts++
	if err := p.settled(); err != nil {
		faults.missed()
		require.NoError(p, err, "%s\n%s", p.story(), p.logs())
	}
	p.checkJournal()
	p.checkAttempt()
}

// checkJournal checks that the journal says of the last restart why it was.
func (p *pod) checkJournal() {
	p.Helper()
	err := eventually(p.Context(), "the journal", func() error {
		e, err := p.journal()
		if err == nil && (e.Phase != machine.Running || e.Gen != p.restarts || e.Code != restartCode) {
			err = fmt.Errorf("phase %s restart %d code %d, expected Running %d %d", e.Phase, e.Gen, e.Code, p.restarts, restartCode)
		}
		return err
	})
	require.NoError(p, err, "%s\n%s", p.story(), p.logs())
}

// checkAttempt checks that the source's attempt file tells how its last attempt ended.
func (p *pod) checkAttempt() {
	p.Helper()
	text, err := os.ReadFile(filepath.Join(p.volume(), api.AttemptsDir, source, source+".json"))
	require.NoError(p, err)
	var attempt struct {
		Attempt, LastExitCode int
		LastReason            string
	}
	require.NoError(p, json.Unmarshal(text, &attempt))
	if !p.shimDied {
		require.Equal(p, p.starts[source], attempt.Attempt)
	}
	require.Equal(p, restartCode, attempt.LastExitCode)
	require.Equal(p, "Error", attempt.LastReason)
}

// checkAlone checks that no process ever ran beside one that it should not, and tells of each once.
func (p *pod) checkAlone(after string) {
	for name, r := range p.records {
		events, err := r.read()
		require.NoError(p, err)
		for i := r.checked; i < len(events); i++ {
			e := events[i]
			if e.Event != record.Overlap {
				continue
			}
			faults.doubled(1)
			with, err := p.records[e.With].read()
			require.NoError(p, err)
			assert.Fail(p, "a process ran twice, or beside an init container", "%s: process %d of %s was started while %s ran\n%s: %+v\n%s: %+v\n%s",
				after, e.PID, name, e.With, name, tail(events), e.With, tail(with), p.logs())
		}
		r.checked = len(events)
	}
}

func tail(events []record.Event) []record.Event { return events[max(0, len(events)-12):] }

// checkUntouched checks that the kubelet has had nothing to do with it.
func (p *pod) checkUntouched() {
	p.Helper()
	now := p.restartCounts()
	why := ""
	status := p.get().Status
	for _, s := range slices.Concat(status.InitContainerStatuses, status.ContainerStatuses) {
		if now[s.Name] != p.kubelets[s.Name] {
			why += fmt.Sprintf("%s: %+v\n%s\n", s.Name, s.LastTerminationState.Terminated, p.lastWords(s.Name))
		}
	}
	require.Equal(p, p.kubelets, now, "restarts by the kubelet: %s", why)
}

func (p *pod) restartCounts() map[string]int32 {
	p.Helper()
	counts := map[string]int32{}
	status := p.get().Status
	for _, s := range slices.Concat(status.InitContainerStatuses, status.ContainerStatuses) {
		counts[s.Name] = s.RestartCount
	}
	return counts
}

// story is the end of the Pod's records, for a failure.
func (p *pod) story() string {
	var text strings.Builder
	fmt.Fprintf(&text, "seed %d, Pod %s, expected starts %v, restart %d\n", *seed, p.name, p.starts, p.restarts)
	for name, r := range p.records {
		events, err := r.read()
		fmt.Fprintf(&text, "%s (%d starts, %v): %+v\n", name, record.Starts(events), err, events[max(0, len(events)-5):])
	}
	e, err := p.journal()
	fmt.Fprintf(&text, "journal: %s gen %d code %d step %d (%v)\n", e.Phase, e.Gen, e.Code, e.Step, err)
	for _, one := range p.processes() {
		fmt.Fprintf(&text, "process %d: %s\n", one.pid, strings.Join(one.args, " "))
	}
	return text.String()
}

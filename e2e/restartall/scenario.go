// Package restartall runs Pods that restart all their containers, side by side: on a cluster that has RestartAllContainers
// itself, with nothing of ours, and on one that knows nothing of it, with us. Each scenario is a file in scenarios/. What comes
// of it has to be the same, but for the lines of differences.yaml.
package restartall

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/yaml"
)

// Scenario is a Pod, what is done to it, and what comes of it where Kubernetes restarts all containers itself.
type Scenario struct {
	// Name is that of its file, without the ending.
	Name string `json:"-"`
	// Upstream is the spec of Kubernetes' own e2e suite that it is made after, if there is one.
	Upstream string `json:"upstream,omitempty"`
	// Pod is applied with records and a name. A container without a command runs the test application with its args, and is
	// told by the steps to exit.
	Pod corev1.Pod `json:"pod"`
	// Hooks are the names of records that hooks of the Pod keep.
	Hooks []string `json:"hooks,omitempty"`
	Steps []Step   `json:"steps"`
	// Expected is the native outcome.
	Expected Outcome `json:"expected"`
}

// Step is one thing that is done to the Pod or waited for.
type Step struct {
	// Starts waits until these containers have started so often, Ends until they have ended so often by themselves, Terms
	// until they were told so often to stop.
	Starts map[string]int `json:"starts,omitempty"`
	Ends   map[string]int `json:"ends,omitempty"`
	Terms  map[string]int `json:"terms,omitempty"`
	// Exit tells these containers to exit with these codes, in the start that is their last so far. Several exit at the same
	// time: none of them because another has.
	Exit map[string]int `json:"exit,omitempty"`
	// Touch makes a file in the directory of the records, where the Pod's probes may look for it; Remove removes it. Both
	// are in the outcome.
	Touch  string `json:"touch,omitempty"`
	Remove string `json:"remove,omitempty"`
	// Delete deletes the Pod, with its own grace period.
	Delete bool `json:"delete,omitempty"`
}

// Outcome is what came of a scenario.
type Outcome struct {
	// Phase is Succeeded, Failed or Deleted: the Pod is over, so that nothing can follow.
	Phase string `json:"phase"`
	// Runs has a line for each start of the application, see Runs.
	Runs []string `json:"runs"`
	// Codes are the exit codes of the containers in the Pod's last status; none of a container that waits, or of a Pod that
	// was deleted.
	Codes map[string]int32 `json:"codes,omitempty"`
}

// deleted is the phase of a Pod that is gone.
const deleted = "Deleted"

// Lines is the outcome as lines that can be compared.
func (o Outcome) Lines() []string {
	lines := slices.Clone(o.Runs)
	var codes []string
	for name, code := range o.Codes {
		codes = append(codes, fmt.Sprintf("code of %s %d", name, code))
	}
	slices.Sort(codes)
	return append(append(lines, codes...), "phase "+o.Phase)
}

// Load reads the scenarios in a directory, sorted by name.
func Load(dir string) ([]Scenario, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no scenarios in %s (%w)", dir, errors.Join(err, os.ErrNotExist))
	}
	var scenarios []Scenario
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		s := Scenario{Name: strings.TrimSuffix(filepath.Base(file), ".yaml")}
		if err := yaml.UnmarshalStrict(text, &s); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		scenarios = append(scenarios, s)
	}
	return scenarios, nil
}

// check finds what would make a run wait in vain, or end before everything that can happen has happened.
func (s Scenario) check() error {
	names := sets.New(s.order()...)
	deletes := false
	for i, step := range s.Steps {
		for _, part := range []map[string]int{step.Starts, step.Ends, step.Terms, step.Exit} {
			for name := range part {
				if !names.Has(name) {
					return fmt.Errorf("steps[%d]: there is no container or hook %s", i, name)
				}
			}
		}
		deletes = deletes || step.Delete
	}
	switch phase := s.Expected.Phase; {
	case deletes != (phase == deleted):
		return fmt.Errorf("expected.phase %q: it is Deleted if, and only if, a step deletes the Pod", phase)
	case phase != deleted && phase != string(corev1.PodSucceeded) && phase != string(corev1.PodFailed):
		return fmt.Errorf("expected.phase %q: Succeeded, Failed or Deleted: else something might still happen", phase)
	}
	return nil
}

// order are the names of the containers in the order in which Kubernetes starts them, and then those of hooks.
func (s Scenario) order() (names []string) {
	for _, c := range slices.Concat(s.Pod.Spec.InitContainers, s.Pod.Spec.Containers) {
		names = append(names, c.Name)
	}
	return append(names, s.Hooks...)
}

// awaited says whether the containers after this one wait for something of it: its end, or its startupProbe. A container
// that is only started may be seen to start after the next one.
func (s Scenario) awaited(container string) bool {
	for _, c := range s.Pod.Spec.InitContainers {
		if c.Name == container {
			sidecar := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
			return !sidecar || c.StartupProbe != nil
		}
	}
	return false
}

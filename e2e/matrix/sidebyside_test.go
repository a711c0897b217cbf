//go:build e2e

package matrix

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/record"
	"restartrules.dev/e2e/testcluster"
)

var allNative = node.Gates{"ContainerRestartRules": true, "RestartAllContainersOnContainerExits": true, "NodeDeclaredFeatures": true}

// TestSideBySide runs each scenario on a kubelet that has restart rules, with nothing of ours, and on one that has
// not, with us. What comes of it must be the same: the Pod's phase, how often each container starts, its exit codes.
func TestSideBySide(t *testing.T) {
	began := time.Now()
	native := newCluster(t, node.Options{Name: "matrix-native", FeatureGates: allNative}, false)
	ours := gatesOff(t)
	scenarios := examples(t)
	for _, p := range slices.Concat(smallScenarios, outsideScenarios()) {
		scenarios = append(scenarios, p.scenario())
	}

	outcomes := make([]struct{ ours, native outcome }, len(scenarios))
	t.Run("scenarios", func(t *testing.T) {
		for i, s := range scenarios {
			t.Run(s.name+", native", func(t *testing.T) { t.Parallel(); outcomes[i].native = native.run(t, s, true) })
			t.Run(s.name+", ours", func(t *testing.T) { t.Parallel(); outcomes[i].ours = ours.run(t, s, false) })
		}
	})

	rows := [][]string{{"SCENARIO", "EQUAL", "OURS", "NATIVE"}}
	for i, s := range scenarios {
		ours, native := outcomes[i].ours.String(), outcomes[i].native.String()
		equal := "yes"
		switch {
		case ours != native && s.otherwise != "":
			equal = "no: " + s.otherwise
		case ours != native:
			equal = "NO"
		}
		rows = append(rows, []string{s.name, equal, ours, native})
		if s.otherwise != "" {
			continue
		}
		assert.Equal(t, native, ours, s.name)
		assert.True(t, outcomes[i].native.ended, "%s: natively it does not come to the end that the table names: %s", s.name, native)
	}
	t.Logf("%d scenarios in %s; ▸ is a start, followed by the codes that the application ended with and what the Pod's status says\n%s",
		len(scenarios), time.Since(began).Round(time.Second), table(rows))
}

// run runs a scenario and says what became of it.
func (c *testCluster) run(t *testing.T, s scenario, native bool) (o outcome) {
	namespace, dir := c.NewNamespace(t, testcluster.OptedIn)
	var err error
	switch object := s.object(t, native, dir).(type) {
	case *corev1.Pod:
		_, err = c.API.CoreV1().Pods(namespace).Create(t.Context(), object, metav1.CreateOptions{})
	case *batchv1.Job:
		_, err = c.API.BatchV1().Jobs(namespace).Create(t.Context(), object, metav1.CreateOptions{})
	default:
		err = fmt.Errorf("a scenario can't be a %T", object)
	}
	require.NoError(t, err)
	err = testcluster.Eventually(t.Context(), func() (bool, error) {
		o, err = c.look(t, s, namespace, dir)
		return o.ended || o.over, err
	})
	if !wait.Interrupted(err) { // the table says what became of it until then
		require.NoError(t, err)
	}
	return o
}

// look is what has become of a scenario so far.
func (c *testCluster) look(t *testing.T, s scenario, namespace, dir string) (outcome, error) {
	pods, err := c.API.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) == 0 {
		return outcome{}, err
	}
	if len(pods.Items) > 1 {
		return outcome{}, fmt.Errorf("%d Pods in place of one", len(pods.Items))
	}
	job, err := c.lookAtJob(t, namespace)
	if err != nil {
		return outcome{}, err
	}
	pod := &pods.Items[0]
	o := outcome{phase: pod.Status.Phase, job: job, containers: map[string]ran{}}
	o.ended = o.phase == s.phase && job != "goes on"
	o.over = s.otherwise != "" && (o.phase == corev1.PodSucceeded || o.phase == corev1.PodFailed)
	for name, starts := range s.starts {
		status := statusOf(pod, name)
		events, err := readRecord(filepath.Join(dir, name))
		if err != nil {
			return o, err
		}
		endless := slices.Contains(s.endless, name)
		r := ranAs(events, map[bool]int{true: starts}[endless])
		// The application writes at once what the API server hears of a little later.
		runs := len(events) > 0 && events[len(events)-1].Event != "end"
		runsOn := s.phase == corev1.PodRunning && slices.Contains(s.runOn, name)
		switch state := status.State; {
		case endless:
			r.status = "…"
		case state.Running != nil:
			r.status = "running"
			o.over = false
			o.ended = o.ended && runsOn && runs
		case state.Terminated != nil:
			r.status = "ended " + strconv.Itoa(int(state.Terminated.ExitCode))
			o.ended = o.ended && !runsOn && !(runs && s.phase == corev1.PodRunning)
			// A status that is older than the record has another code, that of the start before.
			if !runs && len(events) > 0 && int(state.Terminated.ExitCode) != events[len(events)-1].Code {
				o.ended = false
			}
		case state.Waiting != nil:
			r.status = "waits"
			o.ended = o.ended && starts == 0
		}
		o.ended = o.ended && r.starts == starts
		o.containers[name] = r
	}
	return o, nil
}

// lookAtJob is how the scenario's Job ended, if it has one.
func (c *testCluster) lookAtJob(t *testing.T, namespace string) (string, error) {
	jobs, err := c.API.BatchV1().Jobs(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(jobs.Items) == 0 {
		return "", err
	}
	for _, condition := range jobs.Items[0].Status.Conditions {
		if condition.Type == batchv1.JobComplete || condition.Type == batchv1.JobFailed {
			return fmt.Sprintf("Job %s, %s, %d failed", condition.Type, condition.Reason, jobs.Items[0].Status.Failed), nil
		}
	}
	return "goes on", nil
}

// statusOf is the status of an init or a regular container.
func statusOf(pod *corev1.Pod, container string) corev1.ContainerStatus {
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if s.Name == container {
			return s
		}
	}
	return corev1.ContainerStatus{}
}

// readRecord reads a record; one that is not there yet is empty.
func readRecord(path string) ([]record.Event, error) {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return record.Parse(string(text))
}

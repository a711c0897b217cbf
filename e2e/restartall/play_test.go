//go:build e2e

package restartall

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"restartrules.dev/e2e/record"
	"restartrules.dev/e2e/testcluster"
)

// podName is the name of every scenario's Pod.
const podName = "scenario"

// play is a scenario on a cluster.
type play struct {
	*testing.T
	*testcluster.Cluster
	Scenario
	native         bool
	namespace, dir string
	marks          []mark
	ip             string         // of the Pod, as first seen
	exits          int            // steps that told containers to exit
	told           map[string]int // how often each was told to exit together with others
}

// play plays the scenario until what came of it is what is expected, and returns it. The error says what did not happen.
func (side *side) play(t *testing.T, s Scenario, expected func(Outcome) bool) (Outcome, error) {
	p := &play{T: t, Cluster: side.cluster, Scenario: s, native: side.native, told: map[string]int{}}
	p.namespace, p.dir = p.NewNamespace(t, testcluster.OptedIn)
	pod := p.pod()
	for name, value := range side.annotations {
		metav1.SetMetaDataAnnotation(&pod.ObjectMeta, name, value)
	}
	_, err := p.API.CoreV1().Pods(p.namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
	for i, step := range s.Steps {
		if err := p.step(step); err != nil {
			o, _ := p.look()
			return o, fmt.Errorf("steps[%d]: %w", i, err)
		}
		if _, err := p.look(); err != nil {
			return Outcome{}, fmt.Errorf("after steps[%d]: %w", i, err)
		}
	}
	// The application writes at once what the API server hears of a little later.
	var o Outcome
	err = testcluster.Eventually(t.Context(), func() (bool, error) {
		var err error
		o, err = p.look()
		return expected(o), err
	})
	if err != nil {
		err = fmt.Errorf("the outcome that is expected is not there: %w", err)
	}
	return o, err
}

// pod is the scenario's Pod with all that a scenario does not say: the application and its records.
func (p *play) pod() *corev1.Pod {
	pod := p.Pod.DeepCopy()
	pod.Name = podName
	if pod.Spec.TerminationGracePeriodSeconds == nil {
		pod.Spec.TerminationGracePeriodSeconds = ptr.To[int64](5)
	}
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "records", VolumeSource: corev1.VolumeSource{
		HostPath: &corev1.HostPathVolumeSource{Path: p.dir, Type: ptr.To(corev1.HostPathDirectory)}}})
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			c := &containers[i]
			if c.Image == "" {
				c.Image = appImage
			}
			c.ImagePullPolicy = corev1.PullIfNotPresent
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "records", MountPath: "/records"})
			if c.Command == nil {
				c.Command = []string{"/app", "-record=/records/" + c.Name, "-obey"}
			}
		}
	}
	return pod
}

func (p *play) step(s Step) error {
	waits := []struct {
		event string
		want  map[string]int
	}{{"start", s.Starts}, {"end", s.Ends}, {"term", s.Terms}}
	for _, w := range waits {
		for _, name := range slices.Sorted(maps.Keys(w.want)) {
			if err := p.await(name, w.event, w.want[name]); err != nil {
				return err
			}
		}
	}
	if err := p.exit(s.Exit); err != nil {
		return err
	}
	if s.Touch != "" {
		p.mark("touch " + s.Touch)
		if err := os.WriteFile(filepath.Join(p.dir, s.Touch), nil, 0o644); err != nil {
			return err
		}
	}
	if s.Remove != "" {
		p.mark("remove " + s.Remove)
		if err := os.Remove(filepath.Join(p.dir, s.Remove)); err != nil {
			return err
		}
	}
	if s.Delete {
		return p.API.CoreV1().Pods(p.namespace).Delete(p.Context(), podName, metav1.DeleteOptions{})
	}
	return nil
}

// await waits until there are so many events of a kind in the container's record.
func (p *play) await(name, event string, want int) error {
	got := 0
	err := testcluster.Eventually(p.Context(), func() (bool, error) {
		events, err := record.Read(p.record(name))
		got = 0
		for _, e := range events {
			if e.Event == event {
				got++
			}
		}
		return got >= want, err
	})
	if err != nil {
		return fmt.Errorf("%s of %s: %d in place of %d: %w", event, name, got, want, err)
	}
	return nil
}

// exit tells the containers' applications to exit. None of several does before all know that they will.
func (p *play) exit(codes map[string]int) error {
	p.exits++
	together := ""
	if len(codes) > 1 {
		together = fmt.Sprintf("together-%d", p.exits)
	}
	for name, code := range codes {
		events, err := record.Read(p.record(name))
		if err != nil {
			return err
		}
		file := record.ExitFile(p.record(name), record.Starts(events))
		draft := file + ".draft"
		if err := os.WriteFile(draft, fmt.Appendln(nil, code, together), 0o644); err != nil {
			return err
		}
		if err := os.Rename(draft, file); err != nil {
			return err
		}
	}
	if together == "" {
		return nil
	}
	for name := range codes {
		p.told[name]++
		if err := p.await(name, "told", p.told[name]); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(p.dir, together), nil, 0o644)
}

func (p *play) mark(text string) {
	var now unix.Timespec
	require.NoError(p, unix.ClockGettime(unix.CLOCK_MONOTONIC, &now))
	p.marks = append(p.marks, mark{text: text, at: now.Nano()})
}

func (p *play) record(container string) string { return filepath.Join(p.dir, container) }

// look is what has come of the scenario so far. An error says that the Pod is not what it was.
func (p *play) look() (Outcome, error) {
	records := map[string][]record.Event{}
	for _, name := range p.order() {
		var err error
		if records[name], err = record.Read(p.record(name)); err != nil {
			return Outcome{}, err
		}
	}
	o := Outcome{Runs: p.Runs(records, p.marks)}
	pod, err := p.API.CoreV1().Pods(p.namespace).Get(p.Context(), podName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		o.Phase = deleted
		return o, nil
	}
	if err != nil {
		return o, err
	}
	if err := p.inPlace(pod); err != nil {
		return o, err
	}
	o.Phase, o.Codes = string(pod.Status.Phase), map[string]int32{}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if end := s.State.Terminated; end != nil && slices.Contains(p.order(), s.Name) {
			o.Codes[s.Name] = end.ExitCode
		}
	}
	return o, nil
}

// inPlace says whether the Pod has the sandbox that it had, and with us whether the kubelet has restarted nothing.
func (p *play) inPlace(pod *corev1.Pod) error {
	switch {
	case p.ip == "":
		p.ip = pod.Status.PodIP
	case pod.Status.PodIP != "" && pod.Status.PodIP != p.ip:
		return fmt.Errorf("the Pod has the IP %s, it was %s", pod.Status.PodIP, p.ip)
	}
	if p.native {
		return nil
	}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if s.RestartCount > 0 {
			return fmt.Errorf("the kubelet has restarted container %s", s.Name)
		}
	}
	return nil
}

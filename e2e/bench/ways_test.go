//go:build e2e

package bench

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/e2e/bench/results"
	"restartrules.dev/e2e/testcluster"
)

// ways are the ways in which a program can come into a Pod before its containers start, done by hand to a Pod that is not
// injected: what each adds to its start, and what the parts are of the one that was taken.
var ways = []struct {
	name   string
	change func(*corev1.PodSpec)
}{
	{"sidecar", func(s *corev1.PodSpec) { s.InitContainers = append(s.InitContainers, sidecar()) }},
	{"hook", func(s *corev1.PodSpec) {
		c := sidecar()
		c.Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: copies}}}
		s.InitContainers = append(s.InitContainers, c)
	}},
	{"init", func(s *corev1.PodSpec) {
		c := sidecar()
		c.Name, c.RestartPolicy, c.Command = "copy", nil, copies
		s.InitContainers = append(s.InitContainers, c, sidecar())
	}},
	{"probe", func(s *corev1.PodSpec) {
		c := sidecar()
		c.StartupProbe = &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: copies}}}
		s.InitContainers = append(s.InitContainers, c)
	}},
	{"image", func(s *corev1.PodSpec) {
		s.InitContainers = append(s.InitContainers, sidecar())
		s.Volumes = append(s.Volumes, corev1.Volume{Name: "image", VolumeSource: corev1.VolumeSource{
			Image: &corev1.ImageVolumeSource{Reference: image, PullPolicy: corev1.PullIfNotPresent}}})
		for i := range s.Containers {
			s.Containers[i].VolumeMounts = append(s.Containers[i].VolumeMounts, corev1.VolumeMount{Name: "image", MountPath: "/image"})
		}
	}},
}

// copies is a program of the shim's size, into a volume.
var copies = []string{"/bin/cp", "/bin/busybox", "/into/shim"}

func sidecar() corev1.Container {
	always := corev1.ContainerRestartPolicyAlways
	return corev1.Container{Name: "sidecar", Image: image, ImagePullPolicy: corev1.PullIfNotPresent, RestartPolicy: &always,
		Command:      []string{mounted + "/peer", mounted + "/sidecar.stamps"},
		VolumeMounts: []corev1.VolumeMount{{Name: "bench", MountPath: mounted}, {Name: "into", MountPath: "/into"}}}
}

// wayStarts is how often each way is measured.
const wayStarts = 10

// measureWays measures what each way adds to a Pod's start, in s: all in turns, each against the Pod without.
func measureWays(t *testing.T, p *results.Part, c *testcluster.Cluster) {
	added := map[string][]float64{}
	images := hasImageVolumes(t, c)
	startInTurns(t, times(wayStarts), len(ways)+1, func(t *testing.T, start func(*pod) float64) {
		without := start(wayPod(t, c, func(*corev1.PodSpec) {}))
		for _, w := range ways {
			if w.name != "image" || images {
				added[w.name] = append(added[w.name], start(wayPod(t, c, w.change))-without)
			}
		}
	})
	for _, w := range ways {
		p.Add(results.WaySeries(w.name), added[w.name]...)
	}
	if !images {
		p.Miss(results.WaySeries("image"), "the cluster has no image volumes")
	}
}

// wayPod is a Pod that nothing is injected into, changed by hand.
func wayPod(t *testing.T, c *testcluster.Cluster, change func(*corev1.PodSpec)) *pod {
	t.Helper()
	p := newPod(t, c, results.Shape{Containers: 2}, "peer").in(plain)
	p.spec.Spec.Volumes = append(p.spec.Spec.Volumes, corev1.Volume{Name: "into", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	change(&p.spec.Spec)
	return p
}

// hasImageVolumes says whether the API server keeps a volume of an image.
func hasImageVolumes(t *testing.T, c *testcluster.Cluster) bool {
	t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "image-volume"}, Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "main", Image: image}},
		Volumes:    []corev1.Volume{{Name: "image", VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: image}}}},
	}}
	kept, err := c.API.CoreV1().Pods(plain).Create(t.Context(), p, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	require.NoError(t, err)
	return kept.Spec.Volumes[0].Image != nil
}

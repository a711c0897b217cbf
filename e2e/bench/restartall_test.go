//go:build e2e

package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/install"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
)

const (
	// stamps is a directory of the nodes, and, as they are here, of this machine.
	stampsRoot = "/tmp/restartrules-bench"

	// How many restarts are measured of ours and of the kubelet's.
	ourRestarts, nativeRestarts = 500, 20
	// warmUp restarts are not counted.
	warmUp = 5
	// floorPrograms is how many programs a restart of the first shape starts.
	floorPrograms = 3
)

// shape is a Pod: one source, peers, and init containers.
type shape struct{ inits, containers int }

// TestRestartAllContainers prints how long it takes from the exit of the source to the first instruction of
// the last of all new processes: in place on a cluster with the gates off, and natively on a kubelet of
// 1.36, the first whose restarts don't stall. Goals are printed, not judged.
func TestRestartAllContainers(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the programs that are started are machine code for amd64")
	}
	testcluster.Need(t, "their nodes' files are here")
	shapes := []shape{{1, 2}, {0, 4}, {3, 3}}
	ours := measureAll(t, node.Options{Name: "bench-off"}, (*install.Cluster).Install, shapes, ourRestarts)
	machine := floor(t, floorPrograms)
	natives := [][]float64{{math.NaN()}, {math.NaN()}, {math.NaN()}}
	if os.Getenv("BENCH_ONLY") != "ours" {
		natives = measureAll(t, node.Options{Name: "bench-native", Version: "1.36.3", FeatureGates: node.Gates{}}, (*install.Cluster).LoadImages, shapes, nativeRestarts)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "\nRestartAllContainers: the source's exit to the first instruction of the last new process, ms\n")
	fmt.Fprintf(&out, "%-28s %5s %9s %16s %9s %9s   %5s %9s %9s   %s\n", "", "n", "median", "95 % of median", "p99", "max", "n", "native", "max", "times faster")
	for i, s := range shapes {
		o, n := ours[i], natives[i]
		low, high := medianInterval(o)
		fmt.Fprintf(&out, "%d init + %d containers %6s %5d %9.2f %7.2f - %6.2f %9.2f %9.2f   %5d %9.0f %9.0f   %.0f\n", s.inits, s.containers, "",
			len(o), quantile(o, 0.5), low, high, quantile(o, 0.99), o[len(o)-1], len(n), quantile(n, 0.5), n[len(n)-1], quantile(n, 0.5)/quantile(o, 0.5))
	}
	fmt.Fprintf(&out, "this machine, without us: %d programs started and waited for, one after the other, every 20 ms: n %d, median %.2f ms, p99 %.2f, max %.2f\n",
		floorPrograms, len(machine), quantile(machine, 0.5), quantile(machine, 0.99), machine[len(machine)-1])
	t.Log(out.String())
}

// measureAll measures all shapes, one after the other, on a cluster that it brings up and takes down.
func measureAll(t *testing.T, o node.Options, load func(*install.Cluster, context.Context) error, shapes []shape, restarts int) (millis [][]float64) {
	t.Helper()
	defer func() { require.NoError(t, errors.Join(testcluster.Down(o.Name), os.RemoveAll(stampsRoot))) }()
	cluster, err := testcluster.Up(o, load)
	require.NoError(t, err)
	settle(t)
	for _, s := range shapes {
		millis = append(millis, measure(t, cluster.API, s, restarts))
	}
	return millis
}

// measure restarts one Pod, and returns how long each restart took, sorted.
func measure(t *testing.T, client *kubernetes.Clientset, s shape, restarts int) (millis []float64) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, os.MkdirAll(stampsRoot, 0o755))
	dir, err := os.MkdirTemp(stampsRoot, "")
	require.NoError(t, err)
	require.NoError(t, writePrograms(dir))
	namespace := "bench"
	_, err = client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace,
		Labels: map[string]string{api.InjectLabel: api.InjectEnabled}}}, metav1.CreateOptions{})
	if err != nil {
		require.ErrorContains(t, err, "already exists")
	}
	pod := podOf(s, dir)
	require.NoError(t, testcluster.Eventually(ctx, func() (bool, error) {
		_, err := client.CoreV1().Pods(namespace).Create(ctx, pod, metav1.CreateOptions{})
		return err == nil, nil // the namespace's ServiceAccount is not there at once
	}))
	var source []int64
	require.NoError(t, testcluster.Eventually(ctx, func() (bool, error) {
		source, err = readStamps(filepath.Join(dir, "main0.stamps"))
		return len(source) >= 2*(restarts+warmUp+1), err
	}))
	others := map[string][]int64{}
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)[:s.inits+s.containers] {
		others[c.Name], err = readStamps(filepath.Join(dir, c.Name+".stamps"))
		require.NoError(t, err)
	}
	require.NoError(t, client.CoreV1().Pods(namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(1))}))
	for i := warmUp; i < warmUp+restarts; i++ {
		exit, last := source[2*i+1], int64(0)
		for _, stamps := range others {
			at := slices.IndexFunc(stamps, func(at int64) bool { return at > exit })
			require.GreaterOrEqual(t, at, 0)
			last = max(last, stamps[at])
		}
		if last > source[2*i+3] {
			t.Logf("left out: the source exited again before everything ran, %.0f ms after its exit", float64(last-exit)/1e6)
			continue
		}
		millis = append(millis, float64(last-exit)/1e6)
	}
	slices.Sort(millis)
	return millis
}

func podOf(s shape, dir string) *corev1.Pod {
	container := func(name, program string) corev1.Container {
		return corev1.Container{Name: name, Image: "busybox:stable", ImagePullPolicy: corev1.PullIfNotPresent, Command: []string{"/bench/" + program, "/bench/" + name + ".stamps"},
			VolumeMounts: []corev1.VolumeMount{{Name: "bench", MountPath: "/bench"}}}
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("restart-%d-%d", s.inits, s.containers),
			Annotations: map[string]string{api.RulesAnnotation: "restartAllContainers: {backoff: none}"}},
		Spec: corev1.PodSpec{
			// The programs handle no signals: as PID 1 they could not be ended by one.
			ShareProcessNamespace: new(true), RestartPolicy: corev1.RestartPolicyNever,
			Volumes: []corev1.Volume{{Name: "bench", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: dir}}}},
		},
	}
	for i := range s.inits {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, container(fmt.Sprintf("init%d", i), "init"))
	}
	for i := range s.containers {
		c := container(fmt.Sprintf("main%d", i), "peer")
		if i == 0 {
			c = container("main0", "source")
			c.RestartPolicy = new(corev1.ContainerRestartPolicyNever)
			c.RestartPolicyRules = []corev1.ContainerRestartRule{{Action: corev1.ContainerRestartRuleActionRestartAllContainers,
				ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: corev1.ContainerRestartRuleOnExitCodesOpIn, Values: []int32{88}}}}
		}
		pod.Spec.Containers = append(pod.Spec.Containers, c)
	}
	return pod
}

func quantile(sorted []float64, q float64) float64 {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// medianInterval is the 95 % interval of the median, by the binomial distribution's normal approximation.
func medianInterval(sorted []float64) (low, high float64) {
	n := float64(len(sorted))
	half := 1.96 * math.Sqrt(n) / 2
	return sorted[max(int(n/2-half), 0)], sorted[min(int(n/2+half), len(sorted)-1)]
}

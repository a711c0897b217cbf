//go:build e2e

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/e2e/bench/results"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
)

const (
	// stampsRoot is a directory of the nodes, and, as they are here, of this machine.
	stampsRoot = "/tmp/restartrules-bench"
	// mounted is where Pods have theirs.
	mounted = "/bench"
	image   = "busybox:stable"
	// exits is the code that the programs exit with by themselves, terminated the one of those that SIGTERM has ended.
	exits, terminated = 88, 143
	// look is how often is looked whether something has happened that is timed by the Pods themselves.
	look = 50 * time.Millisecond
)

// namespaces of the Pods: one whose Pods are injected, one whose are left to the kubelet.
const (
	injected = "bench"
	plain    = "bench-plain"
)

// makeNamespaces makes both, ready for Pods.
func makeNamespaces(t *testing.T, c *testcluster.Cluster) {
	t.Helper()
	for name, labels := range map[string]map[string]string{injected: testcluster.OptedIn, plain: nil} {
		_, err := c.API.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{})
		if !apierrors.IsAlreadyExists(err) {
			require.NoError(t, err)
		}
		require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
			_, err := c.API.CoreV1().ServiceAccounts(name).Get(t.Context(), "default", metav1.GetOptions{})
			return err == nil, nil
		}))
	}
}

// pod is a Pod, in the cluster or to be made there, and the directory that its programs stamp into.
type pod struct {
	t       *testing.T
	cluster *testcluster.Cluster
	spec    *corev1.Pod
	dir     string
	uid     string // once it was asked for
	// programs are the names of what was asked for: what is injected has no stamps.
	programs []string
}

// newPod is one of that shape whose container main0 runs the program; the others wait.
func newPod(t *testing.T, c *testcluster.Cluster, shape results.Shape, program string) *pod {
	t.Helper()
	require.NoError(t, os.MkdirAll(stampsRoot, 0o755))
	dir, err := os.MkdirTemp(stampsRoot, "")
	require.NoError(t, err)
	require.NoError(t, writePrograms(dir))
	name := filepath.Base(dir)
	p := &pod{t: t, cluster: c, dir: dir}
	container := func(name, program string) corev1.Container {
		p.programs = append(p.programs, name)
		return corev1.Container{Name: name, Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
			// The last argument is for those who look for the process.
			Command:      []string{mounted + "/" + program, mounted + "/" + name + ".stamps", filepath.Base(dir)},
			VolumeMounts: []corev1.VolumeMount{{Name: "bench", MountPath: mounted}}}
	}
	p.spec = &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "pod-" + name, Namespace: injected, Annotations: map[string]string{}},
		Spec: corev1.PodSpec{
			// The programs handle no signals: as PID 1 they could not be ended by one.
			ShareProcessNamespace: new(true), RestartPolicy: corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: new(int64(2)),
			Volumes:                       []corev1.Volume{{Name: "bench", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: dir}}}},
		},
	}
	for i := range shape.Inits {
		p.spec.Spec.InitContainers = append(p.spec.Spec.InitContainers, container(fmt.Sprintf("init%d", i), "init"))
	}
	for i := 1; i < shape.Containers; i++ {
		p.spec.Spec.Containers = append(p.spec.Spec.Containers, container(fmt.Sprintf("main%d", i), "peer"))
	}
	// The last: kubelets start one after the other, and what exits at once would exit before the others run.
	p.spec.Spec.Containers = append(p.spec.Spec.Containers, container("main0", program))
	return p
}

// rule has main0 restarted when it exits by itself, or is ended, without back-off where that can be said.
func (p *pod) rule(action corev1.ContainerRestartRuleAction) *pod {
	main := p.main()
	main.RestartPolicy = new(corev1.ContainerRestartPolicyNever)
	main.RestartPolicyRules = []corev1.ContainerRestartRule{{Action: action,
		ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{Operator: corev1.ContainerRestartRuleOnExitCodesOpIn, Values: []int32{exits, terminated}}}}
	p.spec.Annotations[api.RulesAnnotation] = "containers: {main0: {backoff: none}}"
	if action == corev1.ContainerRestartRuleActionRestartAllContainers {
		p.spec.Annotations[api.RulesAnnotation] = "restartAllContainers: {backoff: none}"
	}
	return p
}

func (p *pod) main() *corev1.Container { return &p.spec.Spec.Containers[len(p.spec.Spec.Containers)-1] }

// in has the Pod made in another namespace.
func (p *pod) in(namespace string) *pod {
	p.spec.Namespace = namespace
	return p
}

// of has the Pod made where that side restarts it.
func (p *pod) of(side string) *pod {
	if side == results.Native {
		return p.in(plain)
	}
	return p.in(injected)
}

// create makes the Pod. It is removed when the test is over, if it was not before.
func (p *pod) create() *pod {
	p.t.Helper()
	_, err := p.cluster.API.CoreV1().Pods(p.spec.Namespace).Create(p.t.Context(), p.spec, metav1.CreateOptions{})
	require.NoError(p.t, err)
	return p
}

// started waits until all programs have run.
func (p *pod) started() *pod {
	p.t.Helper()
	p.since(0)
	return p
}

// removeAll removes Pods at the same time. The tests that have made them may be over, t is not.
func removeAll(t *testing.T, pods []*pod) {
	t.Helper()
	for _, p := range pods {
		p.t = t
		require.NoError(t, p.cluster.API.CoreV1().Pods(p.spec.Namespace).Delete(t.Context(), p.spec.Name, metav1.DeleteOptions{}))
	}
	for _, p := range pods {
		p.remove()
	}
}

// remove deletes the Pod and waits until it is gone: what its end takes is not to disturb what is measured next.
func (p *pod) remove() {
	p.t.Helper()
	pods := p.cluster.API.CoreV1().Pods(p.spec.Namespace)
	err := pods.Delete(p.t.Context(), p.spec.Name, metav1.DeleteOptions{})
	if !apierrors.IsNotFound(err) {
		require.NoError(p.t, err)
	}
	require.NoError(p.t, testcluster.Eventually(p.t.Context(), func() (bool, error) {
		_, err := pods.Get(p.t.Context(), p.spec.Name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), nil
	}))
	require.NoError(p.t, os.RemoveAll(p.dir))
}

// stamps are those of a program.
func (p *pod) stamps(program string) []int64 {
	p.t.Helper()
	stamps, err := readStamps(filepath.Join(p.dir, program+".stamps"))
	require.NoError(p.t, err)
	return stamps
}

// firstSince is when the last of all programs has run for the first time after a moment; ok is false if not all have.
func (p *pod) firstSince(moment int64) (last int64, ok bool) {
	p.t.Helper()
	for _, program := range p.programs {
		stamps := p.stamps(program)
		i := slices.IndexFunc(stamps, func(at int64) bool { return at > moment })
		if i < 0 {
			return 0, false
		}
		last = max(last, stamps[i])
	}
	return last, true
}

// since waits until all programs have run after a moment, and returns when the last of them did so.
func (p *pod) since(moment int64) (last int64) {
	p.t.Helper()
	deadline := time.Now().Add(testcluster.Patience)
	for {
		last, ok := p.firstSince(moment)
		if ok {
			return last
		}
		require.True(p.t, time.Now().Before(deadline), "not all programs of %s have run within %s", p.spec.Name, testcluster.Patience)
		time.Sleep(look)
	}
}

// arguments are those of main0's process, as /proc has them.
func (p *pod) arguments() string {
	return strings.Join([]string{p.main().Command[0], mounted + "/main0.stamps", filepath.Base(p.dir), ""}, "\x00")
}

// killers find the processes of the Pods' main0, and return what ends each by SIGTERM.
func killers(t *testing.T, pods []*pod) (kill []func()) {
	t.Helper()
	pids := map[string]int{}
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			require.NoError(t, err)
			pids[string(text)] = pid
		}
	}
	for _, pod := range pods {
		pid, ok := pids[pod.arguments()]
		require.True(t, ok, "%s has no process of main0", pod.spec.Name)
		kill = append(kill, func() { require.NoError(t, syscall.Kill(pid, syscall.SIGTERM)) })
	}
	return kill
}

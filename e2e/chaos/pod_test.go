//go:build e2e

package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"restartrules.dev/e2e/record"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/watcher"
	"restartrules.dev/pkg/watcher/journal"
)

// The containers of every Pod here. The init container's twin keeps its record.
const (
	initContainer = "init"
	sidecar       = "sidecar"
	source        = "source"
	worker        = "worker"
	twin          = initContainer + api.TwinSuffix
)

// restartCode is the exit code of source that restarts the Pod.
const restartCode = 88

// running are those that run until they are told otherwise.
var running = []string{sidecar, source, worker}

// pod is a Pod in the cluster that restarts as a whole, again and again.
type pod struct {
	*testing.T
	name, uid string
	dir       string
	// starts is how often the process of each record has been started, if all went well.
	starts map[string]int
	// shimDied says that a shim of the Pod was killed: then attempts can have been counted that were never started.
	shimDied bool
	// restarts is the number of the last restart of the Pod.
	restarts int
	records  map[string]*follower
	// kubelets is how often the kubelet had started containers again when everything ran: on a busy machine a hook
	// can take too long.
	kubelets map[string]int32
	// counted is the kubelet's restartCount of a container when it was last looked at.
	counted map[string]int32
}

// shape is how a Pod is to be.
type shape struct {
	policy corev1.RestartPolicy
	// backoff is that of restarts of the Pod, in the form of the annotation; empty: none.
	backoff string
	// init are more arguments of the init container's application.
	init []string
	// suffix is that of the Pod's name, where a test has several.
	suffix string
	// beforeStart is called when the Pod's directory on the node is there, and nothing of it has been started.
	beforeStart func(p *pod)
}

// newPod makes a Pod and waits until everything runs.
func newPod(t *testing.T, s shape) *pod {
	t.Helper()
	p := &pod{T: t, records: map[string]*follower{}, starts: map[string]int{}, counted: map[string]int32{}}
	p.name = strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(strings.TrimPrefix(t.Name(), "Test"))) + s.suffix
	p.dir = filepath.Join(records, p.name)
	p.remove() // of a run that was interrupted
	require.NoError(t, os.RemoveAll(p.dir))
	require.NoError(t, os.MkdirAll(p.dir, 0o777))
	for _, name := range []string{initContainer, sidecar, source, worker} {
		p.records[name] = &follower{file: filepath.Join(p.dir, name)}
		p.starts[name] = 1
	}
	made, err := client.CoreV1().Pods(namespace).Create(t.Context(), p.object(s), metav1.CreateOptions{})
	require.NoError(t, err)
	p.uid = string(made.UID)
	t.Cleanup(p.remove)
	t.Cleanup(func() { p.checkAlone("at the end") }) // before
	if s.beforeStart != nil {
		s.beforeStart(p)
	}
	require.NoError(t, p.settled(), "the Pod's first start")
	p.kubelets = p.restartCounts()
	return p
}

func (p *pod) object(s shape) *corev1.Pod {
	container := func(name string, args ...string) corev1.Container {
		return corev1.Container{
			Name: name, Image: appImage, ImagePullPolicy: corev1.PullIfNotPresent,
			Command:      append([]string{"/app", "-record=/records/" + name}, args...),
			VolumeMounts: []corev1.VolumeMount{{Name: "records", MountPath: "/records"}},
		}
	}
	side := container(sidecar, "-alone=sidecar,init")
	side.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
	backoff := `"none"`
	if s.backoff != "" {
		backoff = s.backoff
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: p.name, Namespace: namespace,
			Annotations: map[string]string{api.RulesAnnotation: `{"restartAllContainers": {"backoff": ` + backoff + `},
				"containers": {"worker": {"backoff": "none"}, "source": {"backoff": "none", "restartPolicy": "` + string(s.policy) + `", "restartPolicyRules": [
					{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [` + strconv.Itoa(restartCode) + `]}}]}}}`},
		},
		Spec: corev1.PodSpec{
			RestartPolicy:                 s.policy,
			TerminationGracePeriodSeconds: ptr.To[int64](5),
			InitContainers: []corev1.Container{
				container(initContainer, append([]string{"-run=2ms", "-alone=init,sidecar,source,worker"}, s.init...)...),
				side,
			},
			Containers: []corev1.Container{
				container(source, "-obey", "-quit="+strconv.Itoa(restartCode), "-alone=source,init"),
				container(worker, "-quit=0", "-term-delay=4ms", "-alone=worker,init"),
			},
			Volumes: []corev1.Volume{{Name: "records", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{
				Path: p.dir, Type: ptr.To(corev1.HostPathDirectory)}}}},
		},
	}
}

// volume is the Pod's volume of ours, on the node.
func (p *pod) volume() string {
	return filepath.Join(filepath.Dir(local.Kubeconfig()), "kubelet", "pods", p.uid, "volumes", "kubernetes.io~empty-dir", api.VolumeName)
}

// journal is the newest entry of the Pod's journal.
func (p *pod) journal() (journal.Entry, error) {
	entries, err := journal.Read(filepath.Join(p.volume(), watcher.JournalName))
	if err == nil && len(entries) == 0 {
		err = errors.New("the journal is empty")
	}
	if err != nil {
		return journal.Entry{}, err
	}
	return entries[len(entries)-1], nil
}

func (p *pod) get() *corev1.Pod {
	p.Helper()
	got, err := client.CoreV1().Pods(namespace).Get(p.Context(), p.name, metav1.GetOptions{})
	require.NoError(p, err)
	return got
}

// waitPhase waits until the Pod has ended that way.
func (p *pod) waitPhase(phase corev1.PodPhase) *corev1.Pod {
	p.Helper()
	var got *corev1.Pod
	err := eventually(p.Context(), "phase "+string(phase), func() error {
		if got = p.get(); got.Status.Phase != phase {
			return fmt.Errorf("it is %s", got.Status.Phase)
		}
		return nil
	})
	require.NoError(p, err, "%s\n%s", p.story(), p.logs())
	return got
}

// remove deletes the Pod, and returns when it is gone.
func (p *pod) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := client.CoreV1().Pods(namespace).Delete(ctx, p.name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](1)})
	if !apierrors.IsNotFound(err) {
		require.NoError(p, err)
	}
	require.NoError(p, eventually(ctx, "the Pod is gone", func() error {
		_, err := client.CoreV1().Pods(namespace).Get(ctx, p.name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, errors.New("it is there"))
	}))
}

// exit has an application exit by itself: source with restartCode, worker with 0. It returns when that has
// written that it ends.
func (p *pod) exit(name string) error {
	r := p.records[name]
	before, err := r.read()
	if err != nil {
		return err
	}
	ends := count(before, "end")
	app, err := p.app(name)
	if err != nil {
		return err
	}
	// A process that has only just been started ignores the signal.
	return eventually(p.Context(), name+" exits", func() error {
		events, err := r.read()
		if err != nil || count(events, "end") > ends {
			return err
		}
		_ = syscall.Kill(app.pid, syscall.SIGUSR1) // it may have ended just now
		return errors.New("it still runs")
	})
}

// order has source exit with a code, by the file that it looks for.
func (p *pod) order(code int) error {
	events, err := p.records[source].read()
	if err != nil {
		return err
	}
	file := record.ExitFile(filepath.Join(p.dir, source), record.Starts(events))
	if err := os.WriteFile(file+".draft", []byte(strconv.Itoa(code)), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".draft", file)
}

// logs are the watcher's last lines, for a failure.
func (p *pod) logs() string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	text, err := client.CoreV1().Pods(namespace).GetLogs(p.name, &corev1.PodLogOptions{
		Container: api.WatcherContainer, TailLines: ptr.To[int64](30)}).DoRaw(ctx)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

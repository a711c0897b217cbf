package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"restartrules.dev/cmd/kubectl-restartrules/internal/live"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
)

// fakePod is a Pod whose trainer restarts in place, alone or with all others.
func fakePod(t *testing.T, name string, change func(pod *corev1.Pod, p *plan.Plan)) *corev1.Pod {
	t.Helper()
	p := &plan.Plan{Version: plan.Version, RestartPolicy: plan.RestartPolicy{Own: "Never", Compiled: "Never"}, RestartAll: &plan.RestartAll{}, Containers: []plan.Container{
		{Name: "setup", Kind: plan.KindInitContainer, Role: plan.Role{Twin: "setup-replay"}, Why: "its twin replays it"},
		{Name: "trainer", Kind: plan.KindContainer, Wrapped: true, OnExit: "0-255:end"},
		{Name: "shipper", Kind: plan.KindContainer, Wrapped: true, OnExit: "0-255:end"},
		{Name: "mesh", Kind: plan.KindContainer, Role: plan.Role{Excluded: true}},
		{Name: "setup-replay", Kind: plan.KindContainer, Wrapped: true, OnExit: "0-255:end", Role: plan.Role{TwinOf: "setup"}},
	}}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: name, UID: "0f7a", Labels: map[string]string{api.ModeLabel: api.ModeEmulated}, Annotations: map[string]string{}},
		Spec: corev1.PodSpec{TerminationGracePeriodSeconds: new(int64(40)), Volumes: []corev1.Volume{{Name: api.ControlVolumeName}},
			Containers: []corev1.Container{{Name: "trainer"}, {Name: "shipper"}, {Name: "mesh"}, {Name: "late"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning,
			InitContainerStatuses: []corev1.ContainerStatus{{Name: api.WatcherContainer, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
			ContainerStatuses:     []corev1.ContainerStatus{{Name: "trainer", RestartCount: 1}, {Name: "shipper"}}},
	}
	if change != nil {
		change(pod, p)
	}
	if p.Version != 0 {
		text, err := p.Encode()
		require.NoError(t, err)
		pod.Annotations[api.PlanAnnotation] = text
	}
	return pod
}

// fakePods are the Pods of the fake cluster, each with something that a command has to tell its user.
func fakePods(t *testing.T) *fake.Clientset {
	status := func(pod *corev1.Pod, _ *plan.Plan) {
		pod.Annotations[api.StatusAnnotation] = `{"version":1,"phase":"Running","restarts":{"trainer":2},"observedAt":"2026-11-23T03:00:00Z",
			"recent":[{"id":3,"container":"trainer","exitCode":42,"rule":0,"action":"Restart","time":"2026-11-23T03:00:00Z","durationMicros":505},
			{"id":4,"container":"trainer","rule":-1,"action":"Restart","reason":"loss > 9 && step < 7","time":"2026-11-23T03:00:00Z","durationMicros":505}]}`
	}
	client := fake.NewClientset(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "research"}},
		fakePod(t, "train-0", nil),
		fakePod(t, "alone", func(pod *corev1.Pod, p *plan.Plan) { p.RestartAll, p.Containers = nil, p.Containers[1:2] }),
		fakePod(t, "plain", func(pod *corev1.Pod, p *plan.Plan) { p.Version = 0 }),
		fakePod(t, "native", func(pod *corev1.Pod, p *plan.Plan) {
			p.Version = 0
			pod.Spec.Containers[0].RestartPolicy = new(corev1.ContainerRestartPolicyNever)
		}),
		fakePod(t, "no-shim", func(pod *corev1.Pod, p *plan.Plan) { p.Containers = p.Containers[3:4] }),
		fakePod(t, "newer", func(pod *corev1.Pod, p *plan.Plan) { p.Version = 9 }),
		fakePod(t, "going", func(pod *corev1.Pod, p *plan.Plan) {
			pod.DeletionTimestamp, pod.Finalizers = new(metav1.Now()), []string{"x/y"}
		}),
		fakePod(t, "over", func(pod *corev1.Pod, p *plan.Plan) { status(pod, p); pod.Status.Phase = corev1.PodFailed }),
		fakePod(t, "no-watcher", func(pod *corev1.Pod, p *plan.Plan) { pod.Status.InitContainerStatuses = nil }),
		fakePod(t, "older", func(pod *corev1.Pod, p *plan.Plan) { pod.Spec.Volumes = nil }),
		fakePod(t, "silent", nil),
		fakePod(t, "forbidden", status),
		fakePod(t, "paused", nil),
		fakePod(t, "off", func(pod *corev1.Pod, p *plan.Plan) { pod.Annotations[api.SeamAnnotation] = "off" }),
	)
	client.PrependReactor("create", "selfsubjectaccessreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
		review := action.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		review.Status.Allowed = review.Spec.ResourceAttributes.Name != "forbidden"
		return true, review, nil
	})
	return client
}

// fakeExec answers for the watchers of these Pods.
func fakeExec(_ context.Context, pod *corev1.Pod, container string, command ...string) (live.Output, error) {
	if container != api.WatcherContainer {
		return live.Output{}, errors.New("in another container")
	}
	verb := command[1]
	switch pod.Name {
	case "forbidden":
		return live.Output{}, errors.New(`unable to upgrade connection: pods "forbidden" is forbidden`)
	case "silent":
		if command[0] == "/watcher" {
			return live.Output{Code: 1, Stdout: "restartrules: read the history: permission denied\n"}, nil
		}
		return live.Output{Code: 1, Stderr: "restartrules: the container is not restarted: the watcher can't be asked over /x/sock: connection refused\n"}, nil
	case "older":
		if command[0] == "/shim" {
			return live.Output{Code: 2, Stderr: "restartrules: shim: unknown command \"restart\"\nusage: shim run"}, nil
		}
		return live.Output{Code: 1, Stdout: "restartrules: usage: watcher install|serve\n"}, nil
	case "paused":
		return live.Output{Code: 1, Stdout: "refused: the Pod is paused (annotation restartrules.dev/paused)\n"}, nil
	}
	switch verb {
	case "history":
		return live.Output{Stdout: `{"id":1,"container":"trainer","exitCode":42,"rule":0,"action":"Restart","time":"2026-11-23T03:00:00Z","durationMicros":505}
{"id":2,"rule":-1,"action":"Pause","time":"2026-11-23T03:01:00Z"}
`}, nil
	case "paused":
		return live.Output{Stdout: pod.Annotations[api.PausedAnnotation] + "\n"}, nil
	}
	return live.Output{Stdout: "accepted: " + strings.Join(command, " ") + "\n"}, nil
}

func fakeLogs(_ context.Context, pod *corev1.Pod, options corev1.PodLogOptions) (io.ReadCloser, error) {
	const seam = " restartrules: container=trainer attempt=%d exitCode=42 rule=restartPolicyRules[0] action=Restart nextAttempt=%d wait=0s\n"
	text := ""
	for second, line := range []string{" loading\n", " step 1\n", fmt.Sprintf(seam, 1, 2), " loading\n", fmt.Sprintf(seam, 2, 3), " loading\n"} {
		text += fmt.Sprintf("2026-11-23T03:00:%02d.000000001Z%s", second, line)
	}
	switch {
	case options.Previous && pod.Name == "alone":
		return nil, errors.New("previous terminated container not found")
	case options.Previous:
	case options.Follow:
		text += "2026-11-23T03:02:06.5Z step 2\n" + "2026-11-23T03:02:07Z" + fmt.Sprintf(seam, 5, 6) + "2026-11-23T03:02:08Z loading\n"
		text = strings.ReplaceAll(text, "T03:00", "T03:01")
	default:
		text = "2026-11-23T03:01:00Z loading\n2026-11-23T03:01:01Z" + fmt.Sprintf(seam, 4, 5) + "2026-11-23T03:01:05.000000001Z loading\n"
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

// executeLive runs one of the commands on Pods in the fake cluster.
func executeLive(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	client := fakePods(t)
	connect := func(*genericclioptions.ConfigFlags) (*live.Client, error) {
		return &live.Client{Kubernetes: client, Namespace: "research", Exec: fakeExec, Logs: fakeLogs}, nil
	}
	var out, err bytes.Buffer
	root := &cobra.Command{Use: "kubectl-restartrules", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(liveCommands(connect)...)
	code = runCommand(root, args, nil, &out, &err)
	return code, out.String(), err.String()
}

// TestLiveGolden holds all that the commands on Pods of a cluster print to golden files, one for each command.
func TestLiveGolden(t *testing.T) {
	for name, list := range map[string][]string{
		"restart": {
			"train-0 --container trainer --reason why", "train-0 -c trainer --grace-period 5s", "pod/train-0 --all --reason why", "alone",
			"train-0", "train-0 -c nobody", "train-0 -c mesh", "train-0 -c setup", "train-0 -c late", "train-0 -c restartrules-watcher",
			"alone --all", "alone --grace-period=-2s", "alone --all -c app", "plain -c trainer", "native --all", "no-shim --all", "newer --all", "going --all", "over --all", "no-watcher --all",
			"older -c trainer", "silent -c trainer", "forbidden --all", "paused --all", "nowhere --all", "",
		},
		"pause":   {"train-0", "train-0 -c trainer -c shipper", "alone --wait=false", "forbidden", "train-0 -c mesh", "older", "over", "going", "plain", "silent --timeout=1ms"},
		"resume":  {"train-0", "alone --wait=false", "older", "plain"},
		"history": {"train-0 -o json", "train-0 -o yaml", "forbidden -o yaml", "over -o yaml", "older", "no-watcher", "silent", "plain", "native", "train-0 -o xml"},
		"logs": {"train-0 -c trainer", "train-0 -c trainer --attempt -1", "train-0 -c trainer --attempt 2 --timestamps", "train-0 -c trainer --attempt 9",
			"train-0 -c trainer --attempt -9", "train-0 -c trainer --list", "train-0 -c trainer -f", "alone --list", "train-0", "train-0 -c mesh", "train-0 -c setup", "off -c trainer", "plain", "train-0 --list -f"},
	} {
		t.Run(name, func(t *testing.T) {
			var got strings.Builder
			for _, args := range list {
				code, stdout, stderr := executeLive(t, append([]string{name}, strings.Fields(args)...)...)
				fmt.Fprintf(&got, "$ kubectl restartrules %s\n%s%sexit code %d\n\n", strings.TrimSpace(name+" "+args), stdout, quoted(stderr), code)
			}
			golden := filepath.Join("testdata", "golden", "live-"+name+".txt")
			if *updateGolden {
				require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), got.String())
		})
	}
}

func TestLiveCompletion(t *testing.T) {
	for args, want := range map[string]string{
		"restart":                        "alone\nforbidden\n",
		"restart train-0 -c":             "trainer\nshipper\n:4\n",
		"pause train-0 --container":      "trainer\nshipper\n:4\n",
		"logs alone --container":         "trainer\n:4\n",
		"history train-0":                ":4\n",
		"restart nowhere -c":             ":4\n",
		"history train-0 -o":             "table\nwide\njson\nyaml\n:4\n",
		"resume --namespace=other alone": ":4\n",
		"resume --namespace":             "research\n:4\n",
	} {
		_, stdout, _ := executeLive(t, append(append([]string{"__complete"}, strings.Fields(args)...), "")...)
		require.True(t, strings.HasPrefix(stdout, want), "%s: %s", args, stdout)
	}
}

// TestTheDocsShowRefusals: what docs/cli.md shows is what is said.
func TestTheDocsShowRefusals(t *testing.T) {
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli.md"))
	require.NoError(t, err)
	_, block, _ := strings.Cut(string(docs), "\n```\n$ kubectl restartrules restart ")
	block, _, _ = strings.Cut("$ kubectl restartrules restart "+block, "```\n")
	golden, err := os.ReadFile(filepath.Join("testdata", "golden", "live-restart.txt"))
	require.NoError(t, err)
	said := strings.ReplaceAll(string(golden), "\n! ", "\n")
	commands := strings.Split(strings.TrimPrefix(block, "$ "), "\n$ ")
	require.Greater(t, len(commands), 5)
	for _, command := range commands {
		require.Contains(t, said, "$ "+strings.TrimSuffix(command, "\n")+"\nexit code 1\n")
	}
}

package existing

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/cmd/kubectl-restartrules/internal/source"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/inject"
)

var update = flag.Bool("update", false, "write the golden files")

// Rules of container app.
const (
	inPlace  = `{"containers":{"app":{"restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[42]}}]}}}`
	wholePod = `{"containers":{"app":{"restartPolicy":"Never","restartPolicyRules":[{"action":"RestartAllContainers","exitCodes":{"operator":"In","values":[88]}}]}}}`
	always   = `{"containers":{"app":{"restartPolicy":"Always"}}}`
)

// pod has an init container, one with these rules, and one without.
func pod(rules string, change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "research", Name: "trainer", Annotations: map[string]string{}},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever,
			InitContainers: []corev1.Container{{Name: "setup", Image: "setup", Command: []string{"setup"}}},
			Containers:     []corev1.Container{{Name: "app", Image: "app", Command: []string{"app"}}, {Name: "shipper", Image: "shipper", Command: []string{"shipper"}}}},
	}
	if rules != "" {
		p.Annotations[api.RulesAnnotation] = rules
	}
	if change != nil {
		change(p)
	}
	return p
}

// injected is the Pod as the webhook makes it on a cluster that has this itself.
func injected(t *testing.T, p *corev1.Pod, native compile.Features, status string) *corev1.Pod {
	t.Helper()
	text, err := json.Marshal(p)
	require.NoError(t, err)
	result, err := inject.Create(text, inject.Options{Image: "watcher", Native: native})
	require.NoError(t, err)
	require.Empty(t, result.Errors)
	text, err = source.Apply(text, result.Patch)
	require.NoError(t, err)
	made := new(corev1.Pod)
	require.NoError(t, json.Unmarshal(text, made))
	if status != "" {
		made.Annotations[api.StatusAnnotation] = status
	}
	return made
}

// counted is the Pod with what the kubelet counts.
func counted(p *corev1.Pod) *corev1.Pod {
	p.Status.Phase = corev1.PodRunning
	for _, c := range p.Spec.InitContainers {
		p.Status.InitContainerStatuses = append(p.Status.InitContainerStatuses, corev1.ContainerStatus{Name: c.Name})
	}
	for i, c := range p.Spec.Containers {
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{Name: c.Name, RestartCount: int32(1 - min(i, 1))})
	}
	return p
}

// TestNew: a Pod of which the kubelet has said nothing yet has all its containers.
func TestNew(t *testing.T) {
	made := injected(t, pod(wholePod, nil), compile.Features{}, "")
	said, err := Of(counted(made.DeepCopy()))
	require.NoError(t, err)
	silent, err := Of(made)
	require.NoError(t, err)
	require.NotEmpty(t, silent.Restarts)
	require.Len(t, said.Restarts, len(silent.Restarts))
	for i, r := range silent.Restarts {
		require.Equal(t, said.Restarts[i].Container, r.Container)
		require.Zero(t, r.Kubelet)
	}
}

func TestGolden(t *testing.T) {
	restart := compile.Features{Restart: true}
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		mode string
	}{
		"emulated":     {injected(t, pod(inPlace, nil), compile.Features{}, `{"version":1,"phase":"Running","restarts":{"app":3}}`), Emulated},
		"whole-pod":    {injected(t, pod(wholePod, nil), compile.Features{}, `{"version":1,"phase":"Running","restarts":{"app":2,"setup":2,"shipper":2}}`), Emulated},
		"never-heard":  {injected(t, pod(inPlace, nil), compile.Features{}, ""), Emulated},
		"insists":      {injected(t, pod(inPlace, func(p *corev1.Pod) { p.Annotations[api.ModeAnnotation] = api.ModeEmulate }), restart, ""), Emulated},
		"native":       {injected(t, pod(inPlace, nil), restart, ""), Native},
		"policy":       {injected(t, pod(`{"containers":{"app":{"restartPolicy":"Always"},"shipper":{"restartPolicy":"Always"}}}`, func(p *corev1.Pod) { p.Spec.InitContainers = nil }), compile.Features{}, ""), ByPolicy},
		"own-policy":   {pod(always, func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyAlways }), ByPolicy},
		"native-field": {pod("", func(p *corev1.Pod) { p.Spec.Containers[0].RestartPolicy = new(corev1.ContainerRestartPolicyAlways) }), Native},
		"not-applied":  {pod(inPlace, nil), NotApplied},
		"no-rules":     {pod("", nil), NoRules},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Of(counted(tc.pod))
			require.NoError(t, err)
			require.Equal(t, tc.mode, p.Mode)
			var out bytes.Buffer
			require.NoError(t, p.Write(&out))
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), out.String())
		})
	}
}

// A plan that this release would not make is no error: who acts is known from the plan alone.
func TestPlanOfAnotherRelease(t *testing.T) {
	made := injected(t, pod(inPlace, nil), compile.Features{}, "")
	made.Annotations[api.PlanAnnotation] = `{"version":1,"restartPolicy":{"own":"Never","compiled":"Never"},"containers":[` +
		`{"name":"shipper","kind":"container","wrapped":true,"why":"new","onExit":"0-255:end"}]}`
	p, err := Of(made)
	require.NoError(t, err)
	require.Equal(t, Emulated, p.Mode)
	require.Nil(t, p.Pod)
}

func TestPlanThatIsNone(t *testing.T) {
	_, err := Of(pod(inPlace, func(p *corev1.Pod) { p.Annotations[api.PlanAnnotation] = "{" }))
	require.ErrorContains(t, err, "Pod/research/trainer: plan: not the JSON object")
}

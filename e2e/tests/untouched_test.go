//go:build e2e

package tests

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"restartrules.dev/pkg/api"
)

// untouched are Pods that are none of our business, in a namespace of that label.
var untouched = map[string]struct {
	namespace map[string]string
	pod       func() *corev1.Pod
}{
	"rules, namespace has not opted in": {nil, podWithRules},
	"no rules":                          {optedIn, podWithoutRules},
	"rules, Pod has opted out": {optedIn, func() *corev1.Pod {
		pod := podWithRules()
		pod.Labels = map[string]string{api.InjectLabel: api.InjectDisabled}
		return pod
	}},
}

func podWithoutRules() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "app", Annotations: map[string]string{"example.com/note": "none of ours"}},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: ptr.To[int64](5),
			Containers: []corev1.Container{{
				Name: "app", Image: appImage, ImagePullPolicy: corev1.PullIfNotPresent, Command: []string{"/app"},
			}},
		},
	}
}

func podWithRules() *corev1.Pod {
	pod := podWithoutRules()
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	pod.Annotations[api.RulesAnnotation] = restartAtOnce(42)
	return pod
}

// TestPodsThatDontAskAreUntouched compares Pods with their twins, made while our webhook configurations
// are not there.
func TestPodsThatDontAskAreUntouched(t *testing.T) {
	type twin struct{ namespace, with, without string }
	twins := map[string]*twin{}
	for name, test := range untouched {
		pod := &twin{namespace: newNamespace(t, test.namespace)}
		createIn(t, pod.namespace, test.pod())
		twins[name] = pod
	}
	for _, pod := range twins {
		pod.with = common(t, waitPod(t, pod.namespace, "app", "ready", isReady))
		deleteAndWait(t, pod.namespace, "app")
	}
	withoutWebhooks(t, func() {
		for name, pod := range twins {
			createIn(t, pod.namespace, untouched[name].pod())
		}
	})
	for _, pod := range twins {
		pod.without = common(t, waitPod(t, pod.namespace, "app", "ready", isReady))
	}
	for _, name := range slices.Sorted(maps.Keys(twins)) {
		t.Run(name, func(t *testing.T) { require.Equal(t, twins[name].without, twins[name].with) })
	}
}

func createIn(t *testing.T, namespace string, pod *corev1.Pod) {
	t.Helper()
	_, err := client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	require.NoError(t, err)
}

func deleteAndWait(t *testing.T, namespace, name string) {
	t.Helper()
	require.NoError(t, client.CoreV1().Pods(namespace).Delete(t.Context(), name, metav1.DeleteOptions{}))
	eventually(t, "gone", func() bool {
		_, err := client.CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

// differing is what no two Pods have in common.
var differing = regexp.MustCompile(
	`"(uid|resourceVersion|nodeName|hostIP|podIP|ip|containerID|creationTimestamp|lastTransitionTime|startTime|startedAt|time)": "[^"]*"` +
		`|kube-api-access-[a-z0-9]{5}|\{\\"ip\\":\\"[^"]*\\"\}`)

// common is a Pod as text, without that.
func common(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	// Their order depends on their times.
	slices.SortFunc(pod.ManagedFields, func(a, b metav1.ManagedFieldsEntry) int {
		return cmp.Or(strings.Compare(a.Manager, b.Manager), strings.Compare(a.Subresource, b.Subresource))
	})
	b, err := json.MarshalIndent(pod, "", " ")
	require.NoError(t, err)
	return differing.ReplaceAllStringFunc(string(b), func(match string) string {
		key, _, _ := strings.Cut(match, ": ")
		if strings.HasPrefix(match, "kube-api-access-") {
			key = "kube-api-access-"
		} else if strings.HasPrefix(match, "{") {
			key = "{ip}" // in managedFields
		}
		return key + "…"
	})
}

// withoutWebhooks takes our webhook configurations away while f runs.
func withoutWebhooks(t *testing.T, f func()) {
	t.Helper()
	ctx := t.Context()
	registrations := client.AdmissionregistrationV1()
	mutating, err := registrations.MutatingWebhookConfigurations().Get(ctx, "restartrules", metav1.GetOptions{})
	require.NoError(t, err)
	validating, err := registrations.ValidatingWebhookConfigurations().Get(ctx, "restartrules", metav1.GetOptions{})
	require.NoError(t, err)
	defer func() {
		ctx := contextForCleanup(t)
		mutating.ObjectMeta, validating.ObjectMeta = asNew(mutating.ObjectMeta), asNew(validating.ObjectMeta)
		_, errMutating := registrations.MutatingWebhookConfigurations().Create(ctx, mutating, metav1.CreateOptions{})
		_, errValidating := registrations.ValidatingWebhookConfigurations().Create(ctx, validating, metav1.CreateOptions{})
		if errMutating != nil || errValidating != nil {
			require.NoError(t, installAll(ctx), "restore the webhook configurations: %v, %v", errMutating, errValidating)
		}
		eventually(t, "Pods are injected again", func() bool {
			pod, err := dryRun(t, enabled, podWithRules())
			return err == nil && isInjected(pod)
		})
	}()
	require.NoError(t, registrations.MutatingWebhookConfigurations().Delete(ctx, mutating.Name, metav1.DeleteOptions{}))
	require.NoError(t, registrations.ValidatingWebhookConfigurations().Delete(ctx, validating.Name, metav1.DeleteOptions{}))
	invalid := podWithRules()
	invalid.Annotations[api.RulesAnnotation] = "version: v0"
	eventually(t, "the API server knows that they are gone", func() bool {
		_, err := dryRun(t, enabled, invalid)
		return err == nil
	})
	f()
}

func asNew(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: m.Name, Labels: m.Labels, Annotations: m.Annotations}
}

// dryRun is what the API server would store.
func dryRun(t *testing.T, namespace string, pod *corev1.Pod) (*corev1.Pod, error) {
	pod = pod.DeepCopy()
	pod.Name, pod.GenerateName = "", "dry-run-"
	return client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
}

// calls is how often the API server has called our webhooks, with whatever result. Calls that the
// match conditions exclude are none.
func calls(t *testing.T) (sum float64) {
	t.Helper()
	for line := range strings.Lines(apiServerMetrics(t)) {
		counts := strings.HasPrefix(line, "apiserver_admission_webhook_request_total{") ||
			strings.HasPrefix(line, "apiserver_admission_webhook_admission_duration_seconds_count{")
		if counts && strings.Contains(line, `.restartrules.dev"`) {
			var value float64
			_, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &value)
			require.NoError(t, err, line)
			sum += value
		}
	}
	return sum
}

func TestTheAPIServerDoesNotCallForPodsThatDontAsk(t *testing.T) {
	if cluster.Local == nil {
		t.Skip("counts the calls of one API server: an existing cluster may have several")
	}
	before := calls(t)
	_, err := dryRun(t, enabled, podWithRules())
	require.NoError(t, err)
	require.Greater(t, calls(t), before, "the count moves for Pods that ask")

	for name, test := range untouched {
		t.Run(name, func(t *testing.T) {
			namespace := newNamespace(t, test.namespace)
			// Somebody else may make Pods with rules meanwhile. Calls for this one would come in every round.
			const rounds = 5
			for round := 1; ; round++ {
				before := calls(t)
				live(t, namespace, test.pod())
				moved := calls(t) - before
				if moved == 0 {
					return
				}
				require.Less(t, round, rounds, "the count moved by %v, again", moved)
			}
		})
	}
}

// live is a Pod's life: created, run, changed in every way that is allowed, deleted.
func live(t *testing.T, namespace string, pod *corev1.Pod) {
	t.Helper()
	pods := client.CoreV1().Pods(namespace)
	createIn(t, namespace, pod)
	waitPod(t, namespace, pod.Name, "ready", isReady)
	for _, change := range []struct{ subresource, patch string }{
		{"", `{"metadata": {"labels": {"example.com/changed": "true"}, "annotations": {"example.com/changed": "true"}}}`},
		{"", `{"spec": {"activeDeadlineSeconds": 3600}}`},
		{"status", `{"status": {"conditions": [{"type": "example.com/Checked", "status": "True"}]}}`},
	} {
		var subresources []string
		if change.subresource != "" {
			subresources = []string{change.subresource}
		}
		_, err := pods.Patch(t.Context(), pod.Name, types.StrategicMergePatchType, []byte(change.patch), metav1.PatchOptions{}, subresources...)
		require.NoError(t, err, change.patch)
	}
	deleteAndWait(t, namespace, pod.Name)
}

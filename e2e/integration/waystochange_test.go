//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// way is a way in which users change objects.
type way struct {
	name string
	// apply makes the live object, which old (nil for none) has made, what is wanted, and returns
	// what the user sees.
	apply func(t *testing.T, k workloadKind, old, wanted object) string
	// knows says whether the webhook can tell that native rules were removed.
	knows bool
}

// helm patches as Helm does: by the old and the new manifest and the live object, without an
// annotation; what has no Go type by the two manifests alone (helm.sh/helm, pkg/kube/client.go, createPatch).
func helm(t *testing.T, k workloadKind, old, wanted object) string {
	t.Helper()
	if old == nil {
		return mustKubectl(t, asJSON(t, wanted), "create", "--field-manager=helm", "-f", "-")
	}
	live := k.live(t, wanted["metadata"].(object)["namespace"].(string))
	patchType, patch := "merge", []byte(nil)
	var err error
	if k.kind == "Deployment" {
		meta, metaErr := strategicpatch.NewPatchMetaFromStruct(appsv1.Deployment{})
		require.NoError(t, metaErr)
		patchType = "strategic"
		patch, err = strategicpatch.CreateThreeWayMergePatch(asJSON(t, old), asJSON(t, wanted), asJSON(t, live), meta, true)
	} else {
		patch, err = jsonpatch.CreateMergePatch(asJSON(t, old), asJSON(t, wanted))
	}
	require.NoError(t, err)
	if string(patch) == "{}" {
		return "" // Helm sends nothing then
	}
	return mustKubectl(t, nil, "patch", k.resource(t), "web", "-n", live.GetNamespace(), "--type="+patchType, "--field-manager=helm", "-p", string(patch))
}

func replace(t *testing.T, _ workloadKind, old, wanted object) string {
	t.Helper()
	if old == nil {
		return mustKubectl(t, asJSON(t, wanted), "create", "-f", "-")
	}
	return mustKubectl(t, asJSON(t, wanted), "replace", "-f", "-")
}

var ways = []way{
	{"kubectl apply", applying(), true},
	{"kubectl apply --server-side --force-conflicts", applying("--server-side", "--force-conflicts"), true},
	{"Argo CD", applying("--field-manager=argocd-controller"), true},
	{"Argo CD, server-side", applying("--server-side", "--force-conflicts", "--field-manager=argocd-controller"), true},
	{"Helm", helm, false},
	{"kubectl replace", replace, true},
}

const stillApply = "restart rules of an earlier request still apply"

// TestWaysToChange goes with a Deployment through its life, for each way and both carriers.
func TestWaysToChange(t *testing.T) {
	deployment := workloadKinds[0]
	for _, carrier := range []struct {
		name  string
		rules func(codes string) change
	}{
		{"native", func(codes string) change {
			var code int32
			_, err := fmt.Sscan(codes, &code)
			require.NoError(t, err)
			return withRules(code)
		}},
		{"annotation", rulesAnnotation},
	} {
		for _, w := range ways {
			t.Run(carrier.name+", "+w.name, func(t *testing.T) {
				namespace := optedIn(t)
				manifest := func(changes ...change) object { return deployment.manifest(t, newPod(namespace, changes...)) }
				newImage := func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "example.com/app:2" }
				now := func() string {
					return effective(t, namespace, deployment.podTemplates(t, deployment.live(t, namespace))[0])
				}

				created := manifest(carrier.rules("42"))
				w.apply(t, deployment, nil, created)
				require.Equal(t, onExit(42), now())

				asController(t, deployment, namespace)
				first := deployment.live(t, namespace)
				for range 10 {
					out := w.apply(t, deployment, created, created)
					require.NotContains(t, out, "Warning")
					if carrier.name == "annotation" && w.name == "kubectl apply" {
						require.Equal(t, "deployment.apps/web unchanged", out)
					}
				}
				again := deployment.live(t, namespace)
				require.Equal(t, first.GetGeneration(), again.GetGeneration())
				require.Equal(t, first.Object["spec"], again.Object["spec"])
				if w.name != "kubectl replace" { // it writes whatever it is given: without the controller's annotation
					require.Equal(t, first, again)
				}
				if strings.HasPrefix(w.name, "kubectl apply") {
					args := append([]string{"diff", "-f", "-"}, strings.Fields(strings.TrimPrefix(w.name, "kubectl apply"))...)
					require.Empty(t, mustKubectl(t, asJSON(t, created), args...))
				}

				edited := manifest(carrier.rules("43"))
				if strings.HasPrefix(w.name, "kubectl apply") {
					args := append([]string{"apply", "-f", "-", "--dry-run=server", "-o", "json"}, strings.Fields(strings.TrimPrefix(w.name, "kubectl apply"))...)
					var dry object
					require.NoError(t, json.Unmarshal([]byte(skipWarnings(mustKubectl(t, asJSON(t, edited), args...))), &dry))
					require.Equal(t, onExit(43), effective(t, namespace, deployment.podTemplates(t, dry)[0]))
					require.Equal(t, onExit(42), now())
				}
				w.apply(t, deployment, created, edited)
				require.Equal(t, onExit(43), now())

				unrelated := manifest(carrier.rules("43"), newImage)
				out := w.apply(t, deployment, edited, unrelated)
				require.NotContains(t, out, stillApply)
				require.Equal(t, onExit(43), now())

				for _, args := range [][]string{
					{"scale", "deployment/web", "--replicas=3"},
					{"set", "image", "deployment/web", "app=example.com/app:3"},
					{"label", "deployment/web", "changed=true"},
					{"annotate", "deployment/web", "changed=true"},
					{"rollout", "restart", "deployment/web"},
				} {
					out := mustKubectl(t, nil, append(args, "-n", namespace)...)
					require.NotContains(t, out, stillApply, args)
					require.Equal(t, onExit(43), now(), args)
				}

				removed := manifest(newImage)
				out = w.apply(t, deployment, unrelated, removed)
				switch {
				case carrier.name == "annotation" || w.knows:
					require.NotContains(t, out, stillApply)
					t.Log("removed rules: stop")
				default:
					require.Contains(t, out, stillApply)
					require.Equal(t, onExit(43), now())
					asWarned(t, namespace, out)
					t.Log("removed rules: warning\n" + out)
				}
				require.Empty(t, now())
				out = w.apply(t, deployment, removed, removed)
				require.NotContains(t, out, "Warning")
			})
		}
	}
}

// asWarned runs the commands that the warnings name.
func asWarned(t *testing.T, namespace, out string) {
	t.Helper()
	commands := 0
	for line := range strings.Lines(out) {
		if _, command, found := strings.Cut(strings.TrimSpace(line), "to remove them: kubectl "); found {
			args, patch, _ := strings.Cut(strings.TrimSuffix(command, "'"), "-p='")
			mustKubectl(t, nil, append(strings.Fields(args), "-p", patch, "-n", namespace)...)
			commands++
		}
	}
	require.Positive(t, commands, out)
}

// TestHelmOfCustomResources: lists are replaced as a whole there, and with them what we lifted.
func TestHelmOfCustomResources(t *testing.T) {
	for _, k := range workloadKinds[8:] {
		t.Run(k.kind, func(t *testing.T) {
			namespace := optedIn(t)
			now := func() (list []string) {
				for _, template := range k.podTemplates(t, k.live(t, namespace)) {
					list = append(list, withoutLimit(effective(t, namespace, template)))
				}
				return list
			}
			created := k.manifest(t, newPod(namespace, withRules(42)))
			helm(t, k, nil, created)
			first := k.live(t, namespace)
			require.NotContains(t, helm(t, k, created, created), stillApply)
			require.Equal(t, first, k.live(t, namespace))

			edited := k.manifest(t, newPod(namespace, withRules(43)))
			require.NotContains(t, helm(t, k, created, edited), stillApply)
			require.Equal(t, []string{onExit(43), onExit(43)}, now())

			removed := k.manifest(t, newPod(namespace))
			out := helm(t, k, edited, removed)
			t.Log(out)
			if strings.Contains(out, stillApply) {
				asWarned(t, namespace, out)
			}
			require.Equal(t, []string{"", ""}, now())
		})
	}
}

// skipWarnings is what kubectl prints after its warnings.
func skipWarnings(out string) string {
	for strings.HasPrefix(out, "Warning:") {
		_, out, _ = strings.Cut(out, "\n")
	}
	return out
}

//go:build e2e

package tests

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/api"
)

// podYAML is a Pod as a user writes it, with these fields of its container and, if there is one, this
// rules annotation.
func podYAML(name, container string, annotation ...string) string {
	text := "apiVersion: v1\nkind: Pod\nmetadata:\n  name: " + name + "\n"
	if len(annotation) > 0 {
		text += "  annotations:\n    " + api.RulesAnnotation + ": |\n" + indent(6, annotation[0])
	}
	return text + `spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 5
  containers:
  - name: app
    image: ` + appImage + "\n" + indent(4, container)
}

func indent(n int, text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		b.WriteString(strings.Repeat(" ", n) + strings.TrimSuffix(line, "\n") + "\n")
	}
	return b.String()
}

const (
	command     = "command: [/app]"
	nativeRules = command + `
restartPolicy: Never
restartPolicyRules:
- action: Restart
  exitCodes: {operator: In, values: [42]}`
	annotatedRules = `
containers:
  app:
    restartPolicy: Never
    restartPolicyRules:
    - action: Restart
      exitCodes: {operator: In, values: [42]}`
)

const nativeFields = "native fields"

// manifests are the two ways to write the same Pod.
var manifests = map[string]string{
	nativeFields: podYAML("app", nativeRules),
	"annotation": podYAML("app", command, annotatedRules),
}

func TestApplyTwice(t *testing.T) {
	for name, manifest := range manifests {
		for how, args := range map[string][]string{"client side": nil, "server side": {"--server-side"}} {
			t.Run(name+", "+how, func(t *testing.T) {
				if name == nativeFields {
					needsFields(t)
				}
				t.Parallel()
				namespace := newNamespace(t, optedIn)
				apply := func(manifest string) (string, string, error) {
					return kubectl(t, manifest, append([]string{"apply", "-n", namespace, "-f", "-"}, args...)...)
				}
				_, stderr, err := apply(manifest)
				require.NoError(t, err, stderr)
				first := waitPod(t, namespace, "app", "ready", isReady)
				require.True(t, isInjected(first))
				// Who owns which field since when is counted in seconds, and sorted by that.
				last := slices.MaxFunc(first.ManagedFields, func(a, b metav1.ManagedFieldsEntry) int { return a.Time.Compare(b.Time.Time) })
				eventually(t, "another second", func() bool { return time.Since(last.Time.Time) > time.Second })

				stdout, stderr, err := apply(manifest)
				require.NoError(t, err, stderr)
				t.Logf("the second time kubectl says: %s%s", stdout, stderr)
				second := getPod(t, namespace, "app")
				require.Equal(t, first.Generation, second.Generation)
				require.Equal(t, status(first, "app").ContainerID, status(second, "app").ContainerID)

				stdout, stderr, err = kubectl(t, manifest, append([]string{"diff", "-n", namespace, "-f", "-"}, args...)...)
				require.NoError(t, err, "nothing differs, but: %s%s", stdout, stderr)
				require.Empty(t, stdout)

				_, stderr, err = apply(strings.ReplaceAll(manifest, "[42]", "[42, 43]"))
				require.Error(t, err)
				t.Logf("changed rules: %s", stderr)
				require.Contains(t, stderr, "pod updates may not change restart rules")
				require.Contains(t, stderr, "delete the Pod and create it again")
				require.Equal(t, second, getPod(t, namespace, "app"))
				require.Equal(t, first.ResourceVersion, second.ResourceVersion, "the second time stored nothing")
			})
		}
	}
}

func TestDryRunAndDiffStoreNothing(t *testing.T) {
	namespace := newNamespace(t, optedIn)
	for name, manifest := range manifests {
		for how, args := range map[string][]string{"client side": nil, "server side": {"--server-side"}} {
			t.Run(name+", "+how, func(t *testing.T) {
				if name == nativeFields {
					needsFields(t)
				}
				stdout, stderr, err := kubectl(t, manifest, append([]string{"apply", "-n", namespace, "--dry-run=server", "-o", "yaml", "-f", "-"}, args...)...)
				require.NoError(t, err, stderr)
				require.Contains(t, stdout, "name: "+api.WatcherContainer)
				require.Contains(t, stdout, "--on-exit=0-41:end,42:restart/0,43-255:end")

				stdout, stderr, err = kubectl(t, manifest, append([]string{"diff", "-n", namespace, "-f", "-"}, args...)...)
				var exit *exec.ExitError
				require.ErrorAs(t, err, &exit)
				require.Equal(t, 1, exit.ExitCode(), "there are differences: %s", stderr)
				require.Contains(t, stdout, api.WatcherContainer)

				_, err = client.CoreV1().Pods(namespace).Get(t.Context(), "app", metav1.GetOptions{})
				require.True(t, apierrors.IsNotFound(err), "%v", err)
			})
		}
	}
}

func TestWhatKubectlSaysOfInvalidRules(t *testing.T) {
	namespace := newNamespace(t, optedIn)
	const (
		rule = "\n- {action: Restart, exitCodes: {operator: In, values: [42]}}"
		at   = "metadata.annotations[restartrules.dev/rules]"
	)
	for name, test := range map[string]struct {
		container, annotation string
		says                  []string
	}{
		"rules without policy": {command + "\nrestartPolicyRules:" + rule, "", []string{
			`spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used`}},
		"unknown policy": {command + "\nrestartPolicy: Sometimes", "", []string{
			`spec.containers[0].restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"`}},
		"unknown operator": {command + "\nrestartPolicy: Never\nrestartPolicyRules:" + strings.Replace(rule, "In", "Near", 1), "", []string{
			`spec.containers[0].restartPolicyRules[0].exitCodes.operator: Unsupported value: "Near": supported values: "In", "NotIn"`}},
		"unknown action": {command + "\nrestartPolicy: Never\nrestartPolicyRules:" + strings.Replace(rule, "Restart", "Explode", 1), "", []string{
			`spec.containers[0].restartPolicyRules[0].action: Unsupported value: "Explode": supported values: "Restart", "RestartAllContainers"`}},
		"no exit codes": {command + "\nrestartPolicy: Never\nrestartPolicyRules:\n- action: Restart", "", []string{
			`spec.containers[0].restartPolicyRules[0].exitCodes: Required value: must be specified`}},
		"too many rules": {command + "\nrestartPolicy: Never\nrestartPolicyRules:" + strings.Repeat(rule, 21), "", []string{
			`spec.containers[0].restartPolicyRules: Too many: 21: must have at most 20 items`}},
		"too many values": {command + "\nrestartPolicy: Never\nrestartPolicyRules:" + strings.Replace(rule, "42", strings.Repeat("1, ", 255)+"1", 1), "", []string{
			`spec.containers[0].restartPolicyRules[0].exitCodes.values: Too many: 256: must have at most 255 items`}},
		"no command": {"args: [train.py]\nrestartPolicy: Never\nrestartPolicyRules:" + rule, "", []string{
			`spec.containers[0].command: Required value: container "app" (image ` + appImage + `)`,
			`and the command in its image isn't known: registry localhost can't be asked: `,
			`; write the image's entry point here, for example command: ["python", "train.py"], or in the annotation entrypoint.restartrules.dev/app: '["python", "train.py"]'`}},
		"annotation: no YAML":              {command, "containers:\n  app: {restartPolicy: [", []string{at + ": Invalid value: line ", "neither YAML nor JSON"}},
		"annotation: misspelt":             {command, "containers:\n  app:\n    restartPolice: Never", []string{at + `.containers[app]: Invalid value: line 3: unknown key "restartPolice", did you mean "restartPolicy"?`}},
		"annotation: no container":         {command, "containers:\n  ap:\n    restartPolicy: Never", []string{at + `.containers[ap]: Not found: "ap": the Pod has no container of this name; it has: "app" (line 2)`}},
		"annotation: text as an exit code": {command, strings.Replace(annotatedRules, "42", "OOM", 1), []string{at + `.containers[app].restartPolicyRules[0].exitCodes.values[0]: Invalid value: line 6: expected an exit code, a number, got "OOM"`}},
		"annotation: rules without policy": {command, strings.Replace(annotatedRules, "    restartPolicy: Never\n", "", 1), []string{
			at + `.containers[app].restartPolicy: Required value: must specify restartPolicy when restart rules are used (line 2)`}},
		"annotation: a delay without a unit": {command, "containers:\n  app:\n    restartPolicy: Always\n    backoff: {initialDelay: 10}", []string{
			at + `.containers[app].backoff.initialDelay: Invalid value: line 4: expected a duration like "500ms", "10s" or "5m", got "10"`}},
	} {
		for _, verb := range []string{"create", "apply"} {
			t.Run(name+", "+verb, func(t *testing.T) {
				var annotation []string
				if test.annotation == "" {
					needsFields(t)
				} else {
					annotation = []string{strings.TrimSpace(test.annotation)}
				}
				_, stderr, err := kubectl(t, podYAML("app", test.container, annotation...), verb, "-n", namespace, "-f", "-")
				require.Error(t, err)
				t.Log(stderr)
				for i, says := range test.says {
					if i == 0 {
						says = `The Pod "app" is invalid: ` + says
					}
					require.Contains(t, stderr, says)
				}
				if len(test.says) == 1 && !strings.Contains(name, "no YAML") {
					require.Equal(t, `The Pod "app" is invalid: `+test.says[0]+"\n", stderr)
				}
			})
		}
	}
}

func TestALoweredPolicyIsAWarning(t *testing.T) {
	needsFields(t)
	namespace := newNamespace(t, optedIn)
	manifest := strings.Replace(podYAML("app", nativeRules), "\n  restartPolicy: Never", "\n  restartPolicy: Always", 1)
	_, stderr, err := kubectl(t, manifest, "apply", "-n", namespace, "-f", "-")
	require.NoError(t, err, stderr)
	t.Log(stderr)
	require.Contains(t, stderr, "Warning: the Pod's restartPolicy becomes Never instead of Always: ")
	require.Contains(t, stderr, "Warning: with the Pod's restartPolicy Never the kubelet does not start it again")
	require.Equal(t, corev1.RestartPolicyNever, getPod(t, namespace, "app").Spec.RestartPolicy)
}

func TestLabelAnnotateAndExecWork(t *testing.T) {
	namespace := newNamespace(t, optedIn)
	_, stderr, err := kubectl(t, manifests["annotation"], "apply", "-n", namespace, "-f", "-")
	require.NoError(t, err, stderr)
	before := waitPod(t, namespace, "app", "ready", isReady)
	for _, args := range [][]string{
		{"label", "pod/app", "example.com/label=one"},
		{"annotate", "pod/app", "example.com/annotation=one"},
		{"label", "--overwrite", "pod/app", "example.com/label=two"},
		{"annotate", "pod/app", "example.com/annotation-"},
		{"exec", "app", "--", "true"},
	} {
		_, stderr, err := kubectl(t, "", append([]string{"-n", namespace}, args...)...)
		require.NoError(t, err, "%v: %s", args, stderr)
	}
	after := getPod(t, namespace, "app")
	require.Equal(t, "two", after.Labels["example.com/label"])
	require.Equal(t, before.Spec, after.Spec)
	require.Equal(t, before.Annotations, after.Annotations)
	require.Equal(t, status(before, "app").ContainerID, status(after, "app").ContainerID)
}

// asks reads a line in each attempt, in the second one more, and ends well.
const asks = `command:
- sh
- -c
- |
  tty
  read -r line
  echo "got $line"
  [ "$line" = two ] || exit 42
  read -r line
restartPolicy: Never
restartPolicyRules:
- action: Restart
  exitCodes: {operator: In, values: [42]}
stdin: true`

// Who is attached stays so: a restart in place is in the same container.
func TestAttach(t *testing.T) {
	needsFields(t)
	for name, test := range map[string]struct {
		container string
		attach    func(namespace string) *exec.Cmd
	}{
		"stdin": {asks, func(namespace string) *exec.Cmd {
			return exec.Command(cluster.Kubectl, "attach", "-n", namespace, "-i", "app")
		}},
		"terminal": {asks + "\ntty: true", func(namespace string) *exec.Cmd {
			// A terminal for kubectl.
			return exec.Command("script", "--quiet", "--return", "--command", cluster.Kubectl+" attach -n "+namespace+" -it app", "/dev/null")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			namespace := newNamespace(t, optedIn)
			_, stderr, err := kubectl(t, podYAML("app", test.container), "apply", "-n", namespace, "-f", "-")
			require.NoError(t, err, stderr)
			waitPod(t, namespace, "app", "ready", isReady)
			stdout, _, err := kubectl(t, "", "exec", "-n", namespace, "app", "--", "echo", "beside it")
			require.NoError(t, err)
			require.Equal(t, "beside it\n", stdout)

			said := converse(t, test.attach(namespace), "one", "two")
			t.Logf("%q", said)
			pod := waitPod(t, namespace, "app", "succeeded", func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodSucceeded })
			require.Zero(t, status(pod, "app").RestartCount)
			logs := strings.ReplaceAll(logsOf(t, namespace, "app", "app"), "\r", "")
			require.Contains(t, logs, "got one\n")
			require.Contains(t, logs, "got two\n")
			tty := "not a tty\n"
			if name == "terminal" {
				tty = "/dev/pts/0\n"
			}
			require.Equal(t, 2, strings.Count(logs, tty), logs)
		})
	}
}

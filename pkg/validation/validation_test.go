package validation

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"restartrules.dev/pkg/manifest"
)

func pod(t *testing.T, text string) *manifest.Pod {
	t.Helper()
	object, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(t, err)
	p, err := manifest.DecodePod(object)
	require.NoError(t, err)
	return p
}

func texts(errs field.ErrorList) (list []string) {
	for _, err := range errs {
		list = append(list, err.Error())
	}
	return list
}

// native is a Pod with one container that has these fields.
func native(list, fields string) string {
	return "metadata: {}\nspec:\n  " + list + ":\n  - name: a\n    " + strings.ReplaceAll(fields, "\n", "\n    ")
}

// annotated is a Pod with containers a and b, init container i and sidecar s, and the annotation.
func annotated(document string) string {
	return "metadata:\n  annotations:\n    restartrules.dev/rules: |\n      " + strings.ReplaceAll(document, "\n", "\n      ") +
		"\nspec:\n  containers:\n  - name: a\n  - name: b\n    restartPolicy: Never\n    restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]\n" +
		"  initContainers:\n  - name: i\n  - name: s\n    restartPolicy: Always\n"
}

func repeat(text string, n int) string { return strings.TrimSuffix(strings.Repeat(text+", ", n), ", ") }

const aRule = "{action: Restart, exitCodes: {operator: In, values: [1]}}"

func TestNativeErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		list, fields string
		errs         []string
	}{
		"nothing":      {"containers", "image: x", nil},
		"fine":         {"containers", "restartPolicy: Never\nrestartPolicyRules: [" + aRule + "]", nil},
		"odd values":   {"containers", "restartPolicy: Always\nrestartPolicyRules: [{action: Restart, exitCodes: {operator: NotIn, values: [-1, 256, 256]}}, {action: Restart, exitCodes: {operator: In}}]", nil},
		"policy":       {"containers", "restartPolicy: Sometimes", []string{`spec.containers[0].restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"`}},
		"empty policy": {"containers", `restartPolicy: ""`, []string{`spec.containers[0].restartPolicy: Unsupported value: "": supported values: "Always", "Never", "OnFailure"`}},
		"no policy": {"containers", "restartPolicyRules: [{action: Restart}]", []string{
			"spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used",
			"spec.containers[0].restartPolicyRules[0].exitCodes: Required value: must be specified"}},
		"many rules": {"containers", "restartPolicy: Never\nrestartPolicyRules: [" + repeat(aRule, 21) + "]", []string{
			"spec.containers[0].restartPolicyRules: Too many: 21: must have at most 20 items"}},
		"rule": {"containers", "restartPolicy: Never\nrestartPolicyRules: [" + aRule + ", {action: Explode, exitCodes: {operator: Near, values: [" + repeat("1", 256) + "]}}]", []string{
			`spec.containers[0].restartPolicyRules[1].action: Unsupported value: "Explode": supported values: "Restart"`,
			`spec.containers[0].restartPolicyRules[1].exitCodes.operator: Unsupported value: "Near": supported values: "In", "NotIn"`,
			`spec.containers[0].restartPolicyRules[1].exitCodes.values: Too many: 256: must have at most 255 items`}},
		"all containers": {"containers", "restartPolicy: Never\nrestartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In}}]", []string{
			`spec.containers[0].restartPolicyRules[0].action: Unsupported value: "RestartAllContainers": supported values: "Restart"`}},
		"init":           {"initContainers", "restartPolicy: Never\nrestartPolicyRules: [" + aRule + "]", nil},
		"init policy":    {"initContainers", `restartPolicy: "No"`, []string{`spec.initContainers[0].restartPolicy: Unsupported value: "No": supported values: "Always", "Never", "OnFailure"`}},
		"init no policy": {"initContainers", "restartPolicyRules: [{}]", []string{"spec.initContainers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used"}},
		"sidecar":        {"initContainers", "restartPolicy: Always", nil},
		"sidecar with rules": {"initContainers", "restartPolicy: Always\nrestartPolicyRules: [{}]", []string{
			"spec.initContainers[0].restartPolicyRules: Forbidden: restartPolicyRules are not allowed for init containers with restart policy Always"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, errs := Pod(pod(t, native(tc.list, tc.fields)), nil, Options{})
			require.Equal(t, tc.errs, texts(errs))
		})
	}
}

func TestOrderIsContainersThenInitContainers(t *testing.T) {
	p := pod(t, "metadata: {}\nspec: {initContainers: [{name: i, restartPolicy: X}], containers: [{name: a, restartPolicy: X}, {name: b, restartPolicy: X}]}")
	_, _, errs := Pod(p, nil, Options{})
	var fields []string
	for _, err := range errs {
		fields = append(fields, err.Field)
	}
	require.Equal(t, []string{"spec.containers[0].restartPolicy", "spec.containers[1].restartPolicy", "spec.initContainers[0].restartPolicy"}, fields)
}

func TestTemplatePath(t *testing.T) {
	_, _, errs := Pod(pod(t, native("containers", "restartPolicy: X")), field.NewPath("spec", "template"), Options{})
	require.Equal(t, "spec.template.spec.containers[0].restartPolicy", errs[0].Field)
	_, _, errs = Pod(pod(t, annotated("{")), field.NewPath("spec", "template"), Options{})
	require.Equal(t, "spec.template.metadata.annotations[restartrules.dev/rules]", errs[0].Field)
}

func TestAnnotation(t *testing.T) {
	const at = "metadata.annotations[restartrules.dev/rules]"
	for name, tc := range map[string]struct {
		document       string
		errs, warnings []string
	}{
		"fine": {"containers: {a: {restartPolicy: Never, restartPolicyRules: [" + aRule + "]}}\ninitContainers: {i: {restartPolicy: Never}}", nil, nil},
		"syntax": {"containers:\n  a: {restartPolice: Never}", []string{
			at + `.containers[a]: Invalid value: line 2: unknown key "restartPolice", did you mean "restartPolicy"?`}, nil},
		"missing": {"containers:\n  a:\n    restartPolicy: Never\n    restartPolicyRules:\n    - action: Restart", []string{
			at + `.containers[a].restartPolicyRules[0].exitCodes: Required value: must be specified (line 5)`}, nil},
		"unknown containers": {"containers: {i: {}}\ninitContainers: {x: {}}", []string{
			at + `.containers[i]: Not found: "i": the Pod has no container of this name; it has: "a", "b" (line 1)`,
			at + `.initContainers[x]: Not found: "x": the Pod has no init container of this name; it has: "i", "s" (line 2)`}, nil},
		"sidecar": {"initContainers: {i: {restartPolicy: Always}}", []string{
			at + `.initContainers[i].restartPolicy: Forbidden: Always makes init container "i" a sidecar, which is Kubernetes' own: set restartPolicy: Always in the init container itself (line 1)`}, nil},
		"rules of a sidecar": {"initContainers: {s: {restartPolicy: Always, restartPolicyRules: [{}]}}", []string{
			at + `.initContainers[s].restartPolicyRules: Forbidden: restartPolicyRules are not allowed for init containers with restart policy Always (line 1)`}, nil},
		"both agree": {"containers: {b: {restartPolicy: Never, restartPolicyRules: [" + aRule + "]}}", nil,
			[]string{`container "b": its restart rules are both in the container and in the annotation restartrules.dev/rules; they agree, one of them is enough`}},
		"both differ": {"containers:\n  b: {restartPolicy: Always}", []string{
			at + `.containers[b]: Forbidden: container "b" has other restart rules in its own restartPolicy and restartPolicyRules: make them the same, or leave one of them out (line 2)`}, nil},
		"only a backoff besides": {"containers: {b: {backoff: none}}", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, warnings, errs := Pod(pod(t, annotated(tc.document)), nil, Options{})
			require.Equal(t, tc.errs, texts(errs))
			require.Equal(t, tc.warnings, warnings)
		})
	}
}

func TestOptions(t *testing.T) {
	const at = "metadata.annotations[restartrules.dev/"
	for name, tc := range map[string]struct{ value, err string }{
		"seam":                    {"xml", `seam]: Unsupported value: "xml": supported values: "text", "json", "off"`},
		"share-process-namespace": {"yes", `share-process-namespace]: Unsupported value: "yes": supported values: "true", "false"`},
		"prefer":                  {"", `prefer]: Unsupported value: "": supported values: "survive"`},
		"mode":                    {"emulated", `mode]: Unsupported value: "emulated": supported values: "emulate"`},
		"paused":                  {"yes", `paused]: Invalid value: "yes": must be true, false, or names of containers with commas between them`},
		"max-restarts":            {"1000001", `max-restarts]: Invalid value: "1000001": must be a number from 0 to 1000000`},
	} {
		t.Run(name, func(t *testing.T) {
			p := pod(t, fmt.Sprintf(`{"metadata":{"annotations":{"restartrules.dev/%s":%q}},"spec":{}}`, name, tc.value))
			_, _, errs := Pod(p, nil, Options{})
			require.Equal(t, []string{at + tc.err}, texts(errs))
		})
	}
	p := pod(t, `{"metadata":{"annotations":{"restartrules.dev/seam":"json","restartrules.dev/share-process-namespace":"true","restartrules.dev/prefer":"survive",
		"restartrules.dev/mode":"emulate","restartrules.dev/max-restarts":"0","restartrules.dev/paused":"app, setup"}},
		"spec":{"containers":[{"name":"app"}],"initContainers":[{"name":"setup"}]}}`)
	_, warnings, errs := Pod(p, nil, Options{})
	require.Empty(t, errs)
	require.Empty(t, warnings)
}

func TestDefaultMaxRestarts(t *testing.T) {
	for text, want := range map[string]int32{"0": 0, "6": 6, "1000000": 1_000_000, "1000001": -1, "": -1, "+1": -1, "-1": -1, "x": -1, "1.0": -1, "99999999999999999999": -1} {
		got := DefaultMaxRestarts(&manifest.Pod{Metadata: manifest.Metadata{Annotations: map[string]string{"restartrules.dev/max-restarts": text}}})
		if want < 0 {
			require.Nil(t, got, text)
			continue
		}
		require.Equal(t, &want, got, text)
	}
	require.Nil(t, DefaultMaxRestarts(&manifest.Pod{}))
}

func TestInjection(t *testing.T) {
	p := pod(t, `
metadata: {}
spec:
  volumes: [{name: data}, {name: restartrules}]
  containers:
  - {name: a, image: example.com/a:1}
  - {name: b, command: [x], volumeMounts: [{name: data, mountPath: /data}, {name: data, mountPath: /restartrules/x}]}
  - {name: d, command: [/restartrules/shim, run, --, x]}
  - {name: c, volumeMounts: [{name: data, mountPath: /restartrules}]}
  initContainers: [{name: restartrules-watcher}]
`)
	errs := Injection(p, func(name string) Needs {
		n := Needs{Wrapped: name != "c" && name != "restartrules-watcher"}
		if name == "a" {
			n.NoCommand = "registry example.com answered 404 Not Found"
		}
		return n
	}, nil)
	require.Equal(t, []string{
		`spec.volumes[1].name: Forbidden: Restart Rules adds a volume named "restartrules" to this Pod: give yours another name`,
		`spec.containers[0].command: Required value: container "a" (image example.com/a:1) gets a shim in front of its command to apply its restart rules, ` +
			"and the command in its image isn't known: registry example.com answered 404 Not Found; write the image's entry point here, for example command: [\"python\", \"train.py\"], " +
			`or in the annotation entrypoint.restartrules.dev/a: '["python", "train.py"]'`,
		`spec.containers[1].volumeMounts[1].mountPath: Invalid value: "/restartrules/x": Restart Rules mounts /restartrules into container "b": mount volume "data" elsewhere`,
		`spec.containers[2].command[0]: Invalid value: "/restartrules/shim": container "d" begins with the shim, which Restart Rules adds itself: write the container's own command`,
		`spec.initContainers[0].name: Forbidden: Restart Rules adds a container named "restartrules-watcher" to this Pod: give yours another name`,
	}, texts(errs))
}

func TestInjectionOfTwins(t *testing.T) {
	p := pod(t, `
metadata: {}
spec:
  containers: [{name: setup-replay}]
  initContainers:
  - {name: setup, image: example.com/setup:1}
  - {name: gpu, command: [x], resources: {limits: {example.com/gpu: 1, cpu: 1}, requests: {example.com/gpu: 1}}}
  - {name: none, command: [x], resources: {limits: {example.com/gpu: 0, hugepages-2Mi: 4Mi, storage.kubernetes.io/x: 1}}}
`)
	errs := Injection(p, func(name string) Needs {
		if name == "setup-replay" {
			return Needs{}
		}
		n := Needs{Twin: name + "-replay", WholePod: true}
		if name == "setup" {
			n.NoCommand = "no"
		}
		return n
	}, nil)
	require.Len(t, errs, 3)
	require.Equal(t, `spec.containers[0].name: Forbidden: Restart Rules adds a container named "setup-replay" to this Pod: give yours another name`, errs[0].Error())
	require.Contains(t, errs[1].Error(), "spec.initContainers[0].command: Required value: ")
	require.Contains(t, errs[1].Error(), "with the annotation restartrules.dev/exclude-containers: setup")
	require.Contains(t, errs[2].Error(), `spec.initContainers[1].resources: Forbidden: init container "gpu" requests example.com/gpu`)
}

func ExamplePod() {
	p, _ := manifest.DecodePod([]byte(`{"metadata":{},"spec":{"containers":[{"name":"a","restartPolicy":"Sometimes"}]}}`))
	_, _, errs := Pod(p, nil, Options{})
	fmt.Println(errs.ToAggregate())
	// Output: spec.containers[0].restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"
}

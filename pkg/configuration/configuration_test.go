package configuration

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/validation"
)

var updateGolden = flag.Bool("update", false, "write the golden files")

const head = "apiVersion: " + APIVersion + "\nkind: " + Kind + "\n"

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *updateGolden {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

// TestDefaults: a file that says nothing is the default, and the default can be written down and read again.
func TestDefaults(t *testing.T) {
	c, err := Parse([]byte(head))
	require.NoError(t, err)
	require.Equal(t, Default(), c)
	text, err := yaml.Marshal(c)
	require.NoError(t, err)
	golden(t, "defaults.golden.yaml", text)
	again, err := Parse(text)
	require.NoError(t, err)
	rewritten, err := yaml.Marshal(again)
	require.NoError(t, err)
	require.Equal(t, string(text), string(rewritten))
}

func TestFull(t *testing.T) {
	c, err := Load("testdata/full.yaml")
	require.NoError(t, err)
	text, err := yaml.Marshal(c)
	require.NoError(t, err)
	golden(t, "full.golden.yaml", text)
	_, err = Parse(text)
	require.NoError(t, err)
}

func TestOptions(t *testing.T) {
	c, err := Load("testdata/full.yaml")
	require.NoError(t, err)
	of := c.Options()
	list := func(pairs ...string) corev1.ResourceList {
		l := corev1.ResourceList{}
		for i := 0; i < len(pairs); i += 2 {
			l[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
		}
		return l
	}
	usual := inject.Options{
		Image:           "mirror.example.com:5000/cache/watcher@sha256:" + strings.Repeat("1", 64),
		ImagePullPolicy: corev1.PullIfNotPresent, PullSecrets: []string{"mirror"}, ReadinessPort: 15000, PinDigests: true,
		Resources: corev1.ResourceRequirements{
			Requests: list("cpu", "20m", "memory", "24Mi"), Limits: list("memory", "64Mi", "ephemeral-storage", "64Mi")},
		Labels: map[string]string{"team": "platform"}, Annotations: map[string]string{"example.com/cost-center": "42"},
		MinBackoff: 30 * time.Second,
		Allowed: validation.Allowed{
			Actions:    []corev1.ContainerRestartRuleAction{"Restart", "RestartAllContainers"},
			Strategies: []validation.Strategy{validation.StrategyInPlace},
		},
	}
	same := func(want inject.Options, namespaces ...string) {
		t.Helper()
		for _, namespace := range namespaces {
			got := of(namespace)
			require.True(t, equalResources(want.Resources, got.Resources), "%s: %v", namespace, got.Resources)
			got.Resources = want.Resources
			require.Equal(t, want, got, namespace)
		}
	}
	same(usual, "default", "train", "training-2", "gpu", "")

	training := usual
	training.PullSecrets, training.ReadinessPort, training.Labels, training.MinBackoff = nil, 0, map[string]string{"team": "training"}, 0
	training.Allowed.Strategies = []validation.Strategy{validation.StrategyInPlace, validation.StrategySandbox}
	same(training, "training", "gpu-", "gpu-edge") // the first entry holds

	edge := usual
	edge.Image, edge.ImagePullPolicy = "edge.example.com/watcher:v1", corev1.PullNever // without mirror and digest of another image
	edge.Allowed.Actions = []corev1.ContainerRestartRuleAction{}
	same(edge, "paris-edge")
}

func equalResources(a, b corev1.ResourceRequirements) bool {
	equal := func(a, b corev1.ResourceList) bool {
		for name, quantity := range a {
			if other := b[name]; quantity.Cmp(other) != 0 {
				return false
			}
		}
		return len(a) == len(b)
	}
	return equal(a.Requests, b.Requests) && equal(a.Limits, b.Limits)
}

func TestImage(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for _, test := range []struct {
		watcher Watcher
		want    string
	}{
		{Watcher{}, ""},
		{Watcher{Mirror: "m.example.com", Digest: digest}, ""},
		{Watcher{Image: "watcher"}, "watcher"},
		{Watcher{Image: "localhost:5000/team/watcher:v1"}, "localhost:5000/team/watcher:v1"},
		{Watcher{Image: "localhost:5000/team/watcher", Digest: digest}, "localhost:5000/team/watcher@" + digest},
		{Watcher{Image: "localhost:5000/team/watcher:v1@sha256:0", Digest: digest}, "localhost:5000/team/watcher@" + digest},
		{Watcher{Image: "ghcr.io/team/watcher:v1", Mirror: "m.example.com/ghcr.io/team"}, "m.example.com/ghcr.io/team/watcher:v1"},
		{Watcher{Image: "ghcr.io/team/watcher@sha256:0", Mirror: "m:5000"}, "m:5000/watcher@sha256:0"},
	} {
		require.Equal(t, test.want, test.watcher.image())
	}
}

// TestRefused: each mistake is named by its field.
func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		says []string
	}{
		"empty":               {"", []string{`apiVersion: Unsupported value: ""`, `kind: Unsupported value: ""`}},
		"another version":     {"apiVersion: config.restartrules.dev/v1\nkind: Configuration", []string{`apiVersion: Unsupported value: "config.restartrules.dev/v1": supported values: "config.restartrules.dev/v1alpha1"`}},
		"no YAML":             {"apiVersion: [", []string{"no YAML: "}},
		"two documents":       {head + "---\nmode: auto\n", []string{"more than one YAML document"}},
		"unknown fields":      {head + "Mode: auto\nwatcher: {img: x}\nnamespaces: [{names: [a], rules: {minBackof: 1s}}]", []string{`unknown field "Mode"`, `unknown field "watcher.img"`, `unknown field "namespaces[0].rules.minBackof"`}},
		"twice":               {head + "mode: auto\nmode: emulate\n", []string{`key "mode" already set in map`}},
		"wrong type":          {head + "watcher: {readinessPort: many}", []string{"readinessPort of type int32"}},
		"mode":                {head + "mode: native", []string{`mode: Unsupported value: "native": supported values: "auto", "emulate", "observe"`}},
		"features":            {head + "nativeFeatures: [Rules]", []string{`nativeFeatures: Invalid value: `, `"Rules" is unknown`}},
		"features and auto":   {head + "mode: auto\nnativeFeatures: [ContainerRestartRules]", []string{"nativeFeatures: Forbidden: mode auto finds them out"}},
		"kind":                {head + "podTemplates: [trainings]", []string{`podTemplates[0]: Invalid value: "trainings"`}},
		"image":               {head + "watcher: {image: 'No Image'}", []string{`watcher.image: Invalid value: "No Image"`}},
		"mirror":              {head + "watcher: {mirror: https://mirror.example.com}", []string{`watcher.mirror: Invalid value`}},
		"digest":              {head + "watcher: {digest: sha256:1}", []string{`watcher.digest: Invalid value: "sha256:1"`}},
		"pull policy":         {head + "watcher: {imagePullPolicy: Sometimes}", []string{`watcher.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"`}},
		"pull secrets":        {head + "watcher: {imagePullSecrets: [{name: a}, {name: a}, {name: A_}]}", []string{`watcher.imagePullSecrets[1].name: Duplicate value: "a"`, `watcher.imagePullSecrets[2].name: Invalid value: "A_"`}},
		"port":                {head + "watcher: {readinessPort: 65536}", []string{"watcher.readinessPort: Invalid value: 65536"}},
		"resource":            {head + "watcher: {resources: {requests: {nvidia.com/gpu: 1, cpu: much, memory: 0}}}", []string{`watcher.resources.requests[nvidia.com/gpu]: Unsupported value`, `watcher.resources.requests[cpu]: Invalid value: "much"`, `watcher.resources.requests[memory]: Invalid value: "0"`}},
		"request above limit": {head + "watcher: {resources: {requests: {cpu: 2}, limits: {cpu: 1}}}", []string{`watcher.resources.requests[cpu]: Invalid value: "2": must not be above the limit, 1`}},
		"too little memory":   {head + "watcher: {resources: {limits: {memory: 8Mi}}}", []string{`watcher.resources.limits[memory]: Invalid value: "8Mi": must be at least 16Mi`}},
		"labels":              {head + "pods: {labels: {a: 'b c'}, annotations: {'x y': z}}", []string{`pods.labels: Invalid value: "b c"`, `pods.annotations: Invalid value: "x y"`}},
		"ours": {head + "pods: {labels: {restartrules.dev/mode: x}, annotations: {entrypoint.restartrules.dev/app: x, cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes: x}}",
			[]string{`pods.labels[restartrules.dev/mode]: Forbidden`, `pods.annotations[cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes]: Forbidden`, `pods.annotations[entrypoint.restartrules.dev/app]: Forbidden`}},
		"back-off":   {head + "rules: {minBackoff: soon}", []string{`rules.minBackoff: Invalid value: "soon": must be a duration like 10s, from 0s to 1h`}},
		"range":      {head + "rules: {minBackoff: 61m}", []string{`rules.minBackoff: Invalid value: "1h1m0s"`}},
		"actions":    {head + "rules: {allowedActions: [Restart, Stop, Restart]}", []string{`rules.allowedActions[1]: Unsupported value: "Stop": supported values: "Restart", "RestartAllContainers", "Terminate", "TerminatePod"`, `rules.allowedActions[2]: Duplicate value: "Restart"`}},
		"strategies": {head + "rules: {allowedStrategies: []}", []string{"rules.allowedStrategies: Required value"}},
		"namespaces": {head + "namespaces: [{names: []}, {names: [a, '[b]']}, {names: [a], rules: {minBackoff: -1s}}]", []string{`namespaces[0].names: Required value`, `namespaces[1].names[1]: Invalid value: "[b]"`, `namespaces[2].names[0]: Duplicate value: "a"`, `namespaces[2].rules.minBackoff: Invalid value: "-1s"`}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Parse([]byte(test.text))
			require.Nil(t, c)
			for _, says := range test.says {
				require.ErrorContains(t, err, says)
			}
		})
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorIs(t, err, os.ErrNotExist)
	file := filepath.Join(t.TempDir(), "configuration.yaml")
	require.NoError(t, os.WriteFile(file, []byte(head+"mode: native"), 0o600))
	_, err = Load(file)
	require.ErrorContains(t, err, file+": mode: Unsupported value")
}

func TestCommentsAreNoDocuments(t *testing.T) {
	_, err := Parse([]byte("# ours\n---\n" + head + "---\n# that's all\n"))
	require.NoError(t, err)
}

// FuzzParse: what is read can be written and read again, the same, and has options for any namespace.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"full.yaml", "full.golden.yaml", "defaults.golden.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		require.NoError(f, err)
		f.Add(text, "training")
	}
	f.Add([]byte(head+"rules: {minBackoff: 1h, allowedActions: []}\nwatcher: {resources: {limits: {cpu: 1e-3}}}"), "")
	f.Fuzz(func(t *testing.T, text []byte, namespace string) {
		c, err := Parse(text)
		if err != nil {
			require.Nil(t, c)
			return
		}
		c.Options()(namespace)
		written, err := yaml.Marshal(c)
		require.NoError(t, err)
		again, err := Parse(written)
		require.NoError(t, err, "%s", written)
		rewritten, err := yaml.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(written), string(rewritten))
	})
}

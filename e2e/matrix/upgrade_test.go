//go:build e2e

package matrix

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"restartrules.dev/e2e/cluster/build"
	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
)

// The versions that the cluster goes through, the control plane before the kubelet, as upstream wants it.
const oldest, newest = "1.33.13", "1.36.3"

var onTheWay = []string{"1.34.4", "1.35.4", newest}

// upgraded is a scenario that is stored on the oldest version, and what becomes of it there and on the newest.
type upgraded struct {
	scenario
	annotations map[string]string
	more        object // what the rules of container a say beyond native fields
	// stays says why it is not left to the cluster when that could; empty: it is.
	stays         string
	stored        *corev1.PodTemplate
	before, after outcome
	// inBefore and inAfter say whether the watcher was injected.
	inBefore, inAfter bool
}

// upgrades are all small scenarios, and some that only we have words for.
func upgrades() (all []*upgraded) {
	for _, p := range smallScenarios {
		all = append(all, &upgraded{scenario: p.scenario()})
	}
	retry := func(name string) scenario {
		return pod{name: name, policy: podNever, phase: failed, regular: containers{c("a", "42,3").is(never, in(42))}}.scenario()
	}
	restartAll := in(88)
	restartAll.Action = corev1.ContainerRestartRuleActionRestartAllContainers
	// A source that exits before another container has started is no case for both to be told apart by.
	afterB := c("a", "88,0")
	afterB.Command = []string{"/bin/sh", "-c", "until [ -s " + recordOf("b") + " ]; do sleep 0.1; done; exec /app -record=" + recordOf("a") + " -run=200ms -exit=88,0"}
	whole := func(name string) scenario {
		return pod{name: name, policy: podNever, phase: succeeded, init: containers{c("setup", "0,0")},
			regular: containers{afterB.is(never, restartAll), c("b", "143,0").running("0,400ms")}}.scenario()
	}
	insist := map[string]string{api.ModeAnnotation: api.ModeEmulate}
	return append(all,
		&upgraded{scenario: whole("the whole Pod")},
		&upgraded{scenario: whole("the whole Pod, which insists"), annotations: insist, stays: "insists"},
		&upgraded{scenario: retry("a Pod that insists"), annotations: insist, stays: "insists"},
		&upgraded{scenario: retry("a back-off of its own"), more: object{"backoff": "none"}, stays: "superset: backoff"},
		&upgraded{scenario: retry("a number of restarts"), more: object{"maxRestarts": 3}, stays: "superset: maxRestarts"})
}

// TestUpgrade: what was written for us on 1.33 is native on 1.36, and nobody edits a manifest.
func TestUpgrade(t *testing.T) {
	onlyFromSource(t)
	cached, err := build.Cached(t.Context(), newest)
	require.NoError(t, err)
	if !cached {
		t.Skip("needs Kubernetes " + newest + ", minutes to build: go run ./e2e/cluster build --version " + newest)
	}
	c := newCluster(t, node.Options{Name: "matrix-upgrade", Version: oldest}, true)
	c.installNative(t)
	c.waitNative(t, compile.Features{})

	all := upgrades()
	shelf, _ := c.NewNamespace(t, testcluster.OptedIn)
	for i, u := range all {
		u.stored = c.shelve(t, shelf, fmt.Sprintf("scenario-%d", i), u)
	}
	survivor := c.survivor(t)
	t.Run("on "+oldest, func(t *testing.T) {
		for _, u := range all {
			t.Run(u.name, func(t *testing.T) { t.Parallel(); u.before, u.inBefore = c.takeDown(t, u) })
		}
	})

	for _, version := range onTheWay {
		require.NoError(t, c.Local.UpgradeControlPlane(t.Context(), node.Options{Name: c.Name, Version: version, FeatureGates: node.Gates{}, Out: os.Stderr}))
	}
	t.Run("the node is still old", func(t *testing.T) {
		c.waitNative(t, compile.Features{})
		again := *all[0]
		after, injected := c.takeDown(t, &again)
		require.Equal(t, all[0].before, after)
		require.True(t, injected)
	})
	require.NoError(t, c.Local.UpgradeKubelet(t.Context()))
	c.waitNative(t, compile.Features{Restart: true, RestartAll: true})
	t.Run("on "+newest, func(t *testing.T) {
		for _, u := range all {
			t.Run(u.name, func(t *testing.T) { t.Parallel(); u.after, u.inAfter = c.takeDown(t, u) })
		}
	})
	survivor(t)

	rows := [][]string{{"STORED ON " + oldest, "EQUAL", "WATCHER ON " + oldest, "ON " + newest, oldest, newest}}
	yes := map[bool]string{true: "yes", false: "no"}
	emulated := 0
	for _, u := range all {
		before, after := u.before.String(), u.after.String()
		equal := yes[before == after]
		if before != after && u.otherwise != "" {
			equal = "no: " + u.otherwise
		}
		in := yes[u.inAfter]
		if u.stays != "" {
			in += ": " + u.stays
		}
		rows = append(rows, []string{u.name, equal, yes[u.inBefore], in, before, after})
		if u.inBefore {
			emulated++
		}
		assert.Equal(t, u.stays != "", u.inAfter, "%s: the watcher on %s", u.name, newest)
		if u.otherwise == "" {
			assert.Equal(t, before, after, u.name)
			assert.True(t, u.after.ended, u.name)
		}
	}
	require.Positive(t, emulated)
	t.Logf("%d stored manifests, of which %d get the watcher on %s\n%s", len(all), emulated, oldest, table(rows))
}

// installNative has the webhook find out what is native.
func (c *testCluster) installNative(t *testing.T) {
	t.Helper()
	require.NoError(t, c.ApplyKustomization(t.Context(), t.TempDir(), "resources: [manifests/overlays/self-signed]\ncomponents: [manifests/components/native]\n"))
}

// waitNative waits until all webhooks that run have decided that these features are native.
func (c *testCluster) waitNative(t *testing.T, f compile.Features) {
	t.Helper()
	number := map[bool]string{true: "1", false: "0"}
	eventually(t, fmt.Sprintf("native are %+v", f), func() bool {
		pods, err := c.API.CoreV1().Pods("restartrules-system").List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=webhook"})
		if err != nil || len(pods.Items) != 1 {
			return false // the other one is about to end
		}
		text, _, err := c.kubectl(t, "", "get", "--raw", "/api/v1/namespaces/restartrules-system/pods/"+pods.Items[0].Name+":8080/proxy/metrics")
		if err != nil {
			return false
		}
		for name, has := range map[string]bool{compile.RestartFeature: f.Restart, compile.RestartAllFeature: f.RestartAll} {
			if !strings.Contains(text, `restartrules_native_feature{feature="`+name+`"} `+number[has]+"\n") {
				return false
			}
		}
		return true
	})
}

// shelve stores the scenario's Pod as a template, as a workload has one.
func (c *testCluster) shelve(t *testing.T, namespace, name string, u *upgraded) *corev1.PodTemplate {
	t.Helper()
	made, isPod := u.object(t, false, "/replaced").(*corev1.Pod)
	require.True(t, isPod)
	annotations := maps.Clone(u.annotations)
	if rules := u.rules(t, &made.Spec); rules != "" {
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[api.RulesAnnotation] = rules
	}
	_, err := c.API.CoreV1().PodTemplates(namespace).Create(t.Context(), &corev1.PodTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Template:   corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Annotations: annotations}, Spec: made.Spec},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	stored, err := c.API.CoreV1().PodTemplates(namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return stored
}

// rules moves the native fields, which no 1.33 has, into the text of an annotation.
func (u *upgraded) rules(t *testing.T, spec *corev1.PodSpec) string {
	document := object{}
	for key, list := range map[string][]corev1.Container{"containers": spec.Containers, "initContainers": spec.InitContainers} {
		entries := object{}
		for i := range list {
			c, entry := &list[i], object{}
			if sidecar := key == "initContainers" && c.RestartPolicy != nil && *c.RestartPolicy == always; !sidecar && c.RestartPolicy != nil {
				entry["restartPolicy"] = *c.RestartPolicy
				c.RestartPolicy = nil
			}
			if c.RestartPolicyRules != nil {
				entry["restartPolicyRules"] = c.RestartPolicyRules
				c.RestartPolicyRules = nil
			}
			if c.Name == "a" {
				maps.Copy(entry, u.more)
			}
			if len(entry) > 0 {
				entries[c.Name] = entry
			}
		}
		if len(entries) > 0 {
			document[key] = entries
		}
	}
	if len(document) == 0 {
		return ""
	}
	text, err := json.Marshal(document)
	require.NoError(t, err)
	return string(text)
}

// takeDown makes a Pod of what is stored, as a controller does, and says what becomes of it, and whether the
// watcher was injected.
func (c *testCluster) takeDown(t *testing.T, u *upgraded) (o outcome, injected bool) {
	stored, err := c.API.CoreV1().PodTemplates(u.stored.Namespace).Get(t.Context(), u.stored.Name, metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, u.stored.ResourceVersion, stored.ResourceVersion, "nobody has edited it")
	var namespace string
	s := u.scenario
	s.object = func(_ *testing.T, _ bool, dir string) runtime.Object {
		namespace = filepath.Base(dir)
		p := &corev1.Pod{ObjectMeta: stored.Template.ObjectMeta, Spec: stored.Template.Spec}
		p.Name = "scenario"
		p.Spec.Volumes = slices.Clone(p.Spec.Volumes)
		for i := range p.Spec.Volumes {
			if p.Spec.Volumes[i].Name == recordsMount.Name {
				p.Spec.Volumes[i] = recordsVolume(dir)
			}
		}
		return p
	}
	o = c.run(t, s, false)
	p, err := c.API.CoreV1().Pods(namespace).Get(t.Context(), "scenario", metav1.GetOptions{})
	require.NoError(t, err)
	return o, slices.ContainsFunc(p.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == api.WatcherContainer })
}

// survivor is a Pod that is emulated and goes on over the upgrade. The function checks that it still restarts in
// place.
func (c *testCluster) survivor(t *testing.T) func(t *testing.T) {
	t.Helper()
	namespace, dir := c.NewNamespace(t, testcluster.OptedIn)
	s := pod{name: "survivor", policy: podNever, regular: containers{c1("a", `echo start >>/records/starts
		until [ -e /records/go-$(wc -l </records/starts) ]; do sleep 0.1; done; exit 42`).is(never, in(42))}}.scenario()
	made := s.object(t, false, dir).(*corev1.Pod)
	made.Annotations = map[string]string{api.RulesAnnotation: (&upgraded{}).rules(t, &made.Spec)}
	_, err := c.API.CoreV1().Pods(namespace).Create(t.Context(), made, metav1.CreateOptions{})
	require.NoError(t, err)
	starts := func() int {
		text, _ := os.ReadFile(filepath.Join(dir, "starts")) // not there before the first
		return strings.Count(string(text), "\n")
	}
	restart := func(t *testing.T) corev1.ContainerStatus {
		n := 0
		eventually(t, "it runs", func() bool { n = starts(); return n > 0 })
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("go-%d", n)), nil, 0o644))
		eventually(t, "it has restarted", func() bool { return starts() > n })
		p, err := c.API.CoreV1().Pods(namespace).Get(t.Context(), "scenario", metav1.GetOptions{})
		require.NoError(t, err)
		return statusOf(p, "a")
	}
	eventually(t, "the API server knows that it runs", func() bool {
		p, err := c.API.CoreV1().Pods(namespace).Get(t.Context(), "scenario", metav1.GetOptions{})
		return err == nil && statusOf(p, "a").State.Running != nil
	})
	before := restart(t)
	return func(t *testing.T) {
		t.Helper()
		after := restart(t)
		require.Equal(t, before.ContainerID, after.ContainerID)
		require.Zero(t, after.RestartCount)
	}
}

// c1 is a container that runs a script.
func c1(name, script string) container {
	c := c(name, "0")
	c.Command = []string{"/bin/sh", "-c", script}
	return c
}

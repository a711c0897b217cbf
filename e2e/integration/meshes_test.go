//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"restartrules.dev/e2e/mesh"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/plan"
)

// other is a webhook of somebody else, whose name sorts before or behind ours.
type other struct {
	name         string
	reinvocation admissionregistrationv1.ReinvocationPolicyType
}

func (o other) String() string { return fmt.Sprintf("%s, reinvocation %s", o.name, o.reinvocation) }

const (
	before = "another-webhook"
	behind = "some-webhook"
)

var others = []other{
	{before, admissionregistrationv1.NeverReinvocationPolicy}, {before, admissionregistrationv1.IfNeededReinvocationPolicy},
	{behind, admissionregistrationv1.NeverReinvocationPolicy}, {behind, admissionregistrationv1.IfNeededReinvocationPolicy},
}

// nextTo makes a namespace that opted in and in which another webhook injects, too.
func nextTo(t *testing.T, o other, change func(*corev1.Pod)) string {
	t.Helper()
	const label = "example.com/other"
	namespace := newNamespace(t, api.InjectLabel, api.InjectEnabled, label, "")
	seen := make(chan struct{}, 1)
	webhook := mesh.Serve(o.name, label, o.reinvocation, func(pod *corev1.Pod) {
		select {
		case seen <- struct{}{}:
		default:
		}
		change(pod)
	})
	t.Cleanup(webhook.Close)
	require.NoError(t, s.client.Create(t.Context(), webhook.Configuration))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, s.client.Delete(ctx, webhook.Configuration))
	})
	require.Eventually(t, func() bool {
		_ = s.client.Create(t.Context(), newPod(namespace), client.DryRunAll)
		select {
		case <-seen:
			return true
		default:
			return false
		}
	}, patience, interval, "the API server calls it")
	return namespace
}

// probed has probes of the kinds that meshes rewrite.
func probed(pod *corev1.Pod) {
	pod.Spec.Containers[0].LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/live", Port: intstr.FromInt32(8080)}}}
	pod.Spec.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}}}
	pod.Spec.Containers[0].StartupProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/started", Port: intstr.FromInt32(8080)}}}
}

func withSetup(pod *corev1.Pod) {
	pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: "setup", Image: "example.com/setup:1", Command: []string{"setup"}})
}

func never(pod *corev1.Pod) { pod.Spec.RestartPolicy = corev1.RestartPolicyNever }

// wholePod restarts all containers when app exits with 42.
var wholePod = withAnnotation(api.RulesAnnotation,
	`{"containers": {"app": {"restartPolicy": "Always", "restartPolicyRules": [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}]}}}`)

var meshContainers = []string{mesh.IstioInit, mesh.IstioProxy, mesh.LinkerdInit, mesh.LinkerdProxy}

const excludedFromMesh = mesh.IstioInit + "," + mesh.IstioProxy + "," + mesh.LinkerdInit + "," + mesh.LinkerdProxy

// meshPods are Pods that meshes are injected into.
var meshPods = map[string]struct {
	changes []change
	// needsCommands says that we have to know what the mesh's containers run.
	needsCommands bool
	wrapped       []string
}{
	"in place":            {[]change{never, probed, withSetup, withRules(42)}, false, []string{"app"}},
	"lowered":             {[]change{probed, withSetup, withRules(42)}, true, []string{"setup", "app"}},
	"whole Pod":           {[]change{probed, withSetup, wholePod}, true, []string{"app", "setup-replay"}},
	"whole Pod, excluded": {[]change{probed, withSetup, wholePod, withAnnotation(api.ExcludeContainersAnnotation, excludedFromMesh)}, false, []string{"app", "setup-replay"}},
}

var meshes = map[string]struct {
	inject  func(mesh.Options) func(*corev1.Pod)
	options mesh.Options
}{
	"Istio":                       {mesh.Istio, mesh.Options{}},
	"Istio, proxy first":          {mesh.Istio, mesh.Options{ProxyFirst: true, PostStart: []string{"pilot-agent", "wait"}}},
	"Istio, proxy as a sidecar":   {mesh.Istio, mesh.Options{Native: true}},
	"Linkerd":                     {mesh.Linkerd, mesh.Options{}},
	"Linkerd, proxy first":        {mesh.Linkerd, mesh.Options{ProxyFirst: true, PostStart: []string{"linkerd-await"}}},
	"Linkerd, proxy as a sidecar": {mesh.Linkerd, mesh.Options{Native: true}},
}

var meshOptions = inject.Options{Image: "localhost/restartrules/watcher:test", ImagePullPolicy: corev1.PullIfNotPresent, ShareProcessNamespace: true}

// TestMeshes has each mesh inject before and behind us, into each kind of Pod.
func TestMeshes(t *testing.T) {
	for name, m := range meshes {
		for _, o := range others {
			t.Run(name+", "+o.String(), func(t *testing.T) {
				options := m.options
				options.Image, options.Args = "example.com/proxy:1", []string{"proxy", "sidecar"}
				options.Command, options.InitCommand = []string{"/proxy"}, []string{"/init"}
				namespace := nextTo(t, o, m.inject(options))
				for kind, p := range meshPods {
					t.Run(kind, func(t *testing.T) {
						pod := newPod(namespace, p.changes...)
						out, err := kubectl(asJSON(t, pod), "apply", "-f", "-")
						if p.needsCommands && options.Native && strings.HasPrefix(name, "Istio") && o == others[3] {
							// It puts istio-init first when we have seen the Pod for the last time.
							require.Error(t, err)
							require.Contains(t, out, `init container "istio-`)
							require.Contains(t, out, `comes before container "restartrules-watcher", which brings its shim`)
							return
						}
						require.NoError(t, err, out)
						live := stored(t, pod)
						defer func() { require.NoError(t, deletePod(t.Context(), live)) }()

						compiled, err := plan.Decode(live.Annotations[api.PlanAnnotation])
						require.NoError(t, err)
						require.Subset(t, compiled.Wrapped(), p.wrapped)
						count := 0
						for _, c := range append(live.Spec.InitContainers, live.Spec.Containers...) {
							shimmed := len(c.Command) > 0 && c.Command[0] == api.ShimPath
							if entry := compiled.Container(c.Name); entry != nil {
								require.Equal(t, entry.Wrapped, shimmed, c.Name)
							} else {
								require.Equal(t, api.WatcherContainer, c.Name, "is in no plan")
							}
							if !slices.Contains(meshContainers, c.Name) {
								continue
							}
							count++
							if !p.needsCommands {
								require.False(t, shimmed, c.Name)
							}
						}
						require.Equal(t, 2, count, "the mesh is there")

						// We would change nothing more.
						again, err := inject.Create(asJSON(t, live), meshOptions)
						require.NoError(t, err)
						require.Empty(t, again.Errors)
						require.Empty(t, again.Patch)
						if strings.HasPrefix(name, "Istio") {
							return // its rewritten probes alone have an unchanged manifest refused
						}
						out, err = kubectl(asJSON(t, pod), "apply", "-f", "-")
						require.NoError(t, err, out)
						require.Equal(t, live.Spec, stored(t, pod).Spec)
					})
				}
			})
		}
	}
}

// TestMeshesWithoutCommands: where we have to know what a mesh's container runs, and don't, the answer
// names the container.
func TestMeshesWithoutCommands(t *testing.T) {
	for name, m := range meshes {
		for _, o := range []other{others[0], others[3]} {
			t.Run(name+", "+o.String(), func(t *testing.T) {
				options := m.options
				options.Image = "example.com/proxy:1"
				namespace := nextTo(t, o, m.inject(options))
				for kind, p := range meshPods {
					err := s.client.Create(t.Context(), newPod(namespace, p.changes...), client.DryRunAll)
					if !p.needsCommands {
						require.NoError(t, err, kind)
						continue
					}
					require.ErrorContains(t, err, `.command: Required value: container "`, kind)
					require.ErrorContains(t, err, "example.com/proxy:1", kind)
				}
			})
		}
	}
}

// TestProbeOfTheWatcherInAMesh: the proxy lets nobody in from outside, so the kubelet must not ask over HTTP.
func TestProbeOfTheWatcherInAMesh(t *testing.T) {
	data := asJSON(t, newPod("default", withRules(42)))
	withPort := meshOptions
	withPort.ReadinessPort = inject.DefaultReadinessPort
	for name, m := range meshes {
		t.Run(name, func(t *testing.T) {
			options := m.options
			options.Command, options.InitCommand = []string{"/proxy"}, []string{"/init"}
			pod := injected(t, data, withPort)
			require.NotNil(t, pod.Spec.InitContainers[0].ReadinessProbe.HTTPGet)
			m.inject(options)(pod)
			pod = injected(t, asJSON(t, pod), withPort)
			watcher := pod.Spec.InitContainers[0]
			require.Equal(t, api.WatcherContainer, watcher.Name)
			require.Nil(t, watcher.ReadinessProbe.HTTPGet)
			require.Equal(t, []string{"/watcher", "ready"}, watcher.ReadinessProbe.Exec.Command)

			// A mesh that rewrites it has its reasons.
			pod.Spec.InitContainers[0].ReadinessProbe.ProbeHandler = corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/app-health/x/readyz", Port: intstr.FromInt32(15020)}}
			again, err := inject.Create(asJSON(t, pod), withPort)
			require.NoError(t, err)
			require.Empty(t, again.Patch)
		})
	}
}

// TestStubbornWebhooks: who changes a Pod after our second look at it is told what, and where.
func TestStubbornWebhooks(t *testing.T) {
	initContainers := func(pod *corev1.Pod, keep func(corev1.Container) bool) (list []corev1.Container) {
		for _, c := range pod.Spec.InitContainers {
			if keep(c) {
				list = append(list, c)
			}
		}
		return list
	}
	watcher := func(c corev1.Container) bool { return c.Name == api.WatcherContainer }
	for name, test := range map[string]struct {
		changes []change
		// change is what it does whenever it sees a Pod that is injected.
		change func(pod *corev1.Pod)
		field  string
		says   string
	}{
		"takes the shim away": {[]change{withRules(42)}, func(pod *corev1.Pod) {
			pod.Spec.Containers[0].Command = []string{"app", "--serve"}
		}, "spec.containers[0].command", `the command of container "app" doesn't begin with the shim`},
		"takes the mounts away": {[]change{withRules(42)}, func(pod *corev1.Pod) {
			pod.Spec.Containers[0].VolumeMounts = nil
		}, "spec.containers[0].volumeMounts", `container "app" doesn't mount containers/app`},
		"takes the watcher away": {[]change{withRules(42)}, func(pod *corev1.Pod) {
			pod.Spec.InitContainers = initContainers(pod, func(c corev1.Container) bool { return !watcher(c) })
		}, "spec.initContainers", `container "restartrules-watcher" is missing`},
		"makes the watcher a plain init container": {[]change{withRules(42)}, func(pod *corev1.Pod) {
			pod.Spec.InitContainers[0].RestartPolicy = nil
			pod.Spec.InitContainers[0].Lifecycle, pod.Spec.InitContainers[0].ReadinessProbe = nil, nil
		}, "spec.initContainers[0].restartPolicy", `container "restartrules-watcher" is not a sidecar`},
		"takes the watcher's hooks away": {[]change{withRules(42)}, func(pod *corev1.Pod) {
			pod.Spec.InitContainers[0].Lifecycle = nil
		}, "spec.initContainers[0].lifecycle.postStart", `container "restartrules-watcher" has not the hook`},
		"puts the watcher behind others": {[]change{withSetup, withRules(42)}, func(pod *corev1.Pod) {
			pod.Spec.InitContainers = append(initContainers(pod, func(c corev1.Container) bool { return !watcher(c) }), initContainers(pod, watcher)...)
		}, "spec.initContainers[0]", `init container "setup" comes before container "restartrules-watcher"`},
		"sets the restartPolicy": {[]change{withRules(42)}, func(pod *corev1.Pod) {
			pod.Spec.RestartPolicy = corev1.RestartPolicyAlways
		}, "spec.restartPolicy", "it is Always instead of Never"},
		"takes the label away": {[]change{withRules(42)}, func(pod *corev1.Pod) {
			delete(pod.Labels, api.ModeLabel)
		}, "metadata.labels[restartrules.dev/mode]", `it is not "emulated"`},
		"takes the plan away": {[]change{withRules(42)}, func(pod *corev1.Pod) {
			delete(pod.Annotations, api.PlanAnnotation)
		}, "metadata.annotations[restartrules.dev/plan]", `container "app" runs the shim`},
		"adds a container when it sees the Pod again": {[]change{withRules(42)}, again(func(pod *corev1.Pod) {
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "late", Image: "example.com/late:1", Command: []string{"late"}})
		}), "spec.containers[2]", `container "late" came after the Pod's restartPolicy had been made Never instead of Always`},
		"adds a sidecar when it sees the Pod again": {[]change{wholePod}, again(func(pod *corev1.Pod) {
			withSidecar(pod)
		}), "spec.initContainers[1]", `container "proxy" came after Restart Rules had seen the Pod for the last time, so it can't restart with the whole Pod`},
	} {
		t.Run(name, func(t *testing.T) {
			namespace := nextTo(t, others[3], func(pod *corev1.Pod) {
				if pod.Annotations[api.PlanAnnotation] != "" {
					test.change(pod)
				}
			})
			err := s.client.Create(t.Context(), newPod(namespace, test.changes...))
			require.ErrorContains(t, err, `admission webhook "namespaces.restartrules.dev" denied the request: Pod "pod" is invalid: `)
			require.ErrorContains(t, err, test.field+": ")
			require.ErrorContains(t, err, test.says)
			t.Log(err)
		})
	}
}

// again adds a container when it sees the Pod for the first time, so that we look at it again, and does the
// change when it sees it for the second time, and we don't any more.
func again(change func(*corev1.Pod)) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		if len(pod.Spec.Containers) == 1 {
			pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "early", Image: "example.com/early:1", Command: []string{"early"}})
			return
		}
		change(pod)
	}
}

// injected is the Pod after our webhook.
func injected(t *testing.T, data []byte, options inject.Options) *corev1.Pod {
	t.Helper()
	result, err := inject.Create(data, options)
	require.NoError(t, err)
	require.Empty(t, result.Errors)
	patch, err := jsonpatch.DecodePatch(asJSON(t, result.Patch))
	require.NoError(t, err)
	data, err = patch.Apply(data)
	require.NoError(t, err)
	pod := new(corev1.Pod)
	require.NoError(t, json.Unmarshal(data, pod))
	return pod
}

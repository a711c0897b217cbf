package inject

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/rules"
)

// startedCommand is what the startupProbe of a container whose probes have moved runs: it succeeds
// when the user's has passed.
var startedCommand = []string{api.ShimPath, "started"}

// probesMove reports whether the watcher has to run the container's livenessProbe and startupProbe.
// The kubelet doesn't see a restart in place, and would go on as if the command had been started
// long ago.
func (c *part) probesMove() bool { return c.compiled.Member && c.rules.Kind != rules.Init }

// setProbes makes the probes of a container what they are to be.
func (c *part) setProbes(p *patch, path string) {
	liveness, startup := c.user.LivenessProbe, c.user.StartupProbe
	if c.probesMove() {
		liveness, startup = nil, rewritten(startup)
	}
	set := func(name string, live, want manifest.Raw) {
		setField(p, path, name, live != nil, want != nil, live.Contains(want), want)
	}
	set("/livenessProbe", c.live.LivenessProbe, liveness)
	set("/startupProbe", c.live.StartupProbe, startup)
}

// handlerFields are the ones of a probe of which it has one.
var handlerFields = []string{"exec", "httpGet", "tcpSocket", "grpc"}

// rewritten is the user's startupProbe with another handler: the kubelet goes on with the next
// container when it has passed. It never fails for good; that is up to the watcher.
func rewritten(startup manifest.Raw) manifest.Raw {
	if startup == nil {
		return nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(startup, &fields) != nil {
		return startup // handlers says what is wrong with it
	}
	for _, name := range handlerFields {
		delete(fields, name)
	}
	command, _ := json.Marshal(corev1.ExecAction{Command: startedCommand}) // strings
	fields["exec"] = command
	fields["periodSeconds"] = json.RawMessage("1") // it costs little, and the user's has its own
	fields["failureThreshold"] = json.RawMessage(strconv.Itoa(math.MaxInt32))
	text, err := json.Marshal(fields)
	if err != nil {
		return startup
	}
	return text
}

// isOurs reports whether a startupProbe asks the shim.
func isOurs(startup manifest.Raw) bool {
	var probe struct {
		Exec *corev1.ExecAction `json:"exec"`
	}
	return startup != nil && json.Unmarshal(startup, &probe) == nil && probe.Exec != nil && slices.Equal(probe.Exec.Command, startedCommand)
}

// probeExec is the command of a probe that has moved and has one, or nil.
func (c *part) probeExec(probe manifest.Raw) *corev1.ExecAction {
	if probe == nil || !c.probesMove() {
		return nil
	}
	var p corev1.Probe
	if json.Unmarshal(probe, &p) != nil {
		return nil
	}
	return p.Exec
}

// handlers are what the watcher does in place of the kubelet.
func (inj *injection) handlers(c *part) (h plan.Handlers, err error) {
	if c.probesMove() {
		if h.Liveness, err = c.probe(c.user.LivenessProbe); err != nil {
			return h, fmt.Errorf("livenessProbe: %w", err)
		}
		if h.Startup, err = c.probe(c.user.StartupProbe); err != nil {
			return h, fmt.Errorf("startupProbe: %w", err)
		}
		if h.Liveness != nil || h.Startup != nil {
			h.RestartPolicy = c.effectivePolicy(inj.user.Spec.Policy())
			h.TerminationGracePeriodSeconds = new(inj.terminationGrace())
		}
	}
	if !inj.compiled.WholePod || !c.compiled.Member || c.rules.Kind == rules.Init {
		return h, nil
	}
	if h.PostStart, err = c.hook(c.user.PostStart()); err != nil {
		return h, fmt.Errorf("lifecycle.postStart: %w", err)
	}
	if inj.runsPreStop() {
		if h.PreStop, err = c.hook(c.user.PreStop()); err != nil {
			return h, fmt.Errorf("lifecycle.preStop: %w", err)
		}
	}
	return h, nil
}

// effectivePolicy is the restartPolicy in force for the container.
func (c *part) effectivePolicy(podPolicy corev1.RestartPolicy) string {
	if c.rules.Policy != nil {
		return string(*c.rules.Policy)
	}
	return string(podPolicy)
}

// probe is the JSON of a probe for the plan: with defaults, ports being numbers.
func (c *part) probe(raw manifest.Raw) (json.RawMessage, error) {
	if raw == nil {
		return nil, nil
	}
	p := new(corev1.Probe)
	if err := json.Unmarshal(raw, p); err != nil {
		return nil, err
	}
	c.fillHandler(p.HTTPGet, p.TCPSocket)
	if p.GRPC != nil && p.GRPC.Service == nil {
		p.GRPC.Service = new("")
	}
	fill := func(field *int32, value int32) {
		if *field == 0 {
			*field = value
		}
	}
	// Upstream: pkg/apis/core/v1/defaults.go, SetDefaults_Probe.
	fill(&p.TimeoutSeconds, 1)
	fill(&p.PeriodSeconds, 10)
	fill(&p.SuccessThreshold, 1)
	fill(&p.FailureThreshold, 3)
	return json.Marshal(p)
}

// hook is the JSON of a hook for the plan: with defaults, ports being numbers.
func (c *part) hook(h *corev1.LifecycleHandler) (json.RawMessage, error) {
	if h == nil {
		return nil, nil
	}
	h = h.DeepCopy()
	c.fillHandler(h.HTTPGet, h.TCPSocket)
	return json.Marshal(h)
}

// fillHandler fills in the defaults (upstream: pkg/apis/core/v1/defaults.go, SetDefaults_HTTPGetAction)
// and resolves the names of ports (pkg/probe/util.go, ResolveContainerPort).
func (c *part) fillHandler(get *corev1.HTTPGetAction, socket *corev1.TCPSocketAction) {
	if get != nil {
		if get.Path == "" {
			get.Path = "/"
		}
		if get.Scheme == "" {
			get.Scheme = corev1.URISchemeHTTP
		}
		c.resolve(&get.Port)
	}
	if socket != nil {
		c.resolve(&socket.Port)
	}
}

func (c *part) resolve(port *intstr.IntOrString) {
	if port.Type != intstr.String {
		return
	}
	for _, p := range c.user.Ports {
		if p.Name == port.StrVal {
			*port = intstr.FromInt32(p.ContainerPort)
			return
		}
	}
	if n, err := strconv.ParseInt(port.StrVal, 10, 32); err == nil {
		*port = intstr.FromInt32(int32(n))
	}
}

package inject

import (
	"encoding/json"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/jsonstring"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
)

// plan is the plan's text.
func (inj *injection) plan() (string, error) {
	p := plan.Plan{
		Version:       plan.Version,
		RestartPolicy: plan.RestartPolicy{Own: string(inj.user.Spec.Policy()), Compiled: string(inj.compiled.Policy)},
		RestartAll:    inj.restartAllPlan(),
		ReadinessPort: inj.readinessPort(),
		Containers:    make([]plan.Container, 0, len(inj.parts)+len(inj.twins)),
	}
	twins := func(sidecars bool) {
		for i := range inj.twins {
			if t := &inj.twins[i]; t.sidecar == sidecars {
				p.Containers = append(p.Containers, t.planned())
			}
		}
	}
	twins(true)
	for i := range inj.parts {
		c, err := inj.planned(&inj.parts[i])
		if err != nil {
			return "", fmt.Errorf("container %q: %w", inj.parts[i].user.Name, err)
		}
		p.Containers = append(p.Containers, c)
	}
	twins(false)
	return p.Encode()
}

// planned is the plan for one container of the user.
func (inj *injection) planned(part *part) (plan.Container, error) {
	c := plan.Container{Name: part.user.Name, Kind: part.planKind, Wrapped: part.compiled.Wrapped, Why: part.compiled.Why, Role: inj.role(part)}
	if c.Wrapped {
		c.OnExit = part.onExit
		if part.backoff != nil {
			c.Backoff = part.backoff.String()
		}
		if part.compiled.Total != nil {
			c.MaxRestarts = part.compiled.Total.String()
		}
	}
	taken := declared{Rules: significant(part.planKind, part.user.Rules)}
	if part.probesMove() {
		taken.LivenessProbe, taken.StartupProbe = part.user.LivenessProbe, part.user.StartupProbe
	}
	c.EntryPoint = part.entry.recorded
	given := declared{Rules: significant(part.planKind, part.carried())}
	c.Declared, c.Carried = taken.encode(), given.encode()
	var err error
	c.Handlers, err = inj.handlers(part)
	return c, err
}

// declared is what the plan records of a container's own fields that it doesn't have any more.
type declared struct {
	manifest.Rules
	LivenessProbe manifest.Raw `json:"livenessProbe,omitempty"`
	StartupProbe  manifest.Raw `json:"startupProbe,omitempty"`
}

// encode is what encoding/json makes of it; nil if there is nothing to record.
func (d *declared) encode() json.RawMessage {
	if d.Rules.IsZero() && d.LivenessProbe == nil && d.StartupProbe == nil {
		return nil
	}
	text := append(make([]byte, 0, 256), '{')
	field := func(name string) {
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(jsonstring.Append(text, name), ':')
	}
	if d.RestartPolicy != nil {
		field("restartPolicy")
		text = jsonstring.Append(text, string(*d.RestartPolicy))
	}
	if len(d.RestartPolicyRules) > 0 {
		field("restartPolicyRules")
		text = appendList(text, d.RestartPolicyRules, appendRule)
	}
	if d.LivenessProbe != nil {
		field("livenessProbe")
		text = append(text, d.LivenessProbe...)
	}
	if d.StartupProbe != nil {
		field("startupProbe")
		text = append(text, d.StartupProbe...)
	}
	return append(text, '}')
}

func appendRule(text []byte, rule corev1.ContainerRestartRule) []byte {
	text = jsonstring.Append(append(text, `{"action":`...), string(rule.Action))
	if on := rule.ExitCodes; on != nil {
		text = jsonstring.Append(append(text, `,"exitCodes":{"operator":`...), string(on.Operator))
		if len(on.Values) > 0 {
			text = appendList(append(text, `,"values":`...), on.Values, func(text []byte, code int32) []byte { return strconv.AppendInt(text, int64(code), 10) })
		}
		text = append(text, '}')
	}
	return append(text, '}')
}

// significant are the native fields, or none if they say nothing but that it is a sidecar.
func significant(planKind string, r manifest.Rules) manifest.Rules {
	if planKind == plan.KindInitContainer && r.IsSidecar() && len(r.RestartPolicyRules) == 0 {
		return manifest.Rules{}
	}
	return r
}

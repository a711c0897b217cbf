package inject

import (
	"encoding/json"
	"fmt"

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
	twins := func(sidecars bool) (err error) {
		for i := range inj.twins {
			t := &inj.twins[i]
			if t.sidecar != sidecars {
				continue
			}
			c, err := t.planned()
			if err != nil {
				return err
			}
			p.Containers = append(p.Containers, c)
		}
		return nil
	}
	if err := twins(true); err != nil {
		return "", err
	}
	for i := range inj.parts {
		c, err := inj.planned(&inj.parts[i])
		if err != nil {
			return "", fmt.Errorf("container %q: %w", inj.parts[i].user.Name, err)
		}
		p.Containers = append(p.Containers, c)
	}
	if err := twins(false); err != nil {
		return "", err
	}
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
	var err error
	if c.Declared, err = taken.encode(); err != nil {
		return c, fmt.Errorf("record what was taken out: %w", err)
	}
	if c.Carried, err = (declared{Rules: significant(part.planKind, part.carried())}).encode(); err != nil {
		return c, fmt.Errorf("record its restart rules: %w", err)
	}
	c.Handlers, err = inj.handlers(part)
	return c, err
}

// declared is what the plan records of a container's own fields that it doesn't have any more.
type declared struct {
	manifest.Rules
	LivenessProbe manifest.Raw `json:"livenessProbe,omitempty"`
	StartupProbe  manifest.Raw `json:"startupProbe,omitempty"`
}

// encode is nil if there is nothing to record.
func (d declared) encode() (json.RawMessage, error) {
	if d.Rules.IsZero() && d.LivenessProbe == nil && d.StartupProbe == nil {
		return nil, nil
	}
	return json.Marshal(d)
}

// significant are the native fields, or none if they say nothing but that it is a sidecar.
func significant(planKind string, r manifest.Rules) manifest.Rules {
	if planKind == plan.KindInitContainer && r.IsSidecar() && len(r.RestartPolicyRules) == 0 {
		return manifest.Rules{}
	}
	return r
}

package inject

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
)

// twin is a container that replays an init container when the whole Pod restarts.
type twin struct {
	name string
	of   *part
	// sidecar says that it is one, because it can be needed before the regular containers run.
	sidecar bool
	// json is the container as it is to be, resources are left out.
	json      json.RawMessage
	resources corev1.ResourceRequirements
}

// notOfTwins are the fields of an init container that its twin doesn't have: what is the kubelet's
// to do with a container of its own, and what it would request a second time.
var notOfTwins = []string{"name", "command", "ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle",
	"restartPolicy", "restartPolicyRules", "resources", "resizePolicy", "stdin", "stdinOnce", "tty"}

// maxName is the longest name of a container.
const maxName = 63

// twinName is the name of an init container's twin.
func twinName(name string) string {
	if len(name)+len(api.TwinSuffix) <= maxName {
		return name + api.TwinSuffix
	}
	const digits = 5
	sum := sha256.Sum256([]byte(name))
	return name[:maxName-len(api.TwinSuffix)-digits-1] + "-" + hex.EncodeToString(sum[:])[:digits] + api.TwinSuffix
}

// addTwins makes a twin of each regular init container that takes part in restarts of the whole Pod.
func (inj *injection) addTwins() error {
	if inj.byNewSandbox() || inj.initScripts() != "" {
		return nil
	}
	for i := range inj.parts {
		p := &inj.parts[i]
		if p.compiled.Replay == nil {
			continue
		}
		t := twin{name: twinName(p.user.Name), of: p, sidecar: p.compiled.SidecarTwin, resources: twinResources(&inj.user.Spec, &p.user.Resources)}
		var err error
		if t.json, err = inj.twinJSON(&t); err != nil {
			return fmt.Errorf("make a twin of init container %q: %w", p.user.Name, err)
		}
		inj.twins = append(inj.twins, t)
	}
	return nil
}

// twinOf is the twin of the container, or nil.
func (inj *injection) twinOf(p *part) *twin {
	for i := range inj.twins {
		if inj.twins[i].of == p {
			return &inj.twins[i]
		}
	}
	return nil
}

// twinJSON is the twin with all fields of its init container, also those that we don't know.
func (inj *injection) twinJSON(t *twin) (json.RawMessage, error) {
	raw, err := inj.rawContainers()
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw.InitContainers[t.of.index], &fields); err != nil {
		return nil, err
	}
	for _, name := range notOfTwins {
		delete(fields, name)
	}
	set := func(name string, value any) (err error) {
		fields[name], err = json.Marshal(value)
		return err
	}
	if env, ok := fields["env"]; ok {
		var err error
		if fields["env"], err = twinEnv(env, t.of.user.Name); err != nil {
			return nil, err
		}
	}
	mounts, err := inj.twinMounts(t, fields["volumeMounts"])
	if err != nil {
		return nil, err
	}
	fields["volumeMounts"] = mounts
	if err := set("name", t.name); err != nil {
		return nil, err
	}
	if err := set("command", append(inj.twinShim(t), t.of.command()...)); err != nil {
		return nil, err
	}
	if policy := t.policy(); policy != nil {
		if err := set("restartPolicy", policy); err != nil {
			return nil, err
		}
	}
	return json.Marshal(fields)
}

// policy is the twin's native restartPolicy, or nil.
func (t *twin) policy() *corev1.ContainerRestartPolicy {
	if t.sidecar {
		return new(corev1.ContainerRestartPolicyAlways)
	}
	return t.of.compiled.TwinPolicy
}

// twinMounts are the mounts of the init container, ours replaced by those of the twin.
func (inj *injection) twinMounts(t *twin, live json.RawMessage) (json.RawMessage, error) {
	var list, mounts []json.RawMessage
	if live != nil {
		if err := json.Unmarshal(live, &list); err != nil {
			return nil, fmt.Errorf("volumeMounts: %w", err)
		}
	}
	// The user's mounts are the live ones without ours.
	wrapped := len(t.of.live.VolumeMounts) != len(t.of.user.VolumeMounts)
	for i, m := range list {
		if !wrapped || t.of.live.VolumeMounts[i].Name != api.VolumeName {
			mounts = append(mounts, m)
		}
	}
	for _, m := range mountsOf(t.name) {
		text, err := json.Marshal(m)
		if err != nil {
			return nil, err
		}
		mounts = append(mounts, text)
	}
	return json.Marshal(mounts)
}

// twinShim is the beginning of the twin's command.
func (inj *injection) twinShim(t *twin) []string {
	return inj.shimOf(t.name, "twin", t.of.compiled.Replay.String(), t.of, nil)
}

// planned is the plan for the twin.
func (t *twin) planned() plan.Container {
	c := plan.Container{
		Name: t.name, Kind: plan.KindContainer, Wrapped: true, Why: fmt.Sprintf("it runs init container %q again when the whole Pod restarts", t.of.user.Name),
		OnExit: t.of.compiled.Replay.String(), Role: plan.Role{TwinOf: t.of.user.Name, Source: t.of.compiled.Source},
	}
	if t.of.backoff != nil {
		c.Backoff = t.of.backoff.String()
	}
	if t.of.compiled.Total != nil {
		c.MaxRestarts = t.of.compiled.Total.String()
	}
	if t.sidecar {
		c.Kind = plan.KindInitContainer
		return c
	}
	given := declared{Rules: manifest.Rules{RestartPolicy: t.policy()}}
	c.Carried = given.encode()
	return c
}

// isTwin reports whether the plan has that container as a twin.
func isTwin(p *plan.Plan, name string) bool {
	if p == nil || !strings.Contains(name, api.TwinSuffix) {
		return false
	}
	c := p.Container(name)
	return c != nil && c.TwinOf != ""
}

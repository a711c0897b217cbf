// Package plan is the record of what was compiled from a Pod's rules, and its encoding in the
// annotation restartrules.dev/plan. The watcher links it, so it imports nothing of Kubernetes.
package plan

import (
	"encoding/json"
	"errors"
	"fmt"

	"restartrules.dev/pkg/exittable"
)

// Version is the version of the encoding that this code writes, and the highest that it reads. It goes
// up when a reader that doesn't know what is new would do something wrong; what can be passed over is
// added without (docs/protocol.md).
const Version = 1

// NewerError says that a plan was written by a newer release.
type NewerError struct{ Version int }

func (e *NewerError) Error() string {
	return fmt.Sprintf("plan: has version %d, this release reads up to version %d", e.Version, Version)
}

// The kinds of a Container: which list of the Pod's spec it is in.
const (
	KindContainer     = "container"
	KindInitContainer = "initContainer"
)

// Plan says for one Pod what the kubelet does and what the shims do.
type Plan struct {
	Version       int           `json:"version"`
	RestartPolicy RestartPolicy `json:"restartPolicy"`
	// RestartAll is there if one of the Pod's rules concerns the whole Pod and the cluster does not
	// do that itself, or for probes. Then the watcher starts and ends the commands of all regular
	// containers and sidecars that aren't excluded, and they restart in place.
	RestartAll *RestartAll `json:"restartAll,omitempty"`
	// ReadinessPort is where the watcher serves the Pod's readiness; 0: nowhere.
	ReadinessPort int32 `json:"readinessPort,omitempty"`
	// Containers are all containers but the watcher: init containers, then regular ones, each in
	// the order of the Pod.
	Containers []Container `json:"containers"`
}

// RestartPolicy is the Pod-level restartPolicy.
type RestartPolicy struct {
	// Own is what the Pod had, Compiled is what it was given.
	Own      string `json:"own"`
	Compiled string `json:"compiled"`
}

// Container is the plan for one container.
type Container struct {
	Name string `json:"name"`
	// Kind is KindContainer or KindInitContainer (sidecars too).
	Kind string `json:"kind"`
	// Wrapped containers have a shim in front of their command.
	Wrapped bool `json:"wrapped"`
	// Why is one sentence for people.
	Why string `json:"why"`
	// OnExit is the shim's exit table as text; only if wrapped.
	OnExit string `json:"onExit,omitempty"`
	// MaxRestarts is the shim's flag; only if wrapped and there is a limit.
	MaxRestarts string `json:"maxRestarts,omitempty"`
	// Backoff is the shim's flag; only if wrapped and not the default.
	Backoff string `json:"backoff,omitempty"`
	// Declared holds the native fields restartPolicy and restartPolicyRules that were taken out of
	// the container, as an object.
	Declared json.RawMessage `json:"declared,omitempty"`
	// Carried holds the native fields that the container was given instead, on clusters that act on
	// them.
	Carried json.RawMessage `json:"carried,omitempty"`
	// EntryPoint is there if the command is the image's.
	EntryPoint *EntryPoint `json:"entryPoint,omitempty"`
	Role
	Handlers
}

// Decode reads what Encode writes, and what earlier releases wrote. Keys that it doesn't know are passed
// over. The error says what is wrong with the text; it is a *NewerError if the version is.
func Decode(text string) (*Plan, error) {
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal([]byte(text), &head); err != nil {
		return nil, fmt.Errorf("plan: not the JSON object that it must be: %w", err)
	}
	if head.Version == nil {
		return nil, errors.New("plan: has no version")
	}
	switch v := *head.Version; {
	case v > Version:
		return nil, &NewerError{v}
	case v < 1:
		return nil, fmt.Errorf("plan: has version %d, there is none below 1", v)
	}
	p := new(Plan)
	if err := json.Unmarshal([]byte(text), p); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	for i, c := range p.Containers {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("plan: containers[%d] %q: %w", i, c.Name, err)
		}
	}
	return p, p.checkTwins()
}

func (c *Container) check() error {
	if c.Name == "" {
		return errors.New("has no name")
	}
	if c.Kind != KindContainer && c.Kind != KindInitContainer {
		return fmt.Errorf("kind %q: expected %s or %s", c.Kind, KindContainer, KindInitContainer)
	}
	if err := c.EntryPoint.check(); err != nil {
		return err
	}
	if !c.Wrapped {
		return nil
	}
	if _, err := exittable.Parse(c.OnExit); err != nil {
		return err
	}
	if c.MaxRestarts == "" {
		return nil
	}
	_, err := exittable.ParseTotal(c.MaxRestarts)
	return err
}

// Wrapped are the names of the containers that have a shim, in the plan's order.
func (p *Plan) Wrapped() []string {
	var names []string
	for _, c := range p.Containers {
		if c.Wrapped {
			names = append(names, c.Name)
		}
	}
	return names
}

// Container is the plan for the container of that name, or nil.
func (p *Plan) Container(name string) *Container {
	for i := range p.Containers {
		if p.Containers[i].Name == name {
			return &p.Containers[i]
		}
	}
	return nil
}

package watcher

import (
	"encoding/json"
	"fmt"
	"time"

	"restartrules.dev/pkg/backoff"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/watcher/machine"
)

// Defaults of a restart of the whole Pod.
const (
	// defaultGrace is the kubelet's minimum (pkg/kubelet/kuberuntime/kuberuntime_container.go,
	// minimumGracePeriodInSeconds), which is what it takes for RestartAllContainers.
	defaultGrace       = 2 * time.Second
	defaultKillTimeout = 60 * time.Second
)

// machineConfig is the plan as the machine wants it. Its members are the plan's containers but the
// excluded ones; of says which container of the plan each of them is.
func machineConfig(p *plan.Plan) (c *machine.Config, of []*plan.Container, err error) {
	c = &machine.Config{
		Grace:            defaultGrace,
		TerminationGrace: time.Duration(p.RestartAll.TerminationGracePeriodSeconds) * time.Second,
		PreStop:          p.RestartAll.PreStop,
		KillTimeout:      defaultKillTimeout,
		Sandbox:          p.RestartAll.Strategy == plan.StrategySandbox,
	}
	if s := p.RestartAll.GracePeriodSeconds; s != nil {
		c.Grace = time.Duration(*s) * time.Second
	}
	if s := p.RestartAll.KillTimeoutSeconds; s > 0 {
		c.KillTimeout = time.Duration(s) * time.Second
	}
	c.Backoff = backoff.Default()
	if text := p.RestartAll.Backoff; text != "" {
		if c.Backoff, err = backoff.Parse(text); err != nil {
			return nil, nil, fmt.Errorf("plan: restartAll.backoff: %w", err)
		}
	}
	index := map[string]int{}
	for i := range p.Containers {
		container := &p.Containers[i]
		role, ok := roleOf(container)
		if !ok {
			continue
		}
		index[container.Name] = len(of)
		of = append(of, container)
		c.Members = append(c.Members, machine.Member{
			Name: container.Name, Role: role, Wrapped: container.Wrapped, Twin: -1,
			Gate: role == machine.Sidecar && container.Startup != nil, Source: container.Source,
			InitList: container.Kind == plan.KindInitContainer, Script: container.InitScript != "", Returns: returns(p, container),
		})
	}
	for i, container := range of {
		other := container.Twin + container.TwinOf // one of them is empty
		if at, ok := index[other]; ok {
			c.Members[i].Twin = at
		}
	}
	return c, of, nil
}

// roleOf says what the container is in a restart. ok is false if it has no part in it.
func roleOf(c *plan.Container) (role machine.Role, ok bool) {
	switch {
	case c.TwinOf != "":
		return machine.Twin, true
	case c.Kind == plan.KindInitContainer && c.Sidecar:
		return machine.Sidecar, c.Wrapped && !c.Excluded
	case c.Kind == plan.KindInitContainer:
		return machine.Init, !c.Excluded
	default:
		return machine.Regular, c.Wrapped && !c.Excluded
	}
}

// returns says whether the kubelet starts the container again when its shim was killed: by its own
// restartPolicy where it carries one, else by the Pod's.
func returns(p *plan.Plan, c *plan.Container) bool {
	if c.Kind == plan.KindInitContainer && (c.Sidecar || c.TwinOf != "") {
		return true
	}
	var carried struct {
		RestartPolicy string `json:"restartPolicy"`
	}
	if len(c.Carried) > 0 && json.Unmarshal(c.Carried, &carried) == nil && carried.RestartPolicy != "" {
		return carried.RestartPolicy != "Never"
	}
	return p.RestartPolicy.Compiled != "Never"
}

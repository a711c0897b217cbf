package live

import (
	"context"
	"strings"
	"time"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
)

// shimInWatcher is the shim in the watcher's image. The watcher sees every container's directory, so nothing has to be
// run in the container itself, which is about to be stopped.
const shimInWatcher = "/shim"

// defaultGrace is what Kubernetes gives a Pod that says nothing itself.
const defaultGrace = 30 * time.Second

// PodsGrace is the grace period that the Pod's own spec says.
const PodsGrace time.Duration = -1

// RestartContainer has the container's command stopped and started again in place.
func (c *Client) RestartContainer(ctx context.Context, p *Pod, container, reason string, grace time.Duration) error {
	if err := p.Lives(); err != nil {
		return err
	}
	if _, err := p.Container(container); err != nil {
		return err
	}
	if grace == PodsGrace {
		grace = defaultGrace
		if s := p.Spec.TerminationGracePeriodSeconds; s != nil {
			grace = time.Duration(*s) * time.Second
		}
	}
	return c.demand(ctx, p, container, "restart", "--reason="+reason, "--grace="+grace.String())
}

// RestartAll has all containers of the Pod restarted in place.
func (c *Client) RestartAll(ctx context.Context, p *Pod, reason string) error {
	if err := p.Lives(); err != nil {
		return err
	}
	member := ""
	for i := range p.Plan.Containers {
		if c := &p.Plan.Containers[i]; c.Wrapped && !c.Excluded && c.TwinOf == "" && c.Kind == plan.KindContainer {
			member = c.Name
			break
		}
	}
	if p.Plan.RestartAll == nil || member == "" {
		return p.Refuse("has no rule that restarts all containers, so it isn't prepared for that: restart one with --container (%s)", strings.Join(p.Restarts(), ", "))
	}
	return c.demand(ctx, p, member, "restart-all", "--reason="+reason)
}

// demand asks the watcher, over the socket of that container.
func (c *Client) demand(ctx context.Context, p *Pod, container, verb string, flags ...string) error {
	command := append([]string{shimInWatcher, verb, "--dir=" + api.MountPath + "/" + api.ContainersDir + "/" + container}, flags...)
	out, err := c.InWatcher(ctx, p, command...)
	if err != nil {
		return err
	}
	refused, is := strings.CutPrefix(strings.TrimSpace(out.Stdout), "refused: ")
	switch {
	case out.Code == 0:
		return nil
	case is && verb == "restart":
		return p.Refuse("doesn't restart container %s: %s", container, refused)
	case is:
		return p.Refuse("doesn't restart: %s", refused)
	case strings.Contains(out.Stderr, "unknown command"):
		return p.Refuse("was injected by an earlier release, which doesn't restart single containers on demand: delete the Pod, or use --all where its rules allow it")
	case strings.Contains(out.Stderr, "can't be asked"):
		return p.Refuse("has a watcher that doesn't answer (`kubectl logs %s -c %s`): %s", p.Name, api.WatcherContainer, strings.TrimSpace(out.Stderr))
	default:
		return p.Refuse("doesn't restart: exit code %d: %s", out.Code, strings.TrimSpace(out.Stdout+out.Stderr))
	}
}

package watcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/report"
	"restartrules.dev/pkg/watcher/history"
	"restartrules.dev/pkg/wire"
)

// pausePoll is how often the watcher looks whether the Pod is to be paused, where the kernel doesn't say when the volume
// changes; the kubelet takes longer to bring the annotation into it. pauseLook is how often it looks all the same.
const pausePoll, pauseLook = time.Second, 30 * time.Second

// wantsPause is what the Pod's annotation says: api.PausedAll, names of containers with commas between them, or
// nothing. known is false in Pods that were injected without the volume that tells.
func (v Volume) wantsPause() (paused string, known bool, err error) {
	text, err := os.ReadFile(filepath.Join(v.control(), api.ControlPausedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if paused = strings.TrimSpace(string(text)); paused == "false" {
		paused = ""
	}
	return paused, err == nil, err
}

func (v Volume) control() string {
	if v.Control == "" {
		return api.ControlPath
	}
	return v.Control
}

// isPaused says whether that annotation pauses the container.
func isPaused(annotation, container string) bool {
	return annotation == api.PausedAll || slices.ContainsFunc(strings.Split(annotation, ","), func(name string) bool {
		return strings.TrimSpace(name) == container
	})
}

// Pause makes the shims' files say what the Pod's annotation wants, and returns that.
func (v Volume) Pause(p *plan.Plan) (paused string, err error) {
	paused, known, err := v.wantsPause()
	if err != nil || !known {
		return "", err
	}
	return paused, v.locked(func() error {
		for _, name := range v.Containers {
			what := follows(p, name, paused)
			if wire.ReadPaused(v.directory(name)) == what {
				continue
			}
			if err := wire.WritePaused(v.directory(name), what); err != nil {
				return fmt.Errorf("container %q: %w", name, err)
			}
		}
		return nil
	})
}

// follows is what follows an exit of the container, under that annotation.
func follows(p *plan.Plan, container, annotation string) wire.Paused {
	if !isPaused(annotation, container) {
		return wire.NotPaused
	}
	return whilePaused(p, p.Container(container))
}

// Paused is what the Pod's annotation says, once its shims' files say so, too.
func (v Volume) Paused(p *plan.Plan) (paused string, done bool, err error) {
	paused, known, err := v.wantsPause()
	if err != nil || !known {
		return "", false, err
	}
	for _, name := range v.Containers {
		if wire.ReadPaused(v.directory(name)) != follows(p, name, paused) {
			return paused, false, nil
		}
	}
	return paused, true, nil
}

// whilePaused is what follows an exit of the container while the Pod is paused: what would follow under the Pod's own
// restartPolicy. Where the kubelet has that it is left to it, but not in a Pod that restarts as a whole, whose
// containers stay. A twin replays an init container, which is part of a restart that is under way, and goes on.
func whilePaused(p *plan.Plan, c *plan.Container) wire.Paused {
	if c.TwinOf != "" {
		return wire.NotPaused
	}
	own := p.RestartPolicy.Own
	if c.Sidecar { // whatever the Pod's policy
		own = "Always"
	}
	if own == "Never" || p.RestartAll == nil && own == kubelets(p, c) {
		return wire.PausedEnd
	}
	if own == "OnFailure" || c.Kind == plan.KindInitContainer && !c.Sidecar {
		return wire.PausedOnFailure
	}
	return wire.PausedAlways
}

// kubelets is the restartPolicy under which the kubelet restarts the container.
func kubelets(p *plan.Plan, c *plan.Container) string {
	var carried struct {
		RestartPolicy string `json:"restartPolicy"`
	}
	switch {
	case len(c.Carried) > 0 && json.Unmarshal(c.Carried, &carried) == nil && carried.RestartPolicy != "":
		return carried.RestartPolicy
	case c.Sidecar:
		return "Always"
	}
	return p.RestartPolicy.Compiled
}

// followPause looks whether the Pod is to be paused, each time that the volume changes, until the context ends.
func (d *pod) followPause(ctx context.Context) {
	if _, known, err := d.volume.wantsPause(); !known && err == nil {
		return // nor will there be such a volume
	}
	every := pauseLook
	changes, stop, err := notice(d.volume.control())
	if err != nil {
		every = pausePoll
	} else {
		defer stop()
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for ; ; awaitChange(ctx, changes, ticker.C) {
		if ctx.Err() != nil {
			return
		}
		if paused, known, err := d.volume.wantsPause(); err != nil || !known || paused == *d.pauseSeen.Load() {
			continue
		}
		if !d.pass(ctx, happening{call: d.pause}) {
			return
		}
	}
}

// awaitChange waits for what comes first.
func awaitChange(ctx context.Context, changes <-chan os.Signal, look <-chan time.Time) {
	select {
	case <-ctx.Done():
	case <-changes:
	case <-look:
	}
}

// pause has the shims know what the Pod's annotation wants.
func (d *pod) pause() {
	paused, err := d.volume.Pause(d.plan)
	if err != nil {
		if !d.pauseFailed {
			d.log.Error("the Pod can't be paused or resumed", "error", err)
		}
		d.pauseFailed = true
		return // and tried again
	}
	d.pauseFailed = false
	d.pauseSeen.Store(&paused)
	d.reports.pause(paused)
	if paused == d.paused {
		return
	}
	d.paused = paused
	e := &history.Entry{Rule: report.NoRule, Action: history.ActionResume, Time: time.Now()}
	if paused == "" {
		d.log.Info("resumed: the Pod's rules act")
	} else {
		d.log.Info("paused: no rule acts", "containers", paused)
		e.Action = history.ActionPause
	}
	if paused != api.PausedAll {
		e.Container = paused
	}
	d.remember(e)
}

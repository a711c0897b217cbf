package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
)

// History are the Pod's last restarts, the oldest first. They are its watcher's, up to 50; or if that can't be asked what
// the Pod has reported last, up to 10: then why says so.
func (c *Client) History(ctx context.Context, p *Pod) (entries []report.Restart, why error, err error) {
	entries, why = c.watchersHistory(ctx, p)
	if why == nil {
		return entries, nil, nil
	}
	text := p.Annotations[api.StatusAnnotation]
	if text == "" {
		return nil, nil, fmt.Errorf("%w; and it has never reported (docs/reports.md)", why)
	}
	var s report.Status
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, nil, fmt.Errorf("pod %s/%s: annotation %s: %w", p.Namespace, p.Name, api.StatusAnnotation, err)
	}
	return s.Recent, why, nil
}

func (c *Client) watchersHistory(ctx context.Context, p *Pod) ([]report.Restart, error) {
	out, err := c.InWatcher(ctx, p, "/watcher", "history")
	switch {
	case err != nil:
		return nil, err
	case out.Code != 0 && strings.Contains(out.Stdout+out.Stderr, "usage"):
		return nil, &Refusal{p.Refuse("was injected by an earlier release, which keeps no history").Error()}
	case out.Code != 0:
		return nil, errors.New(strings.TrimSpace(out.Stdout + out.Stderr))
	}
	var entries []report.Restart
	for line := range strings.Lines(out.Stdout) {
		var e report.Restart
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			return nil, fmt.Errorf("pod %s/%s: its watcher's history: %w", p.Namespace, p.Name, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

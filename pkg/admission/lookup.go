package admission

import (
	"context"
	"net/http"
	"time"

	"restartrules.dev/pkg/inject"
)

// LookUp finds what images run, for a Pod of the namespace with these imagePullSecrets. It returns before the
// context ends, with an answer for each image.
type LookUp func(ctx context.Context, namespace string, pullSecrets, images []string) map[string]inject.Found

// UseLookUp has the entry points of images looked up where a Pod doesn't say the command of a container that
// needs a shim. It must be called before the first request.
func (h *Webhook) UseLookUp(l LookUp) {
	h.lookUp = l
	h.options.LookUp = true
}

// defaultTimeout is the API server's for webhooks without timeoutSeconds.
const defaultTimeout = 10 * time.Second

// waitFor is how long a request may wait for others: three fifths of the time that the API server waits
// for us, which it says in the query. A hundred Pods at once take a second by themselves.
func waitFor(r *http.Request) time.Duration {
	timeout, err := time.ParseDuration(r.URL.Query().Get("timeout"))
	if err != nil || timeout <= 0 {
		timeout = defaultTimeout
	}
	return timeout * 3 / 5
}

// withEntryPoints has decide decide, and again with what it wants to know of images.
func (h *Webhook) withEntryPoints(ctx context.Context, req *request, decide func(inject.Options) (inject.Result, error)) (inject.Result, error) {
	options := h.injectOptions()
	result, err := decide(options)
	if err != nil || len(result.Lookups) == 0 {
		return result, err
	}
	options.EntryPoints = h.lookUp(ctx, req.Namespace, result.PullSecrets, result.Lookups)
	return decide(options)
}

// Package receive takes the reports of watchers over HTTP. A watcher can speak only of its own Pod: the API
// server says whose its token is.
package receive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"restartrules.dev/pkg/report"
)

const (
	// maxAtOnce is how many reports are dealt with at once. Admission is served by the same process, and
	// matters more.
	maxAtOnce = 64
	// bodyTimeout bounds how long a report may take to arrive.
	bodyTimeout = 5 * time.Second
	// who is sent away comes back after retryFirst to retryLast seconds.
	retryFirst, retryLast = 2, 10
)

// Sink takes what watchers report.
type Sink interface {
	// Put takes a Pod's report, soon and without waiting for anybody. It returns an error if there is no
	// room for it.
	Put(identity Identity, r *report.Report) error
}

// ErrFull says that a Sink has no room.
var ErrFull = errors.New("too much is waiting to be written")

// Handler takes reports.
type Handler struct {
	reviewer *Reviewer
	sink     Sink
	log      logr.Logger
	places   chan struct{}
	answers  *prometheus.CounterVec
}

// New returns a Handler that passes on what it takes to sink, and counts its answers in registry.
func New(reviewer *Reviewer, sink Sink, log logr.Logger, registry prometheus.Registerer) (*Handler, error) {
	h := &Handler{reviewer: reviewer, sink: sink, log: log, places: make(chan struct{}, maxAtOnce),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "restartrules_reports_total",
			Help: "Reports of watchers, by the HTTP status code of the answer.",
		}, []string{"code"})}
	if err := registry.Register(h.answers); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	for _, code := range []int{http.StatusAccepted, http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable} {
		h.answers.WithLabelValues(strconv.Itoa(code))
	}
	return h, nil
}

// refusal is an answer other than that the report was taken.
type refusal struct {
	code int
	text string
}

func (e *refusal) Error() string { return e.text }

// ServeHTTP answers 202 to a report that was taken; 401 without a good token, 403 to one that is about
// another Pod than its token is of, 400, 405, 413 and 415 to what is no report, and 503 with Retry-After to
// all that may try again.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A storm of reports would leave as many connections.
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	err := h.take(w, r)
	code := http.StatusAccepted
	var refused *refusal
	switch {
	case err == nil:
		w.WriteHeader(code)
	case errors.As(err, &refused):
		code = refused.code
		http.Error(w, refused.text, code)
	default:
		code = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", strconv.Itoa(retryFirst+rand.IntN(retryLast-retryFirst+1)))
		http.Error(w, "not now: "+busyText(err), code)
	}
	h.answers.WithLabelValues(strconv.Itoa(code)).Inc()
	if err != nil {
		h.log.V(1).Info("report refused", "code", code, "error", err.Error(), "remote", r.RemoteAddr)
	}
}

// busyText is what a watcher is told; what we asked whom is not its business.
func busyText(err error) string {
	if errors.Is(err, errBusy) || errors.Is(err, ErrFull) {
		return err.Error()
	}
	return "the API server could not be asked whose the token is"
}

func (h *Handler) take(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return &refusal{http.StatusMethodNotAllowed, "reports are posted"}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &refusal{http.StatusUnsupportedMediaType, "expected Content-Type application/json"}
	}
	select {
	case h.places <- struct{}{}:
		defer func() { <-h.places }()
	default:
		return errBusy
	}
	identity, err := h.identify(r.Context(), r.Header.Get("Authorization"))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, report.MaxBytes))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("a report has at most %d bytes", report.MaxBytes)}
	}
	if err != nil {
		return &refusal{http.StatusBadRequest, "read the report: " + err.Error()}
	}
	said, err := report.Decode(body)
	if err != nil {
		return &refusal{http.StatusBadRequest, err.Error()}
	}
	if said.Pod != identity.Pod {
		h.log.Info("a Pod reports about another Pod, which is refused", "namespace", identity.Namespace, "name", identity.Name, "uid", identity.UID)
		return &refusal{http.StatusForbidden, "the token is not of the Pod that the report is about"}
	}
	return h.sink.Put(identity, said)
}

func (h *Handler) identify(ctx context.Context, header string) (Identity, error) {
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return Identity{}, &refusal{http.StatusUnauthorized, "expected Authorization: Bearer and a token"}
	}
	identity, err := h.reviewer.Review(ctx, token)
	if errors.Is(err, errBadToken) {
		return Identity{}, &refusal{http.StatusUnauthorized, err.Error()}
	}
	if err != nil && !errors.Is(err, errBusy) {
		h.log.Error(err, "reports can't be taken")
	}
	return identity, err
}

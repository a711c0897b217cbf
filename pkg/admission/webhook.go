package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/workload"
)

// Paths at which the webhook configurations find the handlers.
const (
	MutatePath   = "/mutate-pods"
	ValidatePath = "/validate-pods"
	// MutateWorkloadsPath is for all Pod templates but those that opt out themselves.
	MutateWorkloadsPath = "/mutate-workloads"
	// MutateLabelledWorkloadsPath is for Pod templates that opt in themselves, wherever they are.
	MutateLabelledWorkloadsPath = "/mutate-workloads/labelled"
)

// pods is the resource of the first two.
var pods = metav1.GroupVersionResource{Version: "v1", Resource: "pods"}

// bodyTimeout bounds how long a request's body may take to arrive: the API server has given up on
// us by then (timeoutSeconds of the webhook configurations).
const bodyTimeout = 10 * time.Second

// Webhook decides about Pods and workloads. It has no side effects, so a dry run is a request like any other.
// It may be used by any number of goroutines.
type Webhook struct {
	// options are those for a namespace.
	options func(namespace string) inject.Options
	kinds   map[metav1.GroupVersionResource]workload.Kind
	log     logr.Logger
	metrics *metrics
	images  Images // nil: images are not looked up
	// native says what the cluster does itself; nil: what the options say.
	native func() compile.Features
	// observe: nothing is changed or refused.
	observe bool
	// room bounds what is dealt with at once.
	room *semaphore.Weighted
}

// UseNative has native asked, for each request, what the cluster does itself. It must be called before the
// first request.
func (h *Webhook) UseNative(native func() compile.Features) { h.native = native }

// UseNamespaces has objects of a namespace decided with these options in place of New's. It must be called before the
// first request.
func (h *Webhook) UseNamespaces(options func(namespace string) inject.Options) { h.options = options }

// injectOptions are the options for a namespace as they are now.
func (h *Webhook) injectOptions(namespace string) inject.Options {
	o := h.options(namespace)
	o.Checked = true
	if h.native != nil {
		o.Native = h.native()
	}
	if h.images != nil {
		o.EntryPoint = func([]string, string) (found inject.Found, known bool) { return }
	}
	return o
}

// New returns a Webhook that injects with options, knows workloads of these kinds (of two of the same
// resource the last), writes one line to log for each object that it changes or refuses, and counts
// in registry. It fails if registry has our metrics already.
func New(options inject.Options, kinds []workload.Kind, log logr.Logger, registry prometheus.Registerer) (*Webhook, error) {
	metrics, err := newMetrics(registry, kinds)
	if err != nil {
		return nil, err
	}
	always := func(string) inject.Options { return options }
	h := &Webhook{options: always, kinds: map[metav1.GroupVersionResource]workload.Kind{}, log: log, metrics: metrics, room: newRoom()}
	for _, k := range kinds {
		h.kinds[metav1.GroupVersionResource{Group: k.Group, Version: k.Version, Resource: k.Resource}] = k
	}
	return h, nil
}

// Handlers returns the handlers by path.
//
// All answer an AdmissionReview of admission.k8s.io/v1 for a Pod or a workload, with status 200
// whatever the decision. A request that is no such review gets 400, 405, 413 or 415 with one line of
// text, and 503 one for which there is no room beside others for too long. An object is refused as the API server would refuse it: status 422, reason Invalid, the same text,
// one cause for each field.
func (h *Webhook) Handlers() map[string]http.Handler {
	return map[string]http.Handler{
		MutatePath:                  h.handler(h.isPod, h.mutatePod),
		ValidatePath:                h.handler(h.isPod, h.validate),
		MutateWorkloadsPath:         h.handler(h.isWorkload, h.mutateWorkload),
		MutateLabelledWorkloadsPath: h.handler(h.isWorkload, h.mutateLabelledWorkload),
	}
}

func (h *Webhook) isPod(req *request) error {
	if req.Resource != pods {
		return h.misdirected(req, "Pods")
	}
	return nil
}

func (h *Webhook) isWorkload(req *request) error {
	if _, ok := h.kinds[req.Resource]; !ok {
		return h.misdirected(req, "a workload kind that this webhook knows, built in or by --pod-templates")
	}
	return nil
}

func (h *Webhook) misdirected(req *request, expected string) error {
	return &httpError{http.StatusBadRequest, fmt.Sprintf(
		"the AdmissionReview is of %s, expected %s; check the rules of the webhook configuration",
		strings.TrimPrefix(req.Resource.Group+"/"+req.Resource.Version+"/"+req.Resource.Resource, "/"), expected)}
}

// jsonPatch is the type of all patches. It must not be changed.
var jsonPatch = admissionv1.PatchTypeJSONPatch

// decision is the answer to one request.
type decision struct {
	response *admissionv1.AdmissionResponse
	outcome  outcome
	// counted is false for what another handler has counted.
	counted bool
	// err says why, where outcome is outcomeError.
	err error
	// expected says that a watcher will report as soon as it runs.
	expected bool
}

// handler answers requests that the check lets pass; its errors are *httpErrors.
func (h *Webhook) handler(check func(*request) error, decide func(context.Context, *request) decision) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		resource, operation := unknownLabel, admissionv1.Operation(unknownLabel)
		defer func() {
			if p := recover(); p != nil {
				h.log.Error(fmt.Errorf("panic: %v", p), "bug in the webhook", "stack", string(debug.Stack()))
				h.metrics.count(resource, operation, outcomeError)
				http.Error(w, "the webhook failed on this request; its log says more", http.StatusInternalServerError)
			}
			h.metrics.observe(time.Since(start))
		}()

		// Not every ResponseWriter has a deadline; without one the connection's own limits hold.
		_ = http.NewResponseController(w).SetReadDeadline(start.Add(bodyTimeout))
		leave, err := h.enter(r)
		var req *request
		if err == nil {
			defer leave()
			body := buffers.Get().(*bytes.Buffer)
			defer putBack(body) // when nothing refers to it any more
			req, err = readReview(w, r, body)
		}
		if err == nil {
			err = check(req)
		}
		if err != nil {
			h.metrics.count(resource, operation, outcomeError)
			h.log.V(1).Info("bad request", "error", err.Error(), "remote", r.RemoteAddr)
			code := http.StatusBadRequest
			if bad := (*httpError)(nil); errors.As(err, &bad) {
				code = bad.code
			}
			if code == http.StatusServiceUnavailable {
				h.log.Info("sent a request away", "reason", err.Error())
			}
			http.Error(w, err.Error(), code)
			return
		}

		resource, operation = req.Resource.Resource, req.Operation
		req.deadline = start.Add(waitFor(r))
		d := decide(r.Context(), req)
		d.response.UID = req.UID
		if d.counted {
			h.metrics.count(resource, operation, d.outcome)
		}
		if d.expected && !req.DryRun {
			h.metrics.expected.WithLabelValues(req.Namespace).Inc()
		}
		h.logDecision(req, d)
		if err := writeReview(w, d.response); err != nil {
			h.log.Error(err, "answer lost", "uid", req.UID)
		}
	})
}

func (h *Webhook) mutatePod(ctx context.Context, req *request) decision {
	return h.mutate(req, outcomeOf,
		func() (inject.Result, error) {
			return h.withEntryPoints(ctx, req, func(o inject.Options) (inject.Result, error) { return inject.Create(req.Object, o) })
		},
		func() (inject.Result, error) {
			return h.withEntryPoints(ctx, req, func(o inject.Options) (inject.Result, error) { return inject.Update(req.Object, req.OldObject, o) })
		})
}

func (h *Webhook) mutateWorkload(_ context.Context, req *request) decision {
	return h.mutateTemplates(req, h.kinds[req.Resource])
}

func (h *Webhook) mutateLabelledWorkload(_ context.Context, req *request) decision {
	return h.mutateTemplates(req, h.kinds[req.Resource].Labelled())
}

func (h *Webhook) mutateTemplates(req *request, k workload.Kind) decision {
	options := h.injectOptions(req.Namespace)
	return h.mutate(req, func(inject.Result) outcome { return outcomeLifted },
		func() (inject.Result, error) { return workload.Create(req.Object, k, options) },
		func() (inject.Result, error) { return workload.Update(req.Object, req.OldObject, k, options) })
}

// mutate answers with what create or update, whichever was requested, make of the object.
func (h *Webhook) mutate(req *request, outcomeOf func(inject.Result) outcome, create, update func() (inject.Result, error)) decision {
	var result inject.Result
	var err error
	switch {
	case req.SubResource != "":
	case req.Operation == admissionv1.Create:
		result, err = create()
	case req.Operation == admissionv1.Update:
		result, err = update()
	}
	switch {
	case err != nil:
		return failed(err)
	case h.observe && !ours(req.OldObject):
		return observed(result, outcomeOf)
	case len(result.Errors) > 0:
		return denied(req, result.Errors, result.Warnings)
	case len(result.Patch) == 0:
		d := allowed(&admissionv1.AdmissionResponse{Warnings: result.Warnings}, outcomeUnchanged)
		if result.Native {
			d.outcome = outcomeNative
		}
		return d
	}
	patch, err := inject.AppendPatch(req.room, result.Patch)
	if err != nil {
		return failed(fmt.Errorf("encode the patch: %w", err))
	}
	d := allowed(&admissionv1.AdmissionResponse{
		Patch:     patch,
		PatchType: &jsonPatch,
		Warnings:  result.Warnings,
	}, outcomeOf(result))
	if result.Native {
		d.outcome = outcomeNative
	}
	d.expected = result.WholePod && h.options(req.Namespace).ReportURL != ""
	return d
}

func (h *Webhook) validate(_ context.Context, req *request) decision {
	pass := decision{
		response: &admissionv1.AdmissionResponse{Allowed: true},
		outcome:  outcomeUnchanged,
	}
	var errs field.ErrorList
	var err error
	switch {
	case req.SubResource != "", h.observe && !ours(req.Object) && !ours(req.OldObject):
	case req.Operation == admissionv1.Create:
		errs, err = inject.Check(req.Object)
	case req.Operation == admissionv1.Update:
		errs, err = inject.CheckUpdate(req.Object, req.OldObject)
	}
	switch {
	case err != nil:
		return failed(err)
	case len(errs) > 0:
		return denied(req, errs, nil)
	default:
		return pass
	}
}

func allowed(response *admissionv1.AdmissionResponse, o outcome) decision {
	response.Allowed = true
	return decision{response: response, outcome: o, counted: true}
}

func denied(req *request, errs field.ErrorList, warnings []string) decision {
	name, _ := req.names()
	status := apierrors.NewInvalid(schema.GroupKind{Group: req.Kind.Group, Kind: req.Kind.Kind}, name, errs).Status()
	return decision{
		response: &admissionv1.AdmissionResponse{Result: &status, Warnings: warnings},
		outcome:  outcomeDenied,
		counted:  true,
	}
}

// failed refuses an object that we could not make out. The API server has validated what it sends, so
// this is a bug of ours or of another webhook.
func failed(err error) decision {
	status := apierrors.NewInternalError(err).Status()
	return decision{
		response: &admissionv1.AdmissionResponse{Result: &status},
		outcome:  outcomeError,
		counted:  true,
		err:      err,
	}
}

// logDecision writes a line for what is worth one. It holds nothing of the object but its names.
func (h *Webhook) logDecision(req *request, d decision) {
	if d.outcome == outcomeUnchanged || d.outcome == outcomeNative && d.response.Patch == nil {
		return
	}
	if d.outcome != outcomeError && !h.log.Enabled() {
		return
	}
	name, generateName := req.names()
	about := append(make([]any, 0, 16), "namespace", req.Namespace, "name", name, "generateName", generateName,
		"kind", req.Kind.Kind, "uid", string(req.UID), "operation", string(req.Operation), "dryRun", req.DryRun) // other types cost reflection
	switch d.outcome {
	case outcomeDenied:
		h.log.Info("denied", append(about, "causes", len(causes(d.response.Result)))...)
	case outcomeError:
		h.log.WithValues(about...).Error(d.err, "denied: could not decide") // the error comes last
	default:
		h.log.Info("changed", append(about, "outcome", string(d.outcome))...)
	}
}

func causes(status *metav1.Status) []metav1.StatusCause {
	if status.Details == nil {
		return nil
	}
	return status.Details.Causes
}

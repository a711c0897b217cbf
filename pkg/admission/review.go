package admission

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"restartrules.dev/pkg/jsonstring"
	"restartrules.dev/pkg/manifest/scan"
)

// maxBody bounds the body of a review, in bytes: object and old object of at most 3 MiB each, which
// is what the API server accepts in a request, and 1 MiB for the rest. It is also
// controller-runtime's limit (pkg/webhook/admission/http.go).
const maxBody = 7 << 20

// maxPooled is the largest buffer that is kept for the next request, in bytes.
const maxPooled = 1 << 20

// review is what we read of an admission.k8s.io/v1 AdmissionReview.
type review struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Request    *request `json:"request"`
}

// request is what we read of an AdmissionRequest.
type request struct {
	UID types.UID `json:"uid"`
	// Kind and Resource are those of the objects, whatever version was requested.
	Kind        metav1.GroupVersionKind     `json:"kind"`
	Resource    metav1.GroupVersionResource `json:"resource"`
	SubResource string                      `json:"subResource"`
	Name        string                      `json:"name"`
	Namespace   string                      `json:"namespace"`
	Operation   admissionv1.Operation       `json:"operation"`
	Object      json.RawMessage             `json:"object"`
	OldObject   json.RawMessage             `json:"oldObject"`
	DryRun      bool                        `json:"dryRun"`

	// deadline is until when others may be waited for.
	deadline time.Time
	// room is memory for the patch, free until the request is answered.
	room []byte
}

// patchRoom is what the patches of most Pods take, in bytes.
const patchRoom = 8 << 10

// httpError is a request that got no AdmissionReview for an answer.
type httpError struct {
	code    int
	message string
}

func (e *httpError) Error() string { return e.message }

// reviewVersion is the apiVersion of reviews.
var reviewVersion = admissionv1.SchemeGroupVersion.String()

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// readReview reads a request for a review into the buffer. Every error is an *httpError. The review
// refers to the buffer.
func readReview(w http.ResponseWriter, r *http.Request, body *bytes.Buffer) (*request, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, &httpError{http.StatusMethodNotAllowed, "an AdmissionReview is sent by POST"}
	}
	if contentType := r.Header.Get("Content-Type"); contentType != "application/json" {
		return nil, &httpError{http.StatusUnsupportedMediaType,
			fmt.Sprintf("Content-Type is %q, expected application/json", contentType)}
	}

	if r.ContentLength > 0 && r.ContentLength < maxPooled {
		body.Grow(int(r.ContentLength) + bytes.MinRead + patchRoom)
	}
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return nil, &httpError{http.StatusRequestEntityTooLarge,
				fmt.Sprintf("the AdmissionReview is larger than %d bytes", tooLarge.Limit)}
		}
		return nil, &httpError{http.StatusBadRequest, fmt.Sprintf("read the AdmissionReview: %v", err)}
	}

	review, err := decodeReview(body.Bytes())
	if err != nil {
		return nil, &httpError{http.StatusBadRequest, fmt.Sprintf("decode the AdmissionReview: %v", err)}
	}
	switch request := review.Request; {
	case review.APIVersion != reviewVersion || review.Kind != "AdmissionReview":
		return nil, &httpError{http.StatusBadRequest, fmt.Sprintf(
			"the body is a %q of %q, expected an AdmissionReview of %q",
			review.Kind, review.APIVersion, reviewVersion)}
	case request == nil || request.UID == "":
		return nil, &httpError{http.StatusBadRequest, "the AdmissionReview has no request with a uid"}
	default:
		request.room = body.AvailableBuffer()
		return request, nil
	}
}

// decodeReview leaves the objects as they are.
func decodeReview(body []byte) (*review, error) {
	if review, ok := scanReview(body); ok {
		return review, nil
	}
	review := new(review)
	return review, json.Unmarshal(body, review)
}

// scanReview is decodeReview for reviews as API servers write them. Keys that it doesn't know may be others
// in another case, which are the same to encoding/json: it returns false.
func scanReview(body []byte) (*review, bool) {
	r := scan.NewReader(body)
	v := new(review)
	for key := range r.Keys {
		switch string(key) {
		case "apiVersion":
			v.APIVersion = r.Text()
		case "kind":
			v.Kind = r.Text()
		case "request":
			if !r.Null() {
				v.Request = new(request)
				v.Request.scan(r)
			}
		default:
			r.Fail()
		}
	}
	return v, r.Done()
}

func (q *request) scan(r *scan.Reader) {
	for key := range r.Keys {
		switch string(key) {
		case "uid":
			q.UID = types.UID(r.Text())
		case "kind":
			q.Kind.Group, q.Kind.Version, q.Kind.Kind = scanNames(r, "kind")
		case "resource":
			q.Resource.Group, q.Resource.Version, q.Resource.Resource = scanNames(r, "resource")
		case "subResource":
			q.SubResource = r.Text()
		case "name":
			q.Name = r.Text()
		case "namespace":
			q.Namespace = r.Text()
		case "operation":
			q.Operation = admissionv1.Operation(r.Text())
		case "object":
			q.Object = r.Raw()
		case "oldObject":
			q.OldObject = r.Raw()
		case "dryRun":
			q.DryRun = r.Bool()
		case "requestKind", "requestResource", "requestSubResource", "userInfo", "options":
		default:
			r.Fail()
		}
	}
}

// scanNames are those of a GroupVersionKind or GroupVersionResource.
func scanNames(r *scan.Reader, last string) (group, version, name string) {
	for key := range r.Keys {
		switch string(key) {
		case "group":
			group = r.Text()
		case "version":
			version = r.Text()
		case last:
			name = r.Text()
		default:
			r.Fail()
		}
	}
	return group, version, name
}

// putBack keeps the buffer for another request.
func putBack(body *bytes.Buffer) {
	if body.Cap() <= maxPooled {
		body.Reset()
		buffers.Put(body)
	}
}

// jsonContent is the header Content-Type. It must not be changed.
var jsonContent = []string{"application/json"}

// writeReview answers a request.
func writeReview(w http.ResponseWriter, response *admissionv1.AdmissionResponse) error {
	buffer := buffers.Get().(*bytes.Buffer)
	defer putBack(buffer)
	body, err := appendReview(buffer.AvailableBuffer(), response)
	if err != nil {
		return fmt.Errorf("encode the AdmissionReview: %w", err)
	}
	buffer.Write(body) // keeps it for the next
	w.Header()["Content-Type"] = jsonContent
	w.Header().Set("Content-Length", strconv.Itoa(len(body))) // otherwise it is sent in chunks, and in more packets
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write the AdmissionReview: %w", err)
	}
	return nil
}

// appendReview writes the answer as JSON. The patch, most of it, is not gone through by encoding/json, and nothing is
// if the object is only allowed.
func appendReview(body []byte, response *admissionv1.AdmissionResponse) ([]byte, error) {
	body = append(body, `{"kind":"AdmissionReview","apiVersion":"`...)
	body = append(append(body, reviewVersion...), `","response":{`...)
	if response.Patch != nil {
		body = append(body, `"patch":"`...)
		body = base64.StdEncoding.AppendEncode(body, response.Patch)
		body = append(body, `",`...)
	}
	rest := *response
	rest.Patch = nil
	if rest.Allowed && rest.Result == nil && rest.AuditAnnotations == nil && rest.Warnings == nil {
		body = jsonstring.Append(append(body, `"uid":`...), string(rest.UID))
		body = append(body, `,"allowed":true`...)
		if rest.PatchType != nil {
			body = jsonstring.Append(append(body, `,"patchType":`...), string(*rest.PatchType))
		}
		return append(body, "}}"...), nil
	}
	encoded, err := json.Marshal(rest)
	if err != nil {
		return nil, err
	}
	return append(append(body, encoded[1:]...), '}'), nil // it has a uid at least
}

package receive

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/report"
)

// sink keeps what it is given.
type sink struct {
	taken []*report.Report
	full  error
}

func (s *sink) Put(_ Identity, r *report.Report) error {
	if s.full == nil {
		s.taken = append(s.taken, r)
	}
	return s.full
}

func body(t *testing.T, pod report.Pod) string {
	t.Helper()
	text, err := report.NewBook(map[string]report.Container{"app": {Counts: "app"}}, true, now).Report(pod).Encode()
	require.NoError(t, err)
	return string(text)
}

func TestHandler(t *testing.T) {
	own := report.Pod{Namespace: "ns", Name: "pod", UID: "uid"}
	bearer := "Bearer " + good("secret")
	for name, test := range map[string]struct {
		method, kind, authorization, body string
		fails, full                       error
		code                              int
		says                              string
	}{
		"taken":                 {authorization: bearer, body: body(t, own), code: http.StatusAccepted},
		"read":                  {method: http.MethodGet, code: http.StatusMethodNotAllowed, says: "reports are posted"},
		"a form":                {kind: "application/x-www-form-urlencoded", code: http.StatusUnsupportedMediaType, says: "expected Content-Type application/json"},
		"no token":              {code: http.StatusUnauthorized, says: "expected Authorization: Bearer and a token"},
		"another scheme":        {authorization: "Basic eDp5", code: http.StatusUnauthorized, says: "expected Authorization: Bearer and a token"},
		"a token of others":     {authorization: "Bearer " + token("a", "vault", now.Add(time.Hour)), code: http.StatusUnauthorized, says: errBadToken.Error()},
		"no report":             {authorization: bearer, body: "{}", code: http.StatusBadRequest, says: "report: has version 0, this release reads versions 1 to 1"},
		"too long":              {authorization: bearer, body: strings.Repeat(" ", report.MaxBytes+1), code: http.StatusRequestEntityTooLarge, says: "a report has at most 32768 bytes"},
		"another name":          {authorization: bearer, body: body(t, report.Pod{Namespace: "ns", Name: "other", UID: "uid"}), code: http.StatusForbidden, says: "the token is not of the Pod that the report is about"},
		"another namespace":     {authorization: bearer, body: body(t, report.Pod{Namespace: "other", Name: "pod", UID: "uid"}), code: http.StatusForbidden, says: "the token is not of the Pod that the report is about"},
		"another uid":           {authorization: bearer, body: body(t, report.Pod{Namespace: "ns", Name: "pod", UID: "earlier"}), code: http.StatusForbidden, says: "the token is not of the Pod that the report is about"},
		"no API server":         {authorization: bearer, body: body(t, own), fails: errors.New("10.0.0.1 refuses"), code: http.StatusServiceUnavailable, says: "not now: the API server could not be asked whose the token is"},
		"no room":               {authorization: bearer, body: body(t, own), full: ErrFull, code: http.StatusServiceUnavailable, says: "not now: too much is waiting to be written"},
		"of a charset, as sent": {kind: "application/json; charset=utf-8", authorization: bearer, body: body(t, own), code: http.StatusAccepted},
	} {
		t.Run(name, func(t *testing.T) {
			out := &sink{full: test.full}
			registry := prometheus.NewRegistry()
			h, err := New(newReviewer(&reviews{fails: test.fails}), out, logr.Discard(), registry)
			require.NoError(t, err)
			method, kind := test.method, test.kind
			if method == "" {
				method = http.MethodPost
			}
			if kind == "" {
				kind = "application/json"
			}
			request := httptest.NewRequest(method, report.Path, strings.NewReader(test.body))
			request.Header.Set("Content-Type", kind)
			if test.authorization != "" {
				request.Header.Set("Authorization", test.authorization)
			}
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, request)
			require.Equal(t, test.code, answer.Code)
			require.Equal(t, test.says, strings.TrimSpace(answer.Body.String()))
			require.NotContains(t, answer.Body.String(), "signature")
			require.Len(t, out.taken, map[bool]int{true: 1}[test.code == http.StatusAccepted])
			if test.code == http.StatusServiceUnavailable {
				seconds, err := strconv.Atoi(answer.Header().Get("Retry-After"))
				require.NoError(t, err)
				require.True(t, seconds >= retryFirst && seconds <= retryLast)
			}
			families, err := registry.Gather()
			require.NoError(t, err)
			for _, m := range families[0].GetMetric() {
				counted := map[bool]float64{true: 1}[m.GetLabel()[0].GetValue() == strconv.Itoa(test.code)]
				require.Equal(t, counted, m.GetCounter().GetValue(), m)
			}
		})
	}
}

// TestHandlerAtOnce: more than it deals with at once are sent away, and nothing waits.
func TestHandlerAtOnce(t *testing.T) {
	h, err := New(newReviewer(&reviews{}), &sink{}, logr.Discard(), prometheus.NewRegistry())
	require.NoError(t, err)
	send := func(body io.Reader) *httptest.ResponseRecorder {
		request := httptest.NewRequest(http.MethodPost, report.Path, body)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+good("a"))
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, request)
		return answer
	}
	done := make(chan int, maxAtOnce)
	var bodies []*io.PipeWriter
	for range maxAtOnce {
		reader, writer := io.Pipe()
		bodies = append(bodies, writer)
		go func() { done <- send(reader).Code }()
	}
	for _, b := range bodies {
		_, err := b.Write([]byte(" ")) // returns when it is read: the report is being dealt with
		require.NoError(t, err)
	}
	answer := send(strings.NewReader("{}"))
	require.Equal(t, http.StatusServiceUnavailable, answer.Code)
	require.Equal(t, "not now: too many reports at once", strings.TrimSpace(answer.Body.String()))
	for _, b := range bodies {
		require.NoError(t, b.Close())
		require.Equal(t, http.StatusBadRequest, <-done)
	}
	require.Equal(t, http.StatusBadRequest, send(strings.NewReader("{}")).Code)
}

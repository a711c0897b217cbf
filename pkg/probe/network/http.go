package network

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"restartrules.dev/pkg/probe"
)

// maxBody is how much of an answer is read (upstream: pkg/probe/http/http.go, maxRespBodyLength).
const maxBody = 10 << 10

// transport is the kubelet's: a connection for each probe, no proxy, certificates are not verified, HTTP/2
// where an HTTPS server has it (upstream: pkg/probe/http/http.go, NewWithTLSConfig).
var transport = &http.Transport{
	TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
	DisableKeepAlives:   true,
	DisableCompression:  true,
	DialContext:         probe.Dialer().DialContext,
	TLSHandshakeTimeout: 10 * time.Second,
	ForceAttemptHTTP2:   true,
}

// HTTP performs an httpGet probe (upstream: pkg/probe/http/http.go, DoHTTPProbe). podIP is the host if
// the probe has none. An answer that breaks off is Unknown, as an error is to the kubelet.
func HTTP(ctx context.Context, get *probe.HTTPGetAction, podIP string, timeout time.Duration) (probe.Outcome, string) {
	request, err := newRequest(ctx, get, podIP)
	if err != nil {
		return probe.Unknown, err.Error()
	}
	client := &http.Client{Timeout: timeout, Transport: transport, CheckRedirect: stayOnHost}
	response, err := client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return probe.Unknown, ctx.Err().Error()
		}
		return probe.Failure, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return probe.Unknown, err.Error()
	}
	switch code := response.StatusCode; {
	case code < http.StatusOK || code >= http.StatusBadRequest:
		return probe.Failure, fmt.Sprintf("HTTP probe failed with statuscode: %d", code)
	case code >= http.StatusMultipleChoices:
		return probe.Success, fmt.Sprintf("Probe terminated redirects, Response body: %s", body)
	default:
		return probe.Success, ""
	}
}

// stayOnHost follows redirects to the same host only, and takes one to another for the answer
// (upstream: pkg/probe/http/http.go, RedirectChecker).
func stayOnHost(request *http.Request, via []*http.Request) error {
	if request.URL.Hostname() != via[0].URL.Hostname() {
		return http.ErrUseLastResponse
	}
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

// newRequest is the request of a probe (upstream: pkg/probe/http/request.go, NewRequestForHTTPGetAction).
func newRequest(ctx context.Context, get *probe.HTTPGetAction, podIP string) (*http.Request, error) {
	host := get.Host
	if host == "" {
		host = podIP
	}
	u, err := url.Parse(get.Path)
	if err != nil {
		u = &url.URL{Path: get.Path} // too late to refuse it
	}
	u.Scheme = strings.ToLower(get.Scheme)
	if u.Scheme == "" {
		u.Scheme = "http"
	}
	u.Host = net.JoinHostPort(host, strconv.Itoa(int(get.Port)))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	h := request.Header
	for _, header := range get.HTTPHeaders {
		h.Add(header.Name, header.Value)
	}
	if _, ok := h["User-Agent"]; !ok {
		h.Set("User-Agent", userAgent)
	}
	if _, ok := h["Accept"]; !ok {
		h.Set("Accept", "*/*")
	} else if h.Get("Accept") == "" {
		h.Del("Accept")
	}
	request.Host = h.Get("Host")
	return request, nil
}

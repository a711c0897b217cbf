package receive

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/util/flowcontrol"

	"restartrules.dev/pkg/report"
)

// TestGate: when too many reporters come they are refused before the handshake; whoever is none is not.
func TestGate(t *testing.T) {
	gate, err := NewGate(prometheus.NewRegistry())
	require.NoError(t, err)
	gate.limit = flowcontrol.NewTokenBucketRateLimiter(0.001, 2)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.NegotiatedProtocol)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{NextProtos: []string{"http/1.1"}, GetConfigForClient: gate.Hello}
	server.StartTLS()
	defer server.Close()

	get := func(protocols ...string) (string, error) {
		transport := server.Client().Transport.(*http.Transport).Clone()
		transport.DisableKeepAlives, transport.ForceAttemptHTTP2 = true, false
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		transport.TLSClientConfig.NextProtos = protocols
		answer, err := (&http.Client{Transport: transport}).Get(server.URL)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		return string(text), err
	}
	for range 2 {
		protocol, err := get(report.Protocol, "http/1.1")
		require.NoError(t, err)
		require.Equal(t, "http/1.1", protocol)
	}
	for range 3 {
		_, err = get(report.Protocol, "http/1.1")
		require.ErrorContains(t, err, "remote error: tls: internal error")
	}
	_, err = get("http/1.1")
	require.NoError(t, err, "the API server is not kept waiting")
	var refused dto.Metric
	require.NoError(t, gate.turned.Write(&refused))
	require.EqualValues(t, 3, refused.GetCounter().GetValue())
}

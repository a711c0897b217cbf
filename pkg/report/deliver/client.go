package deliver

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"restartrules.dev/pkg/report"
)

// client is one that trusts what is in the file now, and the token that is there now.
func (o *Options) client() (*http.Client, string, error) {
	token, err := os.ReadFile(o.TokenFile)
	if err != nil {
		return nil, "", fmt.Errorf("read the Pod's token: %w", err)
	}
	bundle, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, "", fmt.Errorf("read the certificates to trust, which are published to namespaces that opted in: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return nil, "", fmt.Errorf("%s holds no certificate", o.CAFile)
	}
	transport := &http.Transport{
		// No proxy: the webhook is in the cluster. No HTTP/2, and no connection is kept: there is seldom
		// anything to say, and it is said by many.
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, NextProtos: []string{report.Protocol, "http/1.1"}},
		TLSNextProto:      map[string]func(string, *tls.Conn) http.RoundTripper{},
		DisableKeepAlives: true,
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return client, string(bytes.TrimSpace(token)), nil
}

package entrypoint

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/sync/semaphore"
	"sigs.k8s.io/yaml"
)

// Registry says how a registry is reached, where that isn't by HTTPS with a certificate that the system
// trusts.
type Registry struct {
	// Host is the registry as in the names of images, with its port if it has one; docker.io is Docker Hub.
	Host string `json:"host"`
	// Mirrors are asked before it, in this order: https://HOST[:PORT], or http://HOST[:PORT] for plain HTTP.
	// Images have the same names there.
	Mirrors []string `json:"mirrors,omitempty"`
	// PlainHTTP has the registry itself asked without TLS.
	PlainHTTP bool `json:"plainHTTP,omitempty"`
	// CAFile has certificates, PEM, that are trusted for it and its mirrors beside those of the system.
	CAFile string `json:"caFile,omitempty"`
}

// ParseRegistries reads a YAML document with the field registries. Unknown fields are errors.
func ParseRegistries(text []byte) ([]Registry, error) {
	var document struct {
		Registries []Registry `json:"registries"`
	}
	if err := yaml.UnmarshalStrict(text, &document); err != nil {
		return nil, err
	}
	for i, r := range document.Registries {
		if r.Host == "" {
			return nil, fmt.Errorf("registries[%d]: has no host", i)
		}
		for _, mirror := range r.Mirrors {
			if _, err := parseMirror(mirror); err != nil {
				return nil, fmt.Errorf("registries[%d] %s: mirror %q: %w", i, r.Host, mirror, err)
			}
		}
	}
	return document.Registries, nil
}

func parseMirror(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("is no URL")
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Path != "" || u.User != nil || u.RawQuery != "" {
		return nil, errors.New("expected https://HOST[:PORT] or http://HOST[:PORT]")
	}
	return u, nil
}

// endpoint is one place where a registry's images can be asked for.
type endpoint struct {
	host      string
	transport http.RoundTripper
}

// hubHost is what Docker Hub is called by whoever asks it.
const hubHost = "index.docker.io"

// endpoints are those of the registries by host, in order. They share long: see boundedBody.
func endpoints(registries []Registry, long *semaphore.Weighted) (map[string][]endpoint, error) {
	byHost := map[string][]endpoint{}
	for _, r := range registries {
		roots, err := rootsWith(r.CAFile)
		if err != nil {
			return nil, fmt.Errorf("registry %s: %w", r.Host, err)
		}
		host := r.Host
		if host == "docker.io" {
			host = hubHost
		}
		var list []endpoint
		for _, mirror := range r.Mirrors {
			u, err := parseMirror(mirror)
			if err != nil {
				return nil, fmt.Errorf("registry %s: mirror %q: %w", r.Host, mirror, err)
			}
			list = append(list, endpoint{u.Host, newTransport(u.Scheme, roots, long)})
		}
		scheme := "https"
		if r.PlainHTTP {
			scheme = "http"
		}
		byHost[host] = append(list, endpoint{host, newTransport(scheme, roots, long)})
	}
	return byHost, nil
}

// rootsWith are the system's certificates and those of the file; nil: the system's.
func rootsWith(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in PEM", file)
	}
	return roots, nil
}

func newTransport(scheme string, roots *x509.CertPool, long *semaphore.Weighted) http.RoundTripper {
	return &bounded{scheme: scheme, long: long, inner: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: perRegistry,
		IdleConnTimeout:     time.Minute,
		// A header of a registry is no place for more.
		MaxResponseHeaderBytes: 64 << 10,
	}}
}

package admission

import (
	"context"
	"crypto/tls"
	"fmt"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// Names of the files in ServerOptions.CertDir, those of a Secret of type kubernetes.io/tls.
const (
	CertFile = "tls.crt"
	KeyFile  = "tls.key"
)

// A certificate is what the server serves with, from files or from elsewhere.
type certificate struct {
	get func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// watch keeps it up to date until the context ends.
	watch func(context.Context) error
}

func newCertificate(opts ServerOptions) (certificate, error) {
	c := certificate{get: opts.GetCertificate, watch: func(context.Context) error { return nil }}
	if c.get == nil {
		files, err := certwatcher.New(filepath.Join(opts.CertDir, CertFile), filepath.Join(opts.CertDir, KeyFile))
		if err != nil {
			return c, fmt.Errorf("load the serving certificate: %w; see certs/README.md for how to make one", err)
		}
		c = certificate{get: files.GetCertificate, watch: files.Start}
	}
	if opts.Registerer == nil {
		return c, nil
	}
	return c, opts.Registerer.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "restartrules_certificate_expiration_timestamp_seconds",
		Help: "When the serving certificate ends, in seconds since 1970; 0 while there is none.",
	}, c.end))
}

// end is when the certificate ends, in seconds since 1970; 0 if there is none.
func (c certificate) end() float64 {
	served, err := c.get(nil)
	if err != nil || served.Leaf == nil {
		return 0
	}
	return float64(served.Leaf.NotAfter.Unix())
}

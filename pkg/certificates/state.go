package certificates

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	certutil "k8s.io/client-go/util/cert"

	"restartrules.dev/certs/selfsigned"
)

// Keys of the Secret. The first three are those of a Secret of cert-manager.
const (
	// CAKey holds every authority that clients must trust, in PEM.
	CAKey   = selfsigned.CAFile
	certKey = corev1.TLSCertKey
	keyKey  = corev1.TLSPrivateKeyKey
	// The certificate that takes over soon; not there outside of rotations.
	nextCertKey = "next.crt"
	nextKeyKey  = "next.key"
)

// A state is what the Secret holds.
type state struct {
	trusted []*x509.Certificate
	current *pair
	next    *pair
}

// A pair is a serving certificate with its key.
type pair struct {
	tls       tls.Certificate
	cert, key []byte // in PEM
}

func newPair(cert, key []byte) (*pair, error) {
	parsed, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	return &pair{tls: parsed, cert: cert, key: key}, nil
}

// decode reads the data of a Secret. What is damaged is left out; the error says what.
func decode(data map[string][]byte) (state, error) {
	var s state
	var errs []error
	var err error
	if ca := bytes.TrimSpace(data[CAKey]); len(ca) > 0 {
		if s.trusted, err = certutil.ParseCertsPEM(ca); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", CAKey, err))
		}
	}
	for _, p := range []struct {
		pair      **pair
		cert, key string
	}{{&s.current, certKey, keyKey}, {&s.next, nextCertKey, nextKeyKey}} {
		if len(data[p.cert]) == 0 && len(data[p.key]) == 0 {
			continue
		}
		if *p.pair, err = newPair(data[p.cert], data[p.key]); err != nil {
			errs = append(errs, fmt.Errorf("%s, %s: %w", p.cert, p.key, err))
		}
	}
	return s, errors.Join(errs...)
}

// encode writes the state into the data of a Secret, and leaves alone what is not ours there.
func (s state) encode(data map[string][]byte) error {
	bundle, err := s.bundle()
	if err != nil {
		return err
	}
	data[CAKey] = bundle
	for _, p := range []struct {
		pair      *pair
		cert, key string
	}{{s.current, certKey, keyKey}, {s.next, nextCertKey, nextKeyKey}} {
		if p.pair == nil {
			delete(data, p.cert)
			delete(data, p.key)
			continue
		}
		data[p.cert], data[p.key] = p.pair.cert, p.pair.key
	}
	return nil
}

// bundle is what clients must trust, in PEM.
func (s state) bundle() ([]byte, error) {
	return certutil.EncodeCertificates(s.trusted...)
}

// usable returns an error unless clients that trust the state's authorities accept the certificate for all names.
func (s state) usable(p *pair, names []string, now time.Time) error {
	roots := x509.NewCertPool()
	for _, ca := range s.trusted {
		roots.AddCert(ca)
	}
	for _, name := range names {
		if _, err := p.tls.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
			return err
		}
	}
	return nil
}

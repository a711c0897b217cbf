// Package selfsigned makes the serving certificate of a webhook, signed by a certificate authority
// whose key is thrown away at once: nobody can make another certificate that clients would trust.
package selfsigned

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Names of the files in a directory of Ensure.
const (
	// CAFile holds the certificates that clients must trust. After a renewal the previous one is
	// still among them, so that it does not matter which of client and server learns of it first.
	CAFile   = "ca.crt"
	CertFile = "tls.crt"
	KeyFile  = "tls.key"
)

const (
	// lifetime of new certificates.
	lifetime = 365 * 24 * time.Hour
	// renewBefore is how long a certificate must still be valid to be kept.
	renewBefore = 30 * 24 * time.Hour
	// ClockSkew that clients may have: a new certificate is valid from so long ago.
	ClockSkew = 5 * time.Minute
)

// Issued is a serving certificate, in PEM.
type Issued struct {
	// CA is the certificate that clients must trust. It signed Cert and nothing else.
	CA []byte
	// Cert and Key are the serving certificate and its key, ECDSA P-256, PKCS #8.
	Cert, Key []byte
}

// Ensure makes sure that dir, which is created if need be, holds a CA certificate and an ECDSA P-256
// serving certificate with its key for all dnsNames. What is there is kept if it serves all dnsNames
// for another 30 days; else both are made anew, valid for a year. It reports whether they were.
func Ensure(dir string, dnsNames []string, now time.Time) (renewed bool, err error) {
	if len(dnsNames) == 0 {
		return false, errors.New("a serving certificate needs at least one DNS name")
	}
	trusted, err := readCertificates(filepath.Join(dir, CAFile))
	if err != nil {
		return false, err
	}
	if usable(dir, trusted, dnsNames, now.Add(renewBefore)) {
		return false, nil
	}
	issued, err := Issue(dnsNames, now, lifetime)
	if err != nil {
		return false, err
	}
	bundle := issued.CA
	// One predecessor is enough: the one whose certificate may still be served.
	if len(trusted) > 0 && now.Before(trusted[0].NotAfter) {
		bundle = append(bundle, encode("CERTIFICATE", trusted[0].Raw)...)
	}

	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, err
	}
	for _, file := range []struct {
		name string
		data []byte
		mode fs.FileMode
	}{{CAFile, bundle, 0o644}, {CertFile, issued.Cert, 0o644}, {KeyFile, issued.Key, 0o600}} {
		if err := write(filepath.Join(dir, file.name), file.data, file.mode); err != nil {
			return false, err
		}
	}
	return true, nil
}

// usable reports whether the key pair in dir is trusted and serves all dnsNames at a time.
func usable(dir string, trusted []*x509.Certificate, dnsNames []string, at time.Time) bool {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile))
	if err != nil {
		return false // missing or damaged: either way it is made anew
	}
	roots := x509.NewCertPool()
	for _, ca := range trusted {
		roots.AddCert(ca)
	}
	for _, name := range dnsNames {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: at}); err != nil {
			return false
		}
	}
	return true
}

// Issue makes a CA certificate and a serving certificate for all dnsNames that it signs, both valid for lifetime from
// now on.
func Issue(dnsNames []string, now time.Time, lifetime time.Duration) (Issued, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Issued{}, fmt.Errorf("generate the CA's key: %w", err)
	}
	caTemplate := &x509.Certificate{
		// The time tells a CA from its predecessor, which a client may trust at the same time.
		Subject:               pkix.Name{CommonName: "restartrules webhook CA " + now.UTC().Format(time.RFC3339)},
		NotBefore:             now.Add(-ClockSkew),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	ca, err := x509.CreateCertificate(rand.Reader, caTemplate, caTemplate, caKey.Public(), caKey)
	if err != nil {
		return Issued{}, fmt.Errorf("sign the CA's certificate: %w", err)
	}

	certKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Issued{}, fmt.Errorf("generate the serving key: %w", err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "restartrules webhook"},
		DNSNames:    dnsNames,
		NotBefore:   now.Add(-ClockSkew),
		NotAfter:    now.Add(lifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, caTemplate, certKey.Public(), caKey)
	if err != nil {
		return Issued{}, fmt.Errorf("sign the serving certificate: %w", err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(certKey)
	if err != nil {
		return Issued{}, fmt.Errorf("encode the serving key: %w", err)
	}
	return Issued{CA: encode("CERTIFICATE", ca), Cert: encode("CERTIFICATE", cert), Key: encode("PRIVATE KEY", key)}, nil
}

// readCertificates returns the certificates in a PEM file; none if there is no such file.
func readCertificates(path string) ([]*x509.Certificate, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var certificates []*x509.Certificate
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; remove the file to have it made anew", path, err)
		}
		certificates = append(certificates, certificate)
		data = rest
	}
	if len(bytes.TrimSpace(data)) > 0 {
		return nil, fmt.Errorf("%s holds something that is no PEM block; remove the file to have it made anew", path)
	}
	return certificates, nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// write replaces a file as a whole.
func write(path string, data []byte, mode fs.FileMode) error {
	next := path + ".next"
	if err := os.WriteFile(next, data, mode); err != nil {
		return err
	}
	return os.Rename(next, path)
}

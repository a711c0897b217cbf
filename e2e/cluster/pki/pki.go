// Package pki issues the certificates of a test cluster. All keys are ECDSA on P-256, everything is PEM.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

const validity = 365 * 24 * time.Hour

// A Pair is a certificate and its private key.
type Pair struct{ Certificate, Key []byte }

// An Authority signs certificates.
type Authority struct {
	Pair
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority makes a self-signed authority that is valid for a year.
func NewAuthority(commonName string) (*Authority, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	pair, key, err := sign(template, nil)
	if err != nil {
		return nil, fmt.Errorf("certificate authority %s: %w", commonName, err)
	}
	return &Authority{Pair: pair, certificate: template, key: key}, nil
}

// A Subject is who a certificate is for: a user and its groups, and the names and addresses it may serve at.
type Subject struct {
	User     string
	Groups   []string
	DNSNames []string
	IPs      []net.IP
}

// Issue makes a certificate for clients and servers that is valid for a year.
func (a *Authority) Issue(s Subject) (Pair, error) {
	pair, _, err := sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: s.User, Organization: s.Groups},
		DNSNames:    s.DNSNames,
		IPAddresses: s.IPs,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a)
	if err != nil {
		return Pair{}, fmt.Errorf("certificate for %s: %w", s.User, err)
	}
	return pair, nil
}

// NewKey makes a private key, like the one that signs service account tokens.
func NewKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	return encodeKey(key)
}

// sign completes the template and signs it, with its own key if there is no authority.
func sign(template *x509.Certificate, by *Authority) (Pair, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return Pair{}, nil, err
	}
	now := time.Now()
	// An hour back: clocks step.
	template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(validity)
	parent, signer := template, key
	if by != nil {
		parent, signer = by.certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return Pair{}, nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Pair{}, nil, err
	}
	return Pair{Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), Key: keyPEM}, key, nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

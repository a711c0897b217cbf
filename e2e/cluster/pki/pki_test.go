package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/cluster/pki"
)

func TestIssue(t *testing.T) {
	authority, err := pki.NewAuthority("test-ca")
	require.NoError(t, err)
	pair, err := authority.Issue(pki.Subject{User: "system:node:node", Groups: []string{"system:nodes"}, DNSNames: []string{"node"}, IPs: []net.IP{net.IPv4(10, 60, 0, 1)}})
	require.NoError(t, err)

	loaded, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(authority.Certificate))
	for _, name := range []string{"node", "10.60.0.1"} {
		_, err = loaded.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		require.NoError(t, err, name)
	}
	_, err = loaded.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "elsewhere"})
	require.Error(t, err)
	require.Equal(t, "system:node:node", loaded.Leaf.Subject.CommonName)
	require.Equal(t, []string{"system:nodes"}, loaded.Leaf.Subject.Organization)
}

func TestAuthoritiesDiffer(t *testing.T) {
	ours, err := pki.NewAuthority("test-ca")
	require.NoError(t, err)
	theirs, err := pki.NewAuthority("test-ca")
	require.NoError(t, err)
	pair, err := theirs.Issue(pki.Subject{User: "admin"})
	require.NoError(t, err)
	loaded, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(ours.Certificate))
	_, err = loaded.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	require.Error(t, err)
}

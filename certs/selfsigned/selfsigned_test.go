package selfsigned

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const day = 24 * time.Hour

var (
	names = []string{"webhook.system.svc", "webhook.system.svc.cluster.local"}
	start = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
)

// read returns what Ensure has put into a directory.
func read(t *testing.T, dir string) (trusted []*x509.Certificate, pair tls.Certificate) {
	t.Helper()
	trusted, err := readCertificates(filepath.Join(dir, CAFile))
	require.NoError(t, err)
	pair, err = tls.LoadX509KeyPair(filepath.Join(dir, CertFile), filepath.Join(dir, KeyFile))
	require.NoError(t, err)
	return trusted, pair
}

func ensure(t *testing.T, dir string, dnsNames []string, now time.Time, renewed bool) {
	t.Helper()
	got, err := Ensure(dir, dnsNames, now)
	require.NoError(t, err)
	require.Equal(t, renewed, got)
}

func verify(cert *x509.Certificate, trusted []*x509.Certificate, name string, at time.Time) error {
	roots := x509.NewCertPool()
	for _, ca := range trusted {
		roots.AddCert(ca)
	}
	_, err := cert.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: at})
	return err
}

func TestEnsure(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	ensure(t, dir, names, start, true)
	trusted, pair := read(t, dir)
	require.Len(t, trusted, 1)
	require.Equal(t, elliptic.P256(), pair.PrivateKey.(*ecdsa.PrivateKey).Curve)
	require.Equal(t, start.Add(365*day), pair.Leaf.NotAfter)
	for _, name := range names {
		require.NoError(t, verify(pair.Leaf, trusted, name, start))
	}
	require.Error(t, verify(pair.Leaf, trusted, "other.system.svc", start))

	info, err := os.Stat(filepath.Join(dir, KeyFile))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 3, "the CA's key is not kept")
}

func TestEnsureKeepsWhatIsValid(t *testing.T) {
	dir := t.TempDir()
	ensure(t, dir, names, start, true)
	_, first := read(t, dir)
	ensure(t, dir, names, start.Add(334*day), false)
	ensure(t, dir, names[:1], start.Add(334*day), false)
	_, second := read(t, dir)
	require.Equal(t, first.Certificate, second.Certificate)
}

func TestEnsureRenews(t *testing.T) {
	for name, test := range map[string]struct {
		names  []string
		after  time.Duration
		damage func(t *testing.T, dir string)
	}{
		"30 days before the end": {names: names, after: 336 * day},
		"another name":           {names: append([]string{"other.system.svc"}, names...)},
		"no key": {names: names, damage: func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, KeyFile)))
		}},
		"damaged certificate": {names: names, damage: func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, CertFile), []byte("x"), 0o644))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ensure(t, dir, names, start, true)
			_, old := read(t, dir)
			if test.damage != nil {
				test.damage(t, dir)
			}
			now := start.Add(test.after)
			ensure(t, dir, test.names, now, true)

			// Clients that trust the new file get along with a server that has the old certificate.
			trusted, pair := read(t, dir)
			require.Len(t, trusted, 2)
			require.NoError(t, verify(pair.Leaf, trusted, names[0], now))
			require.NoError(t, verify(old.Leaf, trusted, names[0], now))
			require.NotEqual(t, old.Certificate, pair.Certificate)
			ensure(t, dir, test.names, now, false)
		})
	}
}

func TestEnsureForgetsExpiredPredecessors(t *testing.T) {
	dir := t.TempDir()
	ensure(t, dir, names, start, true)
	ensure(t, dir, names, start.Add(366*day), true)
	trusted, _ := read(t, dir)
	require.Len(t, trusted, 1)
}

func TestEnsureFails(t *testing.T) {
	_, err := Ensure(t.TempDir(), nil, start)
	require.ErrorContains(t, err, "DNS name")

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, CAFile), []byte("not PEM"), 0o644))
	_, err = Ensure(dir, names, start)
	require.ErrorContains(t, err, "remove the file")
}

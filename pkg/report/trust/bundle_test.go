package trust

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// ca is a certificate that is valid for a year from so many days on, seen from now.
func ca(t *testing.T, days int) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	begins := now.AddDate(0, 0, days)
	raw, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: begins, NotAfter: begins.AddDate(1, 0, 0)},
		&x509.Certificate{SerialNumber: big.NewInt(1)}, key.Public(), key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}

func TestMerge(t *testing.T) {
	old, fresh, expired := ca(t, -300), ca(t, -1), ca(t, -400)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	var many []byte
	for n := range maxCertificates + 3 {
		many = join(many, ca(t, -10-n))
	}
	for name, test := range map[string]struct{ current, earlier, want []byte }{
		"the first":                     {fresh, nil, fresh},
		"the same":                      {fresh, fresh, fresh},
		"after a rotation":              {fresh, old, join(fresh, old)},
		"a replica that is late":        {old, join(fresh, old), join(fresh, old)},
		"an earlier one that is over":   {fresh, expired, fresh},
		"our own, though it is over":    {expired, nil, expired},
		"something that somebody wrote": {fresh, []byte("x"), fresh},
		"with something around it":      {join([]byte("# ours\n"), fresh, []byte("\n")), join(old, []byte("garbage")), join(fresh, old)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Merge(test.current, test.earlier, now)
			require.NoError(t, err)
			require.Equal(t, string(test.want), string(got))
		})
	}
	got, err := Merge(fresh, many, now)
	require.NoError(t, err)
	require.Equal(t, maxCertificates, bytes.Count(got, []byte("BEGIN")))
	require.True(t, bytes.HasPrefix(got, fresh))

	_, err = Merge([]byte("x"), old, now)
	require.EqualError(t, err, "no certificate in it")
	_, err = Merge(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), nil, now)
	require.ErrorContains(t, err, "certificate 1 of it")
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte("x"), []byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, current, earlier []byte) {
		bundle, err := Merge(current, earlier, now)
		if err == nil {
			again, err := Merge(bundle, earlier, now)
			require.NoError(t, err)
			require.Equal(t, bundle, again)
		}
	})
}

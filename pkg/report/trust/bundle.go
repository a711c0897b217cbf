package trust

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// maxCertificates is how many certificates a bundle has at most.
const maxCertificates = 8

// Merge is the bundle of all certificates of current, and then of those of earlier bundles that are still
// valid, the newest first, so that who reads it late, or is served by a replica that is late, still trusts. What earlier holds
// that is no certificate is passed over. The error says that current holds none.
func Merge(current, earlier []byte, now time.Time) ([]byte, error) {
	own, err := parse(current)
	if err != nil {
		return nil, err
	}
	if len(own) == 0 {
		return nil, errors.New("no certificate in it")
	}
	kept, _ := parse(earlier)
	var list []*x509.Certificate
	for i, c := range slices.Concat(own, kept) {
		known := slices.ContainsFunc(list, c.Equal)
		if (i < len(own) || now.Before(c.NotAfter)) && !known && len(list) < maxCertificates {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b *x509.Certificate) int {
		return cmp.Or(b.NotBefore.Compare(a.NotBefore), bytes.Compare(a.Raw, b.Raw))
	})
	var bundle bytes.Buffer
	for _, c := range list {
		_ = pem.Encode(&bundle, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a bytes.Buffer takes everything
	}
	return bundle.Bytes(), nil
}

// parse reads the certificates of a bundle, those before what can't be read.
func parse(bundle []byte) (list []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, bundle = pem.Decode(bundle); block == nil {
			return list, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return list, fmt.Errorf("certificate %d of it: %w", len(list)+1, err)
		}
		list = append(list, c)
	}
}

package certificates

import (
	"errors"
	"fmt"
	"time"
)

// Lifetimes says when certificates are replaced: Overlap < RenewBefore < Validity.
type Lifetimes struct {
	// Validity is how long a certificate is valid.
	Validity time.Duration
	// RenewBefore is how long before its end the next one is made.
	RenewBefore time.Duration
	// Overlap is how long clients are told to trust the next one before it is used.
	Overlap time.Duration
}

// Default is the lifetime of certificates of which nobody says anything. A day suffices for whoever reads the
// authorities from a volume, which the kubelet brings up to date within minutes.
func Default() Lifetimes {
	return Lifetimes{Validity: 90 * 24 * time.Hour, RenewBefore: 30 * 24 * time.Hour, Overlap: 24 * time.Hour}
}

// Validate returns an error unless a certificate can be replaced in time.
func (l Lifetimes) Validate() error {
	switch {
	case l.Overlap <= 0:
		return fmt.Errorf("overlap is %v, must be positive", l.Overlap)
	case l.RenewBefore <= l.Overlap:
		return fmt.Errorf("renewal %v before the end leaves no time to be trusted for %v", l.RenewBefore, l.Overlap)
	case l.Validity <= l.RenewBefore:
		return fmt.Errorf("validity is %v, must be longer than %v, the time before its end when it is renewed", l.Validity, l.RenewBefore)
	case l.Validity < minValidity:
		return errors.New("validity must be at least " + minValidity.String())
	}
	return nil
}

// minValidity is a few times the precision of times in certificates.
const minValidity = 5 * time.Second

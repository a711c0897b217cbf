package certificates

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	certutil "k8s.io/client-go/util/cert"

	"restartrules.dev/certs/selfsigned"
)

// rotation is the policy by which a state changes.
type rotation struct {
	Lifetimes
	names []string
}

// A step is what to do with a state.
type step struct {
	state state
	// why the state differs from the one before; empty: it does not.
	why string
	// next is when to look again, unless the state differs.
	next time.Time
}

// step says what becomes of a state that clients were told of.
func (r rotation) step(s state, now time.Time) (step, error) {
	s.trusted = slices.DeleteFunc(slices.Clone(s.trusted), func(ca *x509.Certificate) bool { return now.After(ca.NotAfter) })
	if s.next != nil && s.usable(s.next, r.names, now) != nil {
		s.next = nil
	}

	problem := "there is none"
	if s.current != nil {
		problem = ""
		if err := s.usable(s.current, r.names, now); err != nil {
			problem = err.Error()
		}
	}
	switch {
	case problem != "" && s.next != nil:
		return step{state: state{s.trusted, s.next, nil}, why: "the next certificate takes over early: " + problem}, nil
	case problem != "":
		p, err := r.issue(&s, now)
		if err != nil {
			return step{}, err
		}
		s.current = p
		return step{state: s, why: "a certificate is made: " + problem}, nil
	}

	end := s.current.tls.Leaf.NotAfter
	if s.next == nil {
		renewal := end.Add(-r.RenewBefore)
		if now.Before(renewal) {
			return step{state: s, next: renewal}, nil
		}
		p, err := r.issue(&s, now)
		if err != nil {
			return step{}, err
		}
		s.next = p
		return step{state: s, why: fmt.Sprintf("the next certificate is made: the one in use ends at %s", end.UTC().Format(time.RFC3339))}, nil
	}
	takeover := issuedAt(s.next).Add(r.Overlap)
	if now.Before(takeover) {
		return step{state: s, next: earlier(takeover, end)}, nil
	}
	return step{state: state{s.trusted, s.next, nil}, why: fmt.Sprintf("the next certificate takes over: it is trusted for %v", r.Overlap)}, nil
}

// issue makes a certificate and adds its authority to those that s trusts.
func (r rotation) issue(s *state, now time.Time) (*pair, error) {
	issued, err := selfsigned.Issue(r.names, now, r.Validity)
	if err != nil {
		return nil, err
	}
	ca, err := certutil.ParseCertsPEM(issued.CA)
	if err != nil {
		return nil, fmt.Errorf("read the new CA certificate: %w", err)
	}
	p, err := newPair(issued.Cert, issued.Key)
	if err != nil {
		return nil, fmt.Errorf("read the new certificate: %w", err)
	}
	s.trusted = append(s.trusted, ca...)
	return p, nil
}

// issuedAt is when selfsigned.Issue made a certificate, up to a second before.
func issuedAt(p *pair) time.Time {
	return p.tls.Leaf.NotBefore.Add(selfsigned.ClockSkew)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

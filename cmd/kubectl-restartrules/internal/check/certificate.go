package check

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"time"
)

// soon is how long before its end a certificate is renewed at the latest, whoever renews it; for one that is valid for
// a short time only, a tenth of it.
const soon = 14 * 24 * time.Hour

// certificate judges the certificate, and whether the webhook configurations trust it.
func (c *Cluster) certificate(r *Result) {
	known := c.Certificate
	if known == nil {
		return
	}
	object, from, to := "Secret/"+c.System()+"/"+known.Secret, known.NotBefore, known.NotAfter
	var chain []*x509.Certificate
	if len(known.PEM) > 0 {
		var err error
		if chain, err = parseCertificates(known.PEM); err != nil || len(chain) == 0 {
			r.add(Finding{CertificateTime, Error, object, "It holds no certificate that can be read",
				"the webhook can't serve without one", known.renew()})
			return
		}
		from, to = chain[0].NotBefore, chain[0].NotAfter
	}
	if to.IsZero() {
		return
	}
	if f, is := known.times(object, from, to, c.Now); is {
		r.add(f)
	}
	if chain != nil {
		c.trust(r, chain)
	}
}

// times is the finding of a certificate by when it is valid.
func (known *Certificate) times(object string, from, to, now time.Time) (Finding, bool) {
	f := Finding{Code: CertificateTime, Severity: Error, Object: object, Fix: known.renew()}
	switch {
	case !now.Before(to):
		f.What = "The webhook's certificate has expired at " + date(to)
		f.Why = "the API server does not take it, so Pods and workloads with restart rules are refused"
	case now.Before(from):
		f.What = "The webhook's certificate is not valid before " + date(from)
		f.Why = "the API server does not take it yet: the clock of whoever made it goes ahead, or it came too early"
	case to.Sub(now) < min(soon, to.Sub(from)/10):
		f.Severity = Warning
		f.What = "The webhook's certificate expires at " + date(to)
		f.Why = "it should have been renewed by now. From then on Pods and workloads with restart rules are refused"
	default:
		return f, false
	}
	return f, true
}

// namespace is that of the installation.
func (known *Certificate) namespace() string { return cmp.Or(known.Namespace, SystemNamespace) }

// renew is the command that makes a new certificate.
func (known *Certificate) renew() string {
	switch {
	case known.CertManager:
		return fmt.Sprintf("cmctl renew -n %s %s", known.namespace(), WebhookName)
	case known.Secret == SelfManagedSecretName:
		return fmt.Sprintf(`kubectl -n %s patch secret %s --type=json -p '[{"op":"remove","path":"/data"}]'`, known.namespace(), SelfManagedSecretName)
	default:
		return "go run ./certs && kubectl apply --server-side --force-conflicts -k manifests/overlays/self-signed"
	}
}

// trust finds the webhooks whose caBundle does not verify the certificate, for another reason than time.
func (c *Cluster) trust(r *Result, chain []*x509.Certificate) {
	intermediates := x509.NewCertPool()
	for _, cert := range chain[1:] {
		intermediates.AddCert(cert)
	}
	check := func(object string, hooks []hook) {
		for i := range hooks {
			h := &hooks[i]
			if h.client.Service == nil {
				continue
			}
			bundle, err := parseCertificates(h.client.CABundle)
			name := fmt.Sprintf("%s.%s.svc", h.client.Service.Name, h.client.Service.Namespace)
			if err == nil {
				err = verify(chain[0], bundle, intermediates, name)
			}
			if err != nil {
				r.add(c.wrongBundle(object, fmt.Sprintf("The caBundle of webhook %s does not verify the certificate of %s: %v", h.name, name, err)))
				return
			}
			if f, is := c.expiredAuthority(object, h, bundle); is && !r.has(CertificateTime) {
				r.add(f)
			}
		}
	}
	if c.Mutating != nil {
		check(mutatingConfiguration, mutatingHooks(c.Mutating))
	}
	if c.Validating != nil {
		check(validatingConfiguration, validatingHooks(c.Validating))
	}
}

func (c *Cluster) wrongBundle(object, what string) Finding {
	fix := "kubectl apply --server-side --force-conflicts -k manifests/overlays/self-signed    # what you installed from"
	switch known := c.Certificate; {
	case known != nil && known.CertManager:
		fix = fmt.Sprintf("kubectl annotate %s %s cert-manager.io/inject-ca-from=%s/%s --overwrite", kindOf(object), Name, c.System(), WebhookName)
	case known != nil && known.Secret == SelfManagedSecretName:
		fix = fmt.Sprintf("kubectl -n %s rollout restart deployment %s", c.System(), WebhookName)
	}
	return Finding{WrongCABundle, Error, object, what,
		"the API server does not trust the webhook, so Pods and workloads with restart rules are refused", fix}
}

// verify wants a chain to the roots at a time at which the certificate is valid, whether that is now or not.
func verify(leaf *x509.Certificate, bundle []*x509.Certificate, intermediates *x509.CertPool, name string) error {
	roots := x509.NewCertPool()
	for _, ca := range bundle {
		roots.AddCert(ca)
	}
	at := leaf.NotBefore
	for _, ca := range bundle {
		if ca.NotBefore.After(at) && ca.NotBefore.Before(leaf.NotAfter) {
			at = ca.NotBefore
		}
	}
	for _, t := range []time.Time{leaf.NotBefore, at} {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: intermediates, CurrentTime: t}); err == nil {
			return nil
		}
	}
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: intermediates, CurrentTime: leaf.NotBefore})
	return err
}

// expiredAuthority is the finding of a caBundle in which all authorities have expired.
func (c *Cluster) expiredAuthority(object string, h *hook, bundle []*x509.Certificate) (Finding, bool) {
	if slices.ContainsFunc(bundle, func(ca *x509.Certificate) bool { return c.Now.Before(ca.NotAfter) }) {
		return Finding{}, false
	}
	return Finding{CertificateTime, Error, object, fmt.Sprintf("All authorities in the caBundle of webhook %s have expired", h.name),
		"the API server does not take the webhook's certificate, so Pods and workloads with restart rules are refused", c.Certificate.renew()}, true
}

func parseCertificates(text []byte) (list []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return list, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(list)+1, err)
		}
		list = append(list, cert)
	}
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

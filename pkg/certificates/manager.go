package certificates

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// fieldManager is our name in managedFields.
	fieldManager = "restartrules-certificates"
	// requestTimeout of a request to the API server.
	requestTimeout = 10 * time.Second
	// After a failure we try again, later each time.
	minRetry, maxRetry = 500 * time.Millisecond, 30 * time.Second
	// maxWait is how long nothing is looked at: should an event have been lost.
	maxWait = 5 * time.Minute
	// maxSteps are more than are due at once, and than other replicas come first.
	maxSteps = 20
)

// Options says where the certificate is and whom it serves.
type Options struct {
	// Namespace and Secret name the Secret. It must be there; at first it may be empty.
	Namespace, Secret string
	// Configurations is the name of both webhook configurations.
	Configurations string
	// DNSNames are those of the certificate.
	DNSNames []string
	Lifetimes
	// CAFile is a file that always holds the authorities that clients must trust, in PEM; empty: none. It is replaced
	// as a whole.
	CAFile string
}

// A Manager keeps the certificate. Its methods may be called at the same time.
type Manager struct {
	client  kubernetes.Interface
	options Options
	log     logr.Logger
	current atomic.Pointer[tls.Certificate]
}

// New returns a Manager. It does nothing before Run.
func New(client kubernetes.Interface, o Options, log logr.Logger) (*Manager, error) {
	if len(o.DNSNames) == 0 {
		return nil, errors.New("a serving certificate needs at least one DNS name")
	}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return &Manager{client: client, options: o, log: log}, nil
}

// GetCertificate gives the certificate to serve, for tls.Config. There is none before its authority is in the webhook
// configurations, nor when it has ended, because the API server can't be reached.
func (m *Manager) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	certificate := m.current.Load()
	if certificate == nil {
		return nil, errors.New("there is no certificate yet")
	}
	if end := certificate.Leaf.NotAfter; time.Now().After(end) {
		return nil, fmt.Errorf("the certificate has ended at %s", end.UTC().Format(time.RFC3339))
	}
	return certificate, nil
}

// Run keeps the certificate until ctx ends. What fails is logged and tried again.
func (m *Manager) Run(ctx context.Context) {
	changed := make(chan struct{}, 1)
	stop := m.watch(ctx, changed)
	defer stop()

	retry := minRetry
	for {
		wait := maxWait
		next, err := m.sync(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			m.log.Error(err, "the certificate could not be looked after", "again-in", retry.String())
			wait, retry = retry, min(2*retry, maxRetry)
		default:
			wait, retry = min(max(time.Until(next), 0), maxWait), minRetry
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// sync takes all steps that are due, serves the certificate, and says when the next step is due.
func (m *Manager) sync(ctx context.Context) (time.Time, error) {
	var next time.Time
	var err error
	for range maxSteps {
		if next, err = m.trySync(ctx); !errors.Is(err, errLookAgain) {
			break
		}
	}
	return next, err
}

// errLookAgain: the Secret was changed, by us or by another replica.
var errLookAgain = errors.New("the Secret of the certificate changes all the time")

func (m *Manager) trySync(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	secret, err := m.client.CoreV1().Secrets(m.options.Namespace).Get(ctx, m.options.Secret, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return time.Time{}, fmt.Errorf("%w; it is part of the manifests, empty: apply them again", err)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read the Secret of the certificate: %w", err)
	}
	s, err := decode(secret.Data)
	if err != nil {
		m.log.Error(err, "the Secret of the certificate is damaged, what is damaged is made anew")
	}

	clients := configurations{m.client.AdmissionregistrationV1(), m.options.Configurations}
	if len(s.trusted) == 0 {
		// Replicas may serve what nobody knows of any more: the Secret was deleted, or the certificates came from
		// elsewhere so far. Who is trusted stays trusted.
		trusted, err := clients.trusted(ctx, time.Now())
		if err != nil {
			return time.Time{}, err
		}
		s = state{trusted: trusted}
	} else if err := m.publish(ctx, clients, s); err != nil {
		return time.Time{}, err
	}

	taken, err := rotation{m.options.Lifetimes, m.options.DNSNames}.step(s, time.Now())
	if err != nil {
		return time.Time{}, err
	}
	if taken.why != "" {
		if err := m.store(ctx, secret, taken); err != nil {
			return time.Time{}, err
		}
		return time.Time{}, errLookAgain
	}
	m.serve(s.current)
	return taken.next, nil
}

// publish tells all clients whom to trust.
func (m *Manager) publish(ctx context.Context, clients configurations, s state) error {
	bundle, err := s.bundle()
	if err != nil {
		return err
	}
	changed, err := clients.trust(ctx, bundle)
	if changed {
		m.log.Info("caBundle is written", "authorities", len(s.trusted))
	}
	if err != nil {
		return err
	}
	if m.options.CAFile == "" {
		return nil
	}
	if err := replaceFile(m.options.CAFile, bundle); err != nil {
		return fmt.Errorf("write the authorities: %w", err)
	}
	return nil
}

// store writes a step into the Secret, unless it has changed since it was read.
func (m *Manager) store(ctx context.Context, secret *corev1.Secret, taken step) error {
	secret = secret.DeepCopy()
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	if err := taken.state.encode(secret.Data); err != nil {
		return err
	}
	_, err := m.client.CoreV1().Secrets(m.options.Namespace).Update(ctx, secret, metav1.UpdateOptions{FieldManager: fieldManager})
	if apierrors.IsConflict(err) {
		return errLookAgain // another replica was faster
	}
	if err != nil {
		return fmt.Errorf("write the Secret of the certificate: %w", err)
	}
	m.log.Info(taken.why, "ends", taken.state.current.tls.Leaf.NotAfter)
	return nil
}

// serve makes p the certificate that is served.
func (m *Manager) serve(p *pair) {
	if before := m.current.Load(); before == nil || !before.Leaf.Equal(p.tls.Leaf) {
		m.current.Store(&p.tls)
		m.log.Info("the certificate is served", "ends", p.tls.Leaf.NotAfter)
	}
}

// replaceFile writes a file that readers see either as it was or as it is now.
func replaceFile(path string, data []byte) error {
	if was, err := os.ReadFile(path); err == nil && string(was) == string(data) {
		return nil
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".next-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // gone already, if nothing failed
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

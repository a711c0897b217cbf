// Package entrypoint looks up in registries what images run where a container doesn't say: their ENTRYPOINT and
// CMD.
package entrypoint

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
	"k8s.io/utils/lru"

	"restartrules.dev/pkg/entrypoint/keyring"
	"restartrules.dev/pkg/imageconfig"
)

const (
	// maxEntries is how many images are remembered.
	maxEntries = 1024
	// tagFor is how long it is remembered what a tag means, failureFor that an image can't be looked up.
	tagFor     = time.Minute
	failureFor = 5 * time.Second
	// atOnce is how many lookups there are at a time, perRegistry how many of them at one registry: one that
	// is slow must not be in the way of others. See longAtOnce for their memory.
	atOnce, perRegistry = 64, 4
	// DefaultTimeout bounds a lookup. Those who ask may not wait that long; what is found is remembered for
	// when they ask again.
	DefaultTimeout = 15 * time.Second
)

// Secrets reads a namespace's pull secrets. What can't be read it says in the error, which holds nothing of
// them.
type Secrets interface {
	Keyring(ctx context.Context, namespace string, names []string) (*keyring.Keyring, error)
}

// Options are the installation's settings.
type Options struct {
	Registries []Registry
	// Secrets may be nil: then pull secrets are not read.
	Secrets Secrets
	// Common gives the credentials that all namespaces may use, as those of a node; nil: there are none.
	Common func() (*keyring.Keyring, error)
	// Timeout of a lookup; 0: DefaultTimeout.
	Timeout time.Duration
	// Registerer counts lookups.
	Registerer prometheus.Registerer
}

// Request is one image, of a Pod.
type Request struct {
	Namespace string
	// PullSecrets are the names of the Pod's imagePullSecrets, which are its ServiceAccount's if it has none
	// of its own: the API server has put them there.
	PullSecrets []string
	Image       string
}

// Resolver looks images up, and remembers: by digest for good, by tag for a minute, both within bounds.
// What was found with a namespace's pull secrets is told only in that namespace. Any number of goroutines may
// use it.
type Resolver struct {
	options    Options
	ctx        context.Context
	endpoints  map[string][]endpoint
	unlisted   *bounded // for registries without settings
	challenges challenges
	// results are by Request, images by who may see them and digest.
	results, images *lru.Cache
	flights         singleflight.Group
	running         sync.WaitGroup
	slots           *semaphore.Weighted
	mutex           sync.Mutex
	queues          map[string]*queue
	lookups         *prometheus.CounterVec
}

// New returns a Resolver whose lookups end with the context.
func New(ctx context.Context, o Options) (*Resolver, error) {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	long := semaphore.NewWeighted(longAtOnce)
	byHost, err := endpoints(o.Registries, long)
	if err != nil {
		return nil, err
	}
	unlisted, _ := newTransport("https", nil, long).(*bounded)
	r := &Resolver{
		options: o, ctx: ctx, endpoints: byHost, unlisted: unlisted,
		results: lru.New(maxEntries), images: lru.New(maxEntries),
		slots: semaphore.NewWeighted(atOnce), queues: map[string]*queue{},
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "restartrules_entrypoint_lookups_total",
			Help: "Images whose entry point was asked for, by result: hit (it was remembered), miss (a registry told), error.",
		}, []string{"result"}),
	}
	for _, result := range []string{"hit", "miss", "error"} {
		r.lookups.WithLabelValues(result)
	}
	size := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "restartrules_entrypoint_cache_entries",
		Help: "Images and references to them whose entry points are remembered.",
	}, func() float64 { return float64(r.results.Len() + r.images.Len()) })
	if o.Registerer != nil {
		for _, c := range []prometheus.Collector{r.lookups, size} {
			if err := o.Registerer.Register(c); err != nil {
				return nil, fmt.Errorf("register metrics: %w", err)
			}
		}
	}
	return r, nil
}

// Wait returns when no lookup is under way any more. The context must have ended.
func (r *Resolver) Wait() { r.running.Wait() }

// result is what a lookup came to.
type result struct {
	image *imageconfig.Image
	err   *Error
	// until is when that is forgotten; zero: never.
	until time.Time
}

// Known gives what Lookup would, if that is remembered.
func (r *Resolver) Known(req Request) (image *imageconfig.Image, known bool, err error) {
	found, ok := r.remembered(r.key(&req))
	if !ok {
		return nil, false, nil
	}
	r.lookups.WithLabelValues("hit").Inc()
	image, err = found.answer()
	return image, true, err
}

// Lookup gives what the image runs. It waits no longer than the context; its errors are *Error.
func (r *Resolver) Lookup(ctx context.Context, req Request) (*imageconfig.Image, error) {
	key := r.key(&req)
	if found, ok := r.remembered(key); ok {
		r.lookups.WithLabelValues("hit").Inc()
		return found.answer()
	}
	began := time.Now()
	answer := r.flights.DoChan(key, func() (any, error) {
		r.running.Add(1)
		defer r.running.Done()
		return r.resolve(&req, key), nil
	})
	select {
	case got := <-answer:
		found, _ := got.Val.(result)
		if got.Shared && found.err == nil {
			r.lookups.WithLabelValues("hit").Inc()
		} else if found.err == nil {
			r.lookups.WithLabelValues("miss").Inc()
		} else {
			r.lookups.WithLabelValues("error").Inc()
		}
		return found.answer()
	case <-ctx.Done():
		r.lookups.WithLabelValues("error").Inc()
		host := hostOf(req.Image)
		failure := explain(ctx.Err(), host, 0, time.Since(began))
		if n := r.queue(host).waiting.Load(); n > 0 {
			failure.cause += fmt.Sprintf(" (%d lookups wait for it)", n)
		}
		return nil, failure
	}
}

func (r result) answer() (*imageconfig.Image, error) {
	if r.err != nil {
		return nil, r.err
	}
	return r.image, nil
}

// key is who asks for what. Without pull secrets it doesn't matter who.
func (r *Resolver) key(req *Request) string { return r.viewer(req) + req.Image }

func (r *Resolver) viewer(req *Request) string {
	if r.options.Secrets == nil || len(req.PullSecrets) == 0 {
		return ""
	}
	return req.Namespace + "\x00" + strings.Join(req.PullSecrets, "\x00") + "\x00\x00"
}

func (r *Resolver) remembered(key string) (result, bool) {
	value, ok := r.results.Get(key)
	if !ok {
		return result{}, false
	}
	found, _ := value.(result)
	if !found.until.IsZero() && time.Now().After(found.until) {
		return result{}, false
	}
	return found, true
}

// resolve looks up, and remembers.
func (r *Resolver) resolve(req *Request, key string) (found result) {
	if found, ok := r.remembered(key); ok { // by one that has just ended
		return found
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.options.Timeout)
	defer cancel()
	defer func() { r.results.Add(key, found) }()
	reference, err := name.ParseReference(req.Image)
	if err != nil {
		return result{err: &Error{cause: "the image's name can't be read: " + short(err)}, until: time.Now().Add(failureFor)}
	}
	_, pinned := reference.(name.Digest)
	image, failure := r.ask(ctx, req, reference)
	switch {
	case failure != nil && failure.unasked:
		return result{err: failure, until: time.Now()}
	case failure != nil:
		return result{err: failure, until: time.Now().Add(failureFor)}
	case pinned:
		return result{image: image}
	default:
		return result{image: image, until: time.Now().Add(tagFor)}
	}
}

// ask asks mirrors and registry, with each credential, until one tells.
func (r *Resolver) ask(ctx context.Context, req *Request, reference name.Reference) (*imageconfig.Image, *Error) {
	repository, began := reference.Context(), time.Now()
	host := repository.RegistryStr()
	credentials, unread, err := r.credentials(ctx, req, repository.Name())
	if err != nil {
		return nil, explain(err, host, 0, time.Since(began))
	}
	known := func(digest string) *imageconfig.Image {
		value, ok := r.images.Get(r.viewer(req) + repository.Name() + "@" + digest)
		if !ok {
			return nil
		}
		image, _ := value.(*imageconfig.Image)
		return image
	}
	release, err := r.slot(ctx, host)
	if err != nil {
		return nil, &Error{cause: fmt.Sprintf("registry %s could not be asked within %s: other lookups wait for it, too", host, time.Since(began).Round(100*time.Millisecond)), unasked: true}
	}
	defer release()
	var failure *Error
	for _, e := range r.endpointsOf(host) {
		for _, c := range credentials {
			var image *imageconfig.Image
			s, err := r.open(ctx, e, repository.RepositoryStr(), c)
			if err == nil {
				image, err = s.image(reference.Identifier(), known)
			}
			if err == nil {
				r.images.Add(r.viewer(req)+repository.Name()+"@"+image.Digest, image)
				return image, nil
			}
			failure = explain(err, e.host, len(credentials)-1, time.Since(began))
			if !refused(err) {
				break
			}
		}
	}
	if unread != nil && failure != nil {
		failure = &Error{cause: failure.cause + "; " + unread.Error()}
	}
	return nil, failure
}

// credentials are those to ask with, one after the other; the last, nil, is none. unread says which pull
// secrets could not be read.
func (r *Resolver) credentials(ctx context.Context, req *Request, repository string) (list []*keyring.Credential, unread, err error) {
	add := func(k *keyring.Keyring) {
		if k != nil {
			for _, c := range k.Find(repository) {
				list = append(list, &c)
			}
		}
	}
	switch {
	case len(req.PullSecrets) == 0:
	case r.options.Secrets == nil:
		unread = fmt.Errorf("the Pod's imagePullSecrets are not read (--pull-secrets=false)")
	default:
		var k *keyring.Keyring
		k, unread = r.options.Secrets.Keyring(ctx, req.Namespace, req.PullSecrets)
		add(k)
	}
	if r.options.Common != nil {
		k, err := r.options.Common()
		if err != nil {
			return nil, unread, &Error{cause: "the installation's own credentials can't be read: " + short(err)}
		}
		add(k)
	}
	return append(list, nil), unread, nil
}

func (r *Resolver) endpointsOf(host string) []endpoint {
	if list, ok := r.endpoints[host]; ok {
		return list
	}
	return []endpoint{{host, r.unlisted}}
}

// queue is of those who want to ask one registry.
type queue struct {
	slots   *semaphore.Weighted
	waiting atomic.Int32
}

func (r *Resolver) queue(host string) *queue {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	q, ok := r.queues[host]
	if !ok {
		if len(r.queues) >= maxEntries {
			r.queues = map[string]*queue{} // those who hold a slot give it back to the old
		}
		q = &queue{slots: semaphore.NewWeighted(perRegistry)}
		r.queues[host] = q
	}
	return q
}

// slot waits until the registry may be asked. What it returns is to be called when that is over.
func (r *Resolver) slot(ctx context.Context, host string) (release func(), err error) {
	q := r.queue(host)
	q.waiting.Add(1)
	defer q.waiting.Add(-1)
	if err := q.slots.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	if err := r.slots.Acquire(ctx, 1); err != nil {
		q.slots.Release(1)
		return nil, err
	}
	return func() { r.slots.Release(1); q.slots.Release(1) }, nil
}

// hostOf is the image's registry, for people.
func hostOf(image string) string {
	reference, err := name.ParseReference(image)
	if err != nil {
		return "of " + image
	}
	return reference.Context().RegistryStr()
}

package receive

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	"k8s.io/client-go/util/flowcontrol"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
)

// Keys of a review's extra (upstream: k8s.io/apiserver/pkg/authentication/serviceaccount/util.go).
const (
	podNameKey  = "authentication.kubernetes.io/pod-name"
	podUIDKey   = "authentication.kubernetes.io/pod-uid"
	nodeNameKey = "authentication.kubernetes.io/node-name"
)

// Limits of a Reviewer.
const (
	// remember is how long a token that was good counts as good. A Pod tells most of what it has to tell in
	// a few reports, shortly after one another.
	remember = 10 * time.Second
	// maxRemembered is how many are remembered at most.
	maxRemembered = 20_000
	// reviews a second, so many at once.
	reviewsPerSecond = 200
	reviewBurst      = 200
	// reviewTimeout bounds the wait for one, and itself.
	reviewTimeout = 4 * time.Second
)

// Identity is whose token it is.
type Identity struct {
	report.Pod
	// Node is the Pod's; empty before Kubernetes 1.30, which doesn't say.
	Node string
}

var (
	// errBadToken says that a token proves nothing.
	errBadToken = errors.New("the token is not one that the API server has given to a running Pod for " + api.ReportAudience)
	// errBusy says that there are too many tokens to look at.
	errBusy = errors.New("too many reports at once")
)

// Reviewer finds out whose a token is, by asking the API server.
type Reviewer struct {
	client authenticationclient.TokenReviewInterface
	limit  flowcontrol.RateLimiter
	now    func() time.Time

	mu    sync.Mutex
	known map[[sha256.Size]byte]remembered
}

type remembered struct {
	identity Identity
	until    time.Time
}

// NewReviewer returns a Reviewer.
func NewReviewer(client authenticationclient.TokenReviewInterface) *Reviewer {
	return &Reviewer{client: client, limit: flowcontrol.NewTokenBucketRateLimiter(reviewsPerSecond, reviewBurst), now: time.Now,
		known: map[[sha256.Size]byte]remembered{}}
}

// Review says whose the token is. Its error is errBadToken, errBusy, or says that the API server could not be
// asked; none holds anything of the token.
func (r *Reviewer) Review(ctx context.Context, token string) (Identity, error) {
	expires, ok := plausible(token, r.now())
	if !ok {
		return Identity{}, errBadToken // nobody need be asked
	}
	key := sha256.Sum256([]byte(token))
	if identity, ok := r.recall(key); ok {
		return identity, nil
	}
	ctx, cancel := context.WithTimeout(ctx, reviewTimeout)
	defer cancel()
	if err := r.limit.Wait(ctx); err != nil {
		return Identity{}, errBusy
	}
	review, err := r.client.Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{api.ReportAudience}},
	}, metav1.CreateOptions{})
	if err != nil {
		return Identity{}, fmt.Errorf("ask the API server whose a token is: %w", err)
	}
	identity, ok := identify(&review.Status)
	if !ok {
		return Identity{}, errBadToken
	}
	r.keep(key, remembered{identity, earlier(r.now().Add(remember), expires)})
	return identity, nil
}

// identify reads a review. ok is false if it says anything else than that a Pod has shown its own token.
func identify(status *authenticationv1.TokenReviewStatus) (identity Identity, ok bool) {
	one := func(key string) string {
		if values := status.User.Extra[key]; len(values) == 1 {
			return values[0]
		}
		return ""
	}
	if !status.Authenticated || !slices.Contains(status.Audiences, api.ReportAudience) {
		return identity, false
	}
	// system:serviceaccount:NAMESPACE:NAME
	parts := strings.Split(status.User.Username, ":")
	if len(parts) != 4 || parts[0] != "system" || parts[1] != "serviceaccount" {
		return identity, false
	}
	identity = Identity{Pod: report.Pod{Namespace: parts[2], Name: one(podNameKey), UID: one(podUIDKey)}, Node: one(nodeNameKey)}
	return identity, identity.Name != "" && identity.UID != ""
}

// plausible reads what a token says of itself, unproven, and when it expires. ok is false if the API server
// can't but refuse it.
func plausible(token string, now time.Time) (expires time.Time, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return expires, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return expires, false
	}
	var claims struct {
		Audience []string `json:"aud"`
		Expires  int64    `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || !slices.Contains(claims.Audience, api.ReportAudience) {
		return expires, false
	}
	expires = time.Unix(claims.Expires, 0)
	return expires, now.Before(expires)
}

func (r *Reviewer) recall(key [sha256.Size]byte) (Identity, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.known[key]
	if ok && !r.now().Before(k.until) {
		delete(r.known, key)
		ok = false
	}
	return k.identity, ok
}

func (r *Reviewer) keep(key [sha256.Size]byte, k remembered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxRemembered {
		now := r.now()
		for key, k := range r.known {
			if !now.Before(k.until) {
				delete(r.known, key)
			}
		}
	}
	if len(r.known) < maxRemembered {
		r.known[key] = k
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

package receive

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	"k8s.io/client-go/util/flowcontrol"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// reviews answers reviews, and counts them.
type reviews struct {
	authenticationclient.TokenReviewInterface
	asked  int
	fails  error
	answer func(*authenticationv1.TokenReviewStatus)
}

func (r *reviews) Create(_ context.Context, review *authenticationv1.TokenReview, _ metav1.CreateOptions) (*authenticationv1.TokenReview, error) {
	r.asked++
	if r.fails != nil {
		return nil, r.fails
	}
	review.Status = authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: review.Spec.Audiences, User: authenticationv1.UserInfo{
		Username: "system:serviceaccount:ns:default",
		Extra: map[string]authenticationv1.ExtraValue{
			podNameKey: {"pod"}, podUIDKey: {"uid"}, nodeNameKey: {"node"},
		},
	}}
	if r.answer != nil {
		r.answer(&review.Status)
	}
	return review, nil
}

func newReviewer(r *reviews) *Reviewer {
	reviewer := NewReviewer(r)
	reviewer.now = func() time.Time { return now }
	return reviewer
}

// token is one that says this of itself; name makes it different from others.
func token(name, audience string, expires time.Time) string {
	payload, err := json.Marshal(map[string]any{"aud": []string{audience}, "exp": expires.Unix()})
	if err != nil {
		return err.Error()
	}
	return name + "." + base64.RawURLEncoding.EncodeToString(payload) + ".signature"
}

func good(name string) string { return token(name, api.ReportAudience, now.Add(time.Hour)) }

func TestReview(t *testing.T) {
	r := &reviews{}
	reviewer := newReviewer(r)
	want := Identity{Pod: report.Pod{Namespace: "ns", Name: "pod", UID: "uid"}, Node: "node"}
	for range 3 {
		identity, err := reviewer.Review(t.Context(), good("a"))
		require.NoError(t, err)
		require.Equal(t, want, identity)
	}
	require.Equal(t, 1, r.asked, "it is remembered")
	_, err := reviewer.Review(t.Context(), good("b"))
	require.NoError(t, err)
	require.Equal(t, 2, r.asked, "another token is another")

	reviewer.now = func() time.Time { return now.Add(remember) }
	_, err = reviewer.Review(t.Context(), good("a"))
	require.NoError(t, err)
	require.Equal(t, 3, r.asked, "but not for long")
}

// TestRememberedNotBeyondItsEnd: a token that is remembered still expires.
func TestRememberedNotBeyondItsEnd(t *testing.T) {
	r := &reviews{}
	reviewer := newReviewer(r)
	short := token("a", api.ReportAudience, now.Add(2*time.Second))
	_, err := reviewer.Review(t.Context(), short)
	require.NoError(t, err)
	reviewer.now = func() time.Time { return now.Add(2 * time.Second) }
	_, err = reviewer.Review(t.Context(), short)
	require.ErrorIs(t, err, errBadToken)
	require.Equal(t, 1, r.asked)
}

func TestReviewNobodyNeedBeAsked(t *testing.T) {
	r := &reviews{}
	for _, text := range []string{"", "secret", "a.b", "a.!.c", "a." + base64.RawURLEncoding.EncodeToString([]byte("[]")) + ".c",
		token("a", "https://kubernetes.default.svc", now.Add(time.Hour)), token("a", api.ReportAudience, now), token("a", "", now.Add(time.Hour))} {
		_, err := newReviewer(r).Review(t.Context(), text)
		require.ErrorIs(t, err, errBadToken, text)
	}
	require.Zero(t, r.asked)
}

// TestReviewOfOthers: what the API server says of whoever is no Pod is no identity, and isn't remembered.
func TestReviewOfOthers(t *testing.T) {
	for name, answer := range map[string]func(*authenticationv1.TokenReviewStatus){
		"not authenticated":   func(s *authenticationv1.TokenReviewStatus) { s.Authenticated = false },
		"another audience":    func(s *authenticationv1.TokenReviewStatus) { s.Audiences = []string{"vault"} },
		"no audience":         func(s *authenticationv1.TokenReviewStatus) { s.Audiences = nil },
		"a user":              func(s *authenticationv1.TokenReviewStatus) { s.User.Username = "alice" },
		"a user of that form": func(s *authenticationv1.TokenReviewStatus) { s.User.Username = "x:serviceaccount:ns:default" },
		"of no Pod":           func(s *authenticationv1.TokenReviewStatus) { s.User.Extra = nil },
		"without the uid":     func(s *authenticationv1.TokenReviewStatus) { delete(s.User.Extra, podUIDKey) },
		"of two Pods":         func(s *authenticationv1.TokenReviewStatus) { s.User.Extra[podNameKey] = []string{"a", "b"} },
	} {
		t.Run(name, func(t *testing.T) {
			r := &reviews{answer: answer}
			reviewer := newReviewer(r)
			for n := 1; n <= 2; n++ {
				_, err := reviewer.Review(t.Context(), good("a"))
				require.ErrorIs(t, err, errBadToken)
				require.Equal(t, n, r.asked)
			}
		})
	}
}

func TestReviewFails(t *testing.T) {
	r := &reviews{fails: errors.New("connection refused")}
	reviewer := newReviewer(r)
	_, err := reviewer.Review(t.Context(), good("secret"))
	require.EqualError(t, err, "ask the API server whose a token is: connection refused")
	r.fails = nil
	_, err = reviewer.Review(t.Context(), good("secret"))
	require.NoError(t, err, "a failure isn't remembered")

	reviewer.limit = flowcontrol.NewTokenBucketRateLimiter(0.001, 1)
	require.True(t, reviewer.limit.TryAccept())
	_, err = reviewer.Review(t.Context(), good("other"))
	require.ErrorIs(t, err, errBusy)
}

func TestRememberedIsBounded(t *testing.T) {
	reviewer := newReviewer(&reviews{})
	for n := range maxRemembered {
		reviewer.keep([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}, remembered{until: now.Add(time.Second)})
	}
	_, err := reviewer.Review(t.Context(), good("one more"))
	require.NoError(t, err)
	require.Len(t, reviewer.known, maxRemembered)
	reviewer.now = func() time.Time { return now.Add(time.Second) }
	_, err = reviewer.Review(t.Context(), good("one more"))
	require.NoError(t, err)
	require.Len(t, reviewer.known, 1, "those that are over make room")
}

func FuzzPlausible(f *testing.F) {
	f.Add(good("a"))
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		if expires, ok := plausible(text, now); ok {
			require.True(t, now.Before(expires), fmt.Sprint(expires))
		}
	})
}

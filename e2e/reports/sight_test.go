//go:build e2e

package reports

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
)

// sight is a Pod or an Event as the API server has shown it.
type sight struct {
	at    int64 // CLOCK_MONOTONIC in nanoseconds, as records have it
	pod   *corev1.Pod
	event *corev1.Event
}

// sights are all of a namespace, in the order in which they were shown: what was there for a moment is seen.
type sights struct {
	*testing.T
	mu   sync.Mutex
	list []*sight
	// next is the first that await has not looked at, for each kind.
	nextPod, nextEvent int
	news               chan struct{}
}

// follow looks at a namespace until the test ends.
func follow(t *testing.T, api kubernetes.Interface, namespace string) *sights {
	t.Helper()
	s := &sights{T: t, news: make(chan struct{}, 1)}
	pods, err := api.CoreV1().Pods(namespace).Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	events, err := api.CoreV1().Events(namespace).Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	var all sync.WaitGroup
	for _, w := range []watch.Interface{pods, events} {
		all.Go(func() { s.take(w) })
	}
	t.Cleanup(func() {
		pods.Stop()
		events.Stop()
		all.Wait()
	})
	return s
}

func (s *sights) take(w watch.Interface) {
	for change := range w.ResultChan() {
		seen := &sight{at: monotonic()}
		seen.pod, _ = change.Object.(*corev1.Pod)
		seen.event, _ = change.Object.(*corev1.Event)
		s.mu.Lock()
		s.list = append(s.list, seen)
		s.mu.Unlock()
		select {
		case s.news <- struct{}{}:
		default:
		}
	}
}

// await returns the next sight that fits. Each call looks at Pods, or Events, that come after the one that the call
// before it has returned; what it fits is of one kind.
func (s *sights) await(what string, fits func(*sight) bool) *sight {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	for {
		if found := s.search(fits); found != nil {
			return found
		}
		select {
		case <-s.news:
		case <-time.After(time.Second): // another await has taken the word
		case <-ctx.Done():
			require.FailNow(s, "not seen: "+what, "%s", s.lastPod())
		}
	}
}

func (s *sights) search(fits func(*sight) bool) *sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, seen := range s.list {
		next := &s.nextPod
		if seen.event != nil {
			next = &s.nextEvent
		}
		if i >= *next && fits(seen) {
			*next = i + 1
			return seen
		}
	}
	return nil
}

// any returns whether anything seen so far fits.
func (s *sights) any(fits func(*sight) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seen := range s.list {
		if fits(seen) {
			return true
		}
	}
	return false
}

// lastPod is the Pod as it was last, for a failure's message.
func (s *sights) lastPod() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := ""
	for _, seen := range s.list {
		if seen.pod != nil {
			text = "annotations: " + toJSON(seen.pod.Annotations) + "\nstatus: " + toJSON(seen.pod.Status)
		}
	}
	return text
}

func monotonic() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err) // no kernel is without it
	}
	return now.Nano()
}

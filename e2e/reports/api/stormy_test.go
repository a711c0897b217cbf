//go:build integration

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/report"
	"restartrules.dev/pkg/report/deliver"
)

// stormy is a Pod whose watcher reports.
type stormy struct {
	*watcher
	deliver.Options

	mu     sync.Mutex
	want   *report.Status
	told   time.Time
	failed map[string]int
}

type storm map[string]*stormy // by UID

// makeStorm makes Pods that exist in the API only, and what the kubelet would project into them.
func makeStorm(t *testing.T, n int) storm {
	t.Helper()
	began := time.Now()
	dir, ca := t.TempDir(), filepath.Join(s.webhook.certDir, "ca.crt")
	made := make([]*stormy, n)
	var group errgroup.Group
	group.SetLimit(16)
	for i := range made {
		group.Go(func() error {
			pod, err := s.api.CoreV1().Pods("storm").Create(t.Context(), &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("worker-%05d", i), Annotations: map[string]string{api.PlanAnnotation: "{}"}},
				Spec:       corev1.PodSpec{ServiceAccountName: "default", Containers: []corev1.Container{{Name: "app", Image: "app"}, {Name: "side", Image: "side"}}},
			}, metav1.CreateOptions{})
			if err != nil {
				return err
			}
			token, err := requestToken(t.Context(), pod, api.ReportAudience)
			if err != nil {
				return err
			}
			file := filepath.Join(dir, pod.Name)
			book := report.NewBook(map[string]report.Container{"app": {Counts: "app"}, "side": {Counts: "side"}}, true, time.Now())
			book.Started("app", 1, nil, time.Now())
			book.Started("side", 1, nil, time.Now())
			made[i] = &stormy{watcher: &watcher{pod: pod, token: token, book: book}, failed: map[string]int{},
				Options: deliver.Options{URL: s.webhook.url(), TokenFile: file, CAFile: ca}}
			return os.WriteFile(file, []byte(token), 0o600)
		})
	}
	require.NoError(t, group.Wait())
	all := storm{}
	for _, p := range made {
		all[string(p.pod.UID)] = p
	}
	t.Logf("%d Pods and tokens made in %.1f s", n, time.Since(began).Seconds())
	return all
}

// report lets all watchers report.
func (all storm) report(t *testing.T) *reporting {
	ctx, cancel := context.WithCancel(t.Context())
	r := &reporting{cancel: cancel}
	for _, p := range all {
		r.Go(func() { p.report(ctx, t) })
	}
	return r
}

// The documents that a watcher has to tell, by number: the restart has begun, it is over, and the same once more.
const (
	begun = iota + 1
	over
	again
)

// report is what the watcher does: it restarts the Pod, some time within the storm, and tells it until it is told, and
// some minutes later once more. The reporter is the real one, but for the process; what starts it does as
// pkg/report/outbox.
func (p *stormy) report(ctx context.Context, t *testing.T) {
	sleep(ctx, time.Duration(rand.Int64N(int64(stormLasts-longest))))
	code, exited := 88, time.Now()
	p.book.Began(report.Restart{Container: "app", ExitCode: &code, Rule: 1, Action: report.ActionRestartAll}, 1, 0, exited)
	outbox := &outbox{news: make(chan struct{}, 1)}
	outbox.put(begun, p.watcher.report(t))
	restarts := time.AfterFunc(shortest+time.Duration(rand.Int64N(int64(longest-shortest))), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		now := time.Now()
		p.book.Started("app", 2, nil, now)
		p.book.Started("side", 2, nil, now)
		p.book.Finished(now.Sub(exited), now)
		p.want = &p.book.Report(identityOf(p.pod)).Status
		outbox.put(over, p.watcher.report(t))
	})
	defer restarts.Stop()
	for pause := time.Duration(0); ctx.Err() == nil; sleep(ctx, byChance(pause)) {
		told, err := outbox.pass(ctx, &p.Options)
		switch {
		case told == again:
			return
		case told == over:
			p.mu.Lock()
			p.told = time.Now()
			p.book.Told(1)
			text := p.watcher.report(t)
			p.mu.Unlock()
			sleep(ctx, byChance(3*time.Minute))
			outbox.put(again, text)
			pause = 0
		case err == nil: // it has ended because there was nothing new
			pause = 0
		case ctx.Err() == nil:
			pause = min(max(2*pause, time.Second), 5*time.Minute)
			p.mu.Lock()
			p.failed[kindOf(err)]++
			p.mu.Unlock()
		}
	}
}

// outbox has the latest document.
type outbox struct {
	mu       sync.Mutex
	number   int
	document []byte
	news     chan struct{}
}

func (o *outbox) put(number int, document []byte) {
	o.mu.Lock()
	o.number, o.document = number, document
	o.mu.Unlock()
	select {
	case o.news <- struct{}{}:
	default:
	}
}

func (o *outbox) line() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return fmt.Appendf(nil, "%d %s\n", o.number, o.document)
}

// pass has a reporter tell the latest, and what comes until it ends. told is the number of what it has told last.
func (o *outbox) pass(ctx context.Context, options *deliver.Options) (told int, err error) {
	select {
	case <-o.news:
	default:
	}
	in, feed := io.Pipe()
	ended := make(chan struct{})
	var feeder sync.WaitGroup
	feeder.Go(func() {
		for {
			if _, err := feed.Write(o.line()); err != nil {
				return
			}
			select {
			case <-o.news:
			case <-ended:
				return
			}
		}
	})
	var answers bytes.Buffer
	err = deliver.Serve(ctx, in, &answers, *options)
	close(ended)
	in.Close()
	feeder.Wait()
	if numbers := strings.Fields(answers.String()); len(numbers) > 0 {
		told, _ = strconv.Atoi(numbers[len(numbers)-1])
	}
	return told, err
}

func byChance(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.5 + rand.Float64()))
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

var ports = regexp.MustCompile(`:\d{4,}`)

// kindOf is why a report could not be delivered, without what differs from one to the next.
func kindOf(err error) string {
	text := err.Error()
	if _, why, ok := strings.Cut(text, `/report": `); ok {
		text = why
	}
	return ports.ReplaceAllString(text, "")
}

func (all storm) failures() map[string]int {
	counts := map[string]int{}
	for _, p := range all {
		for why, n := range p.failed {
			counts[why] += n
		}
	}
	return counts
}

func (all storm) lastTold() (last time.Time) {
	for _, p := range all {
		if p.told.After(last) {
			last = p.told
		}
	}
	return last
}

// right says whether the API shows of the Pod what its watcher knows, and that is right.
func (p *stormy) right(pod *corev1.Pod) error {
	p.mu.Lock()
	want := p.want
	p.mu.Unlock()
	if want == nil {
		return errors.New("it has not restarted yet")
	}
	if want.Restarts["app"] != 1 || want.Restarts["side"] != 1 {
		return fmt.Errorf("restarts are %v, expected one of each container", want.Restarts)
	}
	text, err := json.Marshal(want)
	if err != nil {
		return err
	}
	if got := pod.Annotations[api.StatusAnnotation]; got != string(text) {
		return fmt.Errorf("annotation %s is %s, expected %s", api.StatusAnnotation, got, text)
	}
	c := conditionOf(pod, corev1.AllContainersRestarting)
	if c == nil || c.Status != corev1.ConditionFalse || !strings.HasPrefix(c.Message, "all containers were restarted in place in ") {
		return fmt.Errorf("the condition is %+v", c)
	}
	return nil
}

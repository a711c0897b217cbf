package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"restartrules.dev/pkg/api"
)

// follow tells the story what happens, and writes the timeline, until all promises are kept or the
// examples have had all the time that they get. That they were kept is for the caller to check.
func follow(ctx context.Context, client kubernetes.Interface, s *story, out page) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pods, err := client.CoreV1().Pods(namespace).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("watch the Pods: %w", err)
	}
	defer pods.Stop()
	jobs, err := client.BatchV1().Jobs(namespace).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("watch the Jobs: %w", err)
	}
	defer jobs.Stop()
	logs := newLogs(client)
	defer logs.wait()
	defer cancel() // before wait

	for !s.allKept() {
		var events []event
		var err error
		select {
		case <-ctx.Done():
			return over(ctx, nil)
		case e, open := <-pods.ResultChan():
			if !open {
				return over(ctx, errors.New("the API server closed the watch of the Pods"))
			}
			pod, ok := e.Object.(*corev1.Pod)
			if !ok || e.Type == watch.Deleted {
				continue
			}
			if events, err = s.seePod(pod); err == nil {
				logs.follow(ctx, pod)
			}
		case e, open := <-jobs.ResultChan():
			if !open {
				return over(ctx, errors.New("the API server closed the watch of the Jobs"))
			}
			if job, ok := e.Object.(*batchv1.Job); ok && e.Type != watch.Deleted {
				events = s.seeJob(job)
			}
		case line := <-logs.lines:
			if err = line.err; err == nil {
				events, err = s.seeLog(line.pod, line.text)
			}
		}
		if err != nil {
			return over(ctx, err)
		}
		for _, e := range events {
			out.event(time.Since(began), e)
		}
	}
	return nil
}

// over is why following ends: nil if the time is over, the context's error if that was cancelled, else
// the reason.
func over(ctx context.Context, reason error) error {
	switch err := ctx.Err(); {
	case err == nil:
		return reason
	case errors.Is(err, context.DeadlineExceeded):
		return nil
	default:
		return err
	}
}

// logs follows the logs of the Pods' watchers.
type logs struct {
	client    kubernetes.Interface
	lines     chan podLine
	followed  map[string]bool
	followers sync.WaitGroup
}

// podLine is a line of the log of a Pod's watcher, or why there are no more.
type podLine struct {
	pod  string
	text []byte
	err  error
}

func newLogs(client kubernetes.Interface) *logs {
	return &logs{client: client, lines: make(chan podLine), followed: map[string]bool{}}
}

// follow follows the log of the Pod's watcher, once it has one. It returns at once.
func (l *logs) follow(ctx context.Context, pod *corev1.Pod) {
	if l.followed[pod.Name] || status(pod, api.WatcherContainer).ContainerID == "" {
		return
	}
	l.followed[pod.Name] = true
	name := pod.Name
	l.followers.Go(func() {
		if err := l.read(ctx, name); err != nil {
			l.send(ctx, podLine{pod: name, err: fmt.Errorf("pod %s: log of its watcher: %w", name, err)})
		}
	})
}

func (l *logs) read(ctx context.Context, pod string) error {
	stream, err := l.client.CoreV1().Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{Container: api.WatcherContainer, Follow: true}).Stream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	lines := bufio.NewScanner(stream)
	for lines.Scan() {
		l.send(ctx, podLine{pod: pod, text: append([]byte(nil), lines.Bytes()...)})
	}
	return lines.Err()
}

func (l *logs) send(ctx context.Context, line podLine) {
	select {
	case l.lines <- line:
	case <-ctx.Done():
	}
}

// wait returns when nothing is followed any more; the context of follow must have ended.
func (l *logs) wait() { l.followers.Wait() }

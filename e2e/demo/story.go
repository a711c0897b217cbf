package main

import (
	"encoding/json"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/rules"
)

// story is everything that was seen of the demo's Pods and Jobs. It knows no cluster: it is told.
type story struct {
	// pods and jobs are by name.
	pods map[string]*podStory
	jobs map[string]*batchv1.Job
}

type podStory struct {
	// pod is as last seen.
	pod        *corev1.Pod
	judgements map[string]judgement
	containers map[string]*containerStory
}

type containerStory struct {
	// first and last are what the container was when it was first seen with an ID, and last.
	first, last identity
	// attempts are those that the watcher told of.
	attempts []attempt
	// toldStart and toldEnd are the IDs of the containers whose start and end the timeline has, if
	// the kubelet decides.
	toldStart, toldEnd string
}

// identity is what a restart in place keeps.
type identity struct {
	uid, ip, containerID string
	restartCount         int32
}

// attempt is one process of a container.
type attempt struct {
	number, pid int
	// at is when its start was logged.
	at time.Time
	// inPlace: it follows another in the same container. Then took is the time between the end of that
	// one and its own start, back-off excluded.
	inPlace bool
	took    time.Duration
}

func newStory() *story {
	return &story{pods: map[string]*podStory{}, jobs: map[string]*batchv1.Job{}}
}

// seePod takes in the Pod as it is now, and returns what is new about it. An error says that the Pod
// is none that was injected.
func (s *story) seePod(pod *corev1.Pod) ([]event, error) {
	p := s.pods[pod.Name]
	if p == nil {
		all, err := judgements(pod)
		if err != nil {
			return nil, err
		}
		p = &podStory{pod: pod, judgements: all, containers: map[string]*containerStory{}}
		for name := range all {
			p.containers[name] = &containerStory{}
		}
		s.pods[pod.Name] = p
	}
	phase := p.pod.Status.Phase
	p.pod = pod
	var events []event
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range list {
			events = append(events, p.seeContainer(&list[i])...)
		}
	}
	if now := pod.Status.Phase; now != phase && (now == corev1.PodSucceeded || now == corev1.PodFailed) {
		events = append(events, event{subject: pod.Name, done: "the Pod is " + string(now), tone: toneOf(now == corev1.PodSucceeded)})
	}
	return events, nil
}

func (p *podStory) seeContainer(status *corev1.ContainerStatus) []event {
	c := p.containers[status.Name]
	if c == nil || status.ContainerID == "" {
		return nil // the watcher, or it has not started
	}
	c.last = identity{string(p.pod.UID), p.pod.Status.PodIP, status.ContainerID, status.RestartCount}
	if c.first.containerID == "" || c.first.ip == "" {
		c.first = c.last
	}
	j := p.judgements[status.Name]
	if j.wrapped {
		return nil // its shim knows better
	}
	var events []event
	tell := func(e event) {
		e.subject, e.container = p.pod.Name, status.Name
		events = append(events, e)
	}
	end := status.State.Terminated
	if end == nil {
		end = status.LastTerminationState.Terminated
	}
	if end != nil && end.ContainerID != c.toldEnd {
		c.toldEnd = end.ContainerID
		tell(j.ending(int(end.ExitCode)))
	}
	if status.State.Running != nil && status.ContainerID != c.toldStart {
		c.toldStart = status.ContainerID
		done := "started"
		if status.RestartCount > 0 {
			done = fmt.Sprintf("started by the kubelet in a new container, restartCount %d", status.RestartCount)
		}
		tell(event{done: done})
	}
	return events
}

// ending is the event of an exit that is not followed by a restart in place.
func (j judgement) ending(code int) event {
	decision, rule := j.decide(code)
	e := event{exit: &code, rule: rule, done: "ends for good"}
	switch decision.Action {
	case rules.Restart:
		e.done = "left to the kubelet, which restarts it"
	case rules.Fail:
		e.tone = bad
	}
	return e
}

// seeJob takes in the Job as it is now, and returns what is new about it.
func (s *story) seeJob(job *batchv1.Job) []event {
	before := s.jobs[job.Name]
	s.jobs[job.Name] = job
	var events []event
	for _, kind := range []batchv1.JobConditionType{batchv1.JobComplete, batchv1.JobFailed} {
		now := jobCondition(job, kind)
		if now == nil || before != nil && jobCondition(before, kind) != nil {
			continue
		}
		done := "the Job is " + string(kind)
		if kind == batchv1.JobFailed {
			done += ", reason " + now.Reason
		}
		events = append(events, event{subject: "job/" + job.Name, done: done, tone: toneOf(kind == batchv1.JobComplete)})
	}
	return events
}

// jobCondition is the Job's condition of that type if it is true, or nil.
func jobCondition(job *batchv1.Job, kind batchv1.JobConditionType) *batchv1.JobCondition {
	for i := range job.Status.Conditions {
		if c := &job.Status.Conditions[i]; c.Type == kind && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

// logLine is a line of the watcher's log (pkg/watcher, report).
type logLine struct {
	Time         time.Time
	Msg          string
	Container    string
	Attempt, PID int
	ExitCode     int
	Rule         int
	Micros       int64
	WaitMicros   int64
	LastExitCode int
}

// seeLog takes in a line that the watcher of a Pod, seen before, has logged, and returns what it tells.
func (s *story) seeLog(pod string, text []byte) ([]event, error) {
	var line logLine
	if err := json.Unmarshal(text, &line); err != nil {
		return nil, nil // the watcher's own shim writes text when it restarts it
	}
	p := s.pods[pod]
	if line.Container == "" || line.Container == api.WatcherContainer {
		return nil, nil
	}
	c := p.containers[line.Container]
	if c == nil {
		return nil, fmt.Errorf("pod %s: its watcher tells of container %q, which the plan doesn't have", pod, line.Container)
	}
	var e event
	j := p.judgements[line.Container]
	switch line.Msg {
	case "started":
		c.attempts = append(c.attempts, attempt{number: line.Attempt, pid: line.PID, at: line.Time})
		e.done = fmt.Sprintf("started: process %d", line.PID)
	case "exited":
		if line.WaitMicros == 0 {
			return nil, nil // told with the restart that follows at once
		}
		e.exit, e.rule = &line.ExitCode, j.text(line.Rule)
		e.done = fmt.Sprintf("back-off of %v", time.Duration(line.WaitMicros)*time.Microsecond)
	case "restarted in place":
		took := time.Duration(line.Micros) * time.Microsecond
		c.attempts = append(c.attempts, attempt{number: line.Attempt, pid: line.PID, at: line.Time, inPlace: true, took: took})
		e.exit, e.rule = &line.LastExitCode, j.text(line.Rule)
		e.done, e.tone = fmt.Sprintf("restarted in place in %s: process %d, attempt %d", millis(took), line.PID, line.Attempt), good
	case "ended":
		e = j.ending(line.ExitCode)
	default:
		return nil, nil
	}
	e.subject, e.container = pod, line.Container
	return []event{e}, nil
}

// restarts are the times that the restarts in place took.
func (c *containerStory) restarts() (took []time.Duration) {
	for _, a := range c.attempts {
		if a.inPlace {
			took = append(took, a.took)
		}
	}
	return took
}

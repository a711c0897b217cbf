package main

import (
	"errors"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// promise is what an example says of one of its objects, and what the demo checks.
type promise struct {
	file string
	// subject is a Pod, or a Job as job/NAME: its only Pod then.
	subject string
	// container is the one that is restarted in place, restarts times at least; empty: none is.
	container string
	restarts  int
	// ending is what holds when all is over, in words and as a check. The Job is nil for a Pod.
	ending string
	holds  func(pod *corev1.Pod, job *batchv1.Job) error
}

var promises = []promise{
	{"retriable-exit-code.yaml", "retriable-exit-code", "trainer", 2,
		"Succeeded", func(pod *corev1.Pod, _ *batchv1.Job) error {
			return errors.Join(phase(pod, corev1.PodSucceeded), terminated(pod, "trainer", 0, 0))
		}},
	{"init-one-try.yaml", "init-one-try", "server", 2,
		"Running", func(pod *corev1.Pod, _ *batchv1.Job) error {
			return errors.Join(phase(pod, corev1.PodRunning), terminated(pod, "migration", 0, 0))
		}},
	{"init-one-try.yaml", "init-one-try-fails", "", 0,
		"Failed, migration exited with 7, once", func(pod *corev1.Pod, _ *batchv1.Job) error {
			return errors.Join(phase(pod, corev1.PodFailed), terminated(pod, "migration", 7, 0), neverStarted(pod, "server"))
		}},
	{"two-policies.yaml", "two-policies", "shipper", 2,
		"Running, worker completed, restartCount 1", func(pod *corev1.Pod, _ *batchv1.Job) error {
			return errors.Join(phase(pod, corev1.PodRunning), terminated(pod, "worker", 0, 1))
		}},
	{"training-job.yaml", "job/training-job", "trainer", 2,
		"Complete, no failed Pod", func(pod *corev1.Pod, job *batchv1.Job) error {
			if job.Status.Succeeded != 1 || job.Status.Failed != 0 || jobCondition(job, batchv1.JobComplete) == nil {
				return fmt.Errorf("the Job has %d succeeded and %d failed Pods, expected it to be Complete with 1 and 0", job.Status.Succeeded, job.Status.Failed)
			}
			return errors.Join(phase(pod, corev1.PodSucceeded), terminated(pod, "trainer", 0, 0))
		}},
	{"training-job.yaml", "job/training-job-fatal", "trainer", 1,
		"Failed by podFailurePolicy, exit code 3", func(pod *corev1.Pod, job *batchv1.Job) error {
			if c := jobCondition(job, batchv1.JobFailed); c == nil || c.Reason != batchv1.JobReasonPodFailurePolicy {
				return fmt.Errorf("the Job is not Failed with reason %s", batchv1.JobReasonPodFailurePolicy)
			}
			return errors.Join(phase(pod, corev1.PodFailed), terminated(pod, "trainer", 3, 0))
		}},
}

// find is the Pod that the promise is about, and its Job if it has one.
func (p promise) find(s *story) (*podStory, *batchv1.Job, error) {
	name, isJob := strings.CutPrefix(p.subject, "job/")
	if !isJob {
		if pod := s.pods[name]; pod != nil {
			return pod, nil, nil
		}
		return nil, nil, errors.New("there is no such Pod")
	}
	job := s.jobs[name]
	if job == nil {
		return nil, nil, errors.New("there is no such Job")
	}
	var pods []*podStory
	for _, pod := range s.pods {
		if pod.pod.Labels[batchv1.JobNameLabel] == name {
			pods = append(pods, pod)
		}
	}
	if len(pods) != 1 {
		return nil, job, fmt.Errorf("the Job has had %d Pods, expected 1", len(pods))
	}
	return pods[0], job, nil
}

// check says what of the promise does not hold (yet).
func (p promise) check(s *story) error {
	pod, job, err := p.find(s)
	if err != nil {
		return err
	}
	err = p.holds(pod.pod, job)
	if p.container == "" {
		return err
	}
	c := pod.containers[p.container]
	if c == nil {
		return errors.Join(err, fmt.Errorf("there is no container %s", p.container))
	}
	return errors.Join(err, c.restartedInPlace(p.restarts))
}

// restartedInPlace checks that there were so many restarts in place, each a new process, and that the
// container and its Pod are what they were.
func (c *containerStory) restartedInPlace(atLeast int) error {
	if n := len(c.restarts()); n < atLeast {
		return fmt.Errorf("%d restarts in place, expected %d at least", n, atLeast)
	}
	if c.first.containerID == "" || c.first.ip == "" || c.first != c.last {
		return fmt.Errorf("the container is not what it was: %+v, before %+v", c.last, c.first)
	}
	if c.last.restartCount != 0 {
		return fmt.Errorf("restartCount is %d: the kubelet has restarted it", c.last.restartCount)
	}
	for i := 1; i < len(c.attempts); i++ {
		before, a := c.attempts[i-1], c.attempts[i]
		if a.pid == before.pid || !a.at.After(before.at) || a.number != before.number+1 {
			return fmt.Errorf("attempt %d (process %d, %v) does not follow attempt %d (process %d, %v)", a.number, a.pid, a.at, before.number, before.pid, before.at)
		}
	}
	return nil
}

// allKept reports whether there is nothing left to wait for.
func (s *story) allKept() bool {
	for _, p := range promises {
		if p.check(s) != nil {
			return false
		}
	}
	return true
}

func phase(pod *corev1.Pod, want corev1.PodPhase) error {
	if pod.Status.Phase != want {
		return fmt.Errorf("the Pod is %s, expected %s", pod.Status.Phase, want)
	}
	return nil
}

func terminated(pod *corev1.Pod, container string, code, restartCount int32) error {
	s := status(pod, container)
	if s.State.Terminated == nil {
		return fmt.Errorf("container %s has not ended", container)
	}
	if got := s.State.Terminated.ExitCode; got != code || s.RestartCount != restartCount {
		return fmt.Errorf("container %s has ended with %d, restartCount %d, expected %d and %d", container, got, s.RestartCount, code, restartCount)
	}
	return nil
}

func neverStarted(pod *corev1.Pod, container string) error {
	if id := status(pod, container).ContainerID; id != "" {
		return fmt.Errorf("container %s has started: %s", container, id)
	}
	return nil
}

// status is that of an init or a regular container.
func status(pod *corev1.Pod, container string) corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, s := range list {
			if s.Name == container {
				return s
			}
		}
	}
	return corev1.ContainerStatus{}
}

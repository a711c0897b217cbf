package rules

import corev1 "k8s.io/api/core/v1"

// Exit is how a container last ended. A container that never ended has none.
type Exit struct {
	Container *Container
	Code      int32
}

// Phase is the phase of a Pod of these containers, of which those with an Exit have ended so and the
// others run, or wait for their turn. A Pod in which a container is to be started again is Running,
// also while that waits in back-off; Pending before its init containers are done.
//
// Upstream: pkg/kubelet/kubelet_pods.go, getPhase. Sidecars don't matter there, once they have started.
func Phase(podPolicy corev1.RestartPolicy, containers []Container, exits []Exit) corev1.PodPhase {
	pending, running, failed := false, false, false
	for i := range containers {
		c := &containers[i]
		code, ended := exitOf(c, exits)
		var action Action
		if ended {
			action = Decide(podPolicy, c, code).Action
		}
		switch c.Kind {
		case Init:
			switch {
			case ended && (action == Fail || action == EndPod && code != 0):
				return corev1.PodFailed
			case !ended || action != Complete && action != EndPod:
				pending = true
			}
		case Regular:
			switch {
			case !ended || action == Restart || action == RestartAll:
				running = true
			case code != 0:
				failed = true
			}
		}
	}
	switch {
	case pending:
		return corev1.PodPending
	case running:
		return corev1.PodRunning
	case failed:
		return corev1.PodFailed
	default:
		return corev1.PodSucceeded
	}
}

func exitOf(c *Container, exits []Exit) (code int32, ended bool) {
	for i := range exits {
		if exits[i].Container == c {
			return exits[i].Code, true
		}
	}
	return 0, false
}

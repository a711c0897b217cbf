package explain

import (
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/rules"
)

// Phase is the phase of the Pod when these containers have ended with these codes, one each; the other
// init containers have succeeded, the other containers go on. It is empty if a container has several
// codes.
func Phase(c *inject.Compiled, exits map[string][]int) corev1.PodPhase {
	var containers []rules.Container
	for i := range c.Containers {
		containers = append(containers, c.Containers[i].Rules)
	}
	var ended []rules.Exit
	for i := range containers {
		switch codes := exits[containers[i].Name]; {
		case len(codes) > 1:
			return ""
		case len(codes) == 1:
			ended = append(ended, rules.Exit{Container: &containers[i], Code: int32(codes[0])})
		case containers[i].Kind == rules.Init:
			ended = append(ended, rules.Exit{Container: &containers[i]})
		}
	}
	return rules.Phase(c.Own, containers, ended)
}

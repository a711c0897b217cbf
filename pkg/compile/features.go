package compile

import (
	"fmt"
	"strings"
)

// The names of the features: those of Kubernetes' feature gates.
const (
	RestartFeature    = "ContainerRestartRules"
	RestartAllFeature = "RestartAllContainersOnContainerExits"
)

// Features are what the cluster does itself, on every node.
type Features struct {
	// Restart is RestartFeature: containers have a restartPolicy and rules with the action Restart.
	Restart bool
	// RestartAll is RestartAllFeature. It needs Restart.
	RestartAll bool
}

// ParseFeatures reads names of features. The error says which name is unknown, or which one lacks.
func ParseFeatures(names []string) (f Features, err error) {
	for _, name := range names {
		switch name {
		case RestartFeature:
			f.Restart = true
		case RestartAllFeature:
			f.RestartAll = true
		default:
			return Features{}, fmt.Errorf("%q is unknown, must be of %s", name, strings.Join([]string{RestartFeature, RestartAllFeature}, ", "))
		}
	}
	if f.RestartAll && !f.Restart {
		return Features{}, fmt.Errorf("has %s without %s, which it needs", RestartAllFeature, RestartFeature)
	}
	return f, nil
}

package node

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"restartrules.dev/e2e/cluster/build"
)

// Gates are feature gates by name. Nil Options.FeatureGates mean DefaultGates, empty ones Kubernetes' defaults.
type Gates map[string]bool

// ParseGates reads what the components' flag --feature-gates reads: Name=true,Other=false. The empty text is no gate.
func ParseGates(text string) (Gates, error) {
	gates := Gates{}
	if strings.TrimSpace(text) == "" {
		return gates, nil
	}
	for entry := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(entry), "=")
		on, err := strconv.ParseBool(value)
		if err != nil || name == "" || strings.ContainsFunc(name, notInName) {
			return nil, fmt.Errorf("feature gates %q: entry %q is not of the form Name=true or Name=false", text, entry)
		}
		if _, twice := gates[name]; twice {
			return nil, fmt.Errorf("feature gates %q: %s is there twice", text, name)
		}
		gates[name] = on
	}
	return gates, nil
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
}

// String is what ParseGates reads, sorted by name.
func (g Gates) String() string {
	var entries []string
	for _, name := range slices.Sorted(maps.Keys(g)) {
		entries = append(entries, fmt.Sprintf("%s=%t", name, g[name]))
	}
	return strings.Join(entries, ",")
}

// DefaultGates are the gates of a cluster that has no native restart rules. From 1.35 on the gates have to be turned
// off; before they were alpha or unknown (pkg/features/kube_features.go upstream).
func DefaultGates(version string) Gates {
	gates := Gates{}
	if minor(version) >= 35 {
		gates["ContainerRestartRules"] = false
		gates["RestartAllContainersOnContainerExits"] = false
	}
	return gates
}

// minor is the second number of a version that build.CheckVersion accepts, else 0.
func minor(version string) int {
	if build.CheckVersion(version) != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.Split(version, ".")[1])
	if err != nil {
		return 0
	}
	return n
}

package manifest

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"restartrules.dev/pkg/rules"
)

// DocumentVersion is the only value that the document's version may have.
const DocumentVersion = "v1"

// Document is the value of the annotation restartrules.dev/rules, or of
// restartrules.dev/lifted-rules, which has the same form and says less.
type Document struct {
	// Containers and InitContainers are in the order of the document; no name is in a list twice.
	Containers     []DocumentContainer
	InitContainers []DocumentContainer
	// RestartAllContainers is nil if the document doesn't have it.
	RestartAllContainers *RestartAllContainers

	lines map[string]int
}

// DocumentContainer is what the document says about one container.
type DocumentContainer struct {
	Name string
	Rules
	// Limits are those of the rules: as many as there are rules, or nil if no rule has one.
	Limits []rules.Limit
	// MaxRestarts is how often the container restarts in place before it ends with its exit code,
	// whatever rules and policy say; nil: there is no limit.
	MaxRestarts *int32
	// Backoff is nil if the document has none.
	Backoff *Backoff
}

// RestartAllContainers is how the Pod is restarted as a whole.
type RestartAllContainers struct {
	// TerminationGracePeriodSeconds is the time between SIGTERM and SIGKILL; nil: 2.
	TerminationGracePeriodSeconds *int32
	// PreStop has preStop hooks run before, within that time.
	PreStop bool
	// Backoff is nil if the document has none.
	Backoff *Backoff
	// KillTimeoutSeconds is how long a process may outlive SIGKILL before the Pod is given up; nil: 60.
	KillTimeoutSeconds *int32
}

// isAlways reports whether the entry says restartPolicy Always.
func (c *DocumentContainer) isAlways() bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// DocumentError is one thing that is wrong with a document.
type DocumentError struct {
	// Annotation is the one that holds the document.
	Annotation string
	// Path is where in the document, for example "containers[trainer].restartPolicyRules[0]";
	// empty for the document itself.
	Path string
	// Line counts from 1; 0 if it isn't known.
	Line int
	// Detail is what is wrong and what was expected.
	Detail string
}

func (e *DocumentError) Error() string {
	return fmt.Sprintf("annotation %s: %s", e.Annotation, e.AtLine())
}

// AtLine is the error without the name of the annotation.
func (e *DocumentError) AtLine() string {
	if e.Line == 0 {
		return e.Detail
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Detail)
}

// Line is the line that the field of that path begins in, or 0 if the document doesn't have it.
// Paths are as in DocumentError.
func (d *Document) Line(path string) int { return d.lines[path] }

// Container is what the document says about the container, or nil.
func (d *Document) Container(name string) *DocumentContainer { return find(d.Containers, name) }

// InitContainer is what the document says about the init container, or nil.
func (d *Document) InitContainer(name string) *DocumentContainer {
	return find(d.InitContainers, name)
}

// Equal reports whether both say the same, whatever their layout.
func (d *Document) Equal(other *Document) bool {
	return equality.Semantic.DeepEqual(d.meaning(), other.meaning()) &&
		equality.Semantic.DeepEqual(d.RestartAllContainers.meaning(), other.RestartAllContainers.meaning())
}

// meaning has the defaults in place of what is not said.
func (r *RestartAllContainers) meaning() RestartAllContainers {
	grace, kill, backoff := DefaultGraceSeconds, DefaultKillTimeoutSeconds, DefaultBackoff
	m := RestartAllContainers{TerminationGracePeriodSeconds: &grace, KillTimeoutSeconds: &kill, Backoff: &backoff}
	if r == nil {
		return m
	}
	m.PreStop = r.PreStop
	if r.TerminationGracePeriodSeconds != nil {
		grace = *r.TerminationGracePeriodSeconds
	}
	if r.KillTimeoutSeconds != nil {
		kill = *r.KillTimeoutSeconds
	}
	if r.Backoff != nil {
		backoff = *r.Backoff
	}
	return m
}

type meaning struct {
	Rules       Rules
	Limits      []rules.Limit
	MaxRestarts *int32
	Backoff     Backoff
}

// meaning maps list and name of each container that anything is said about to what is said.
func (d *Document) meaning() map[string]meaning {
	m := map[string]meaning{}
	add := func(list string, containers []DocumentContainer) {
		for _, c := range containers {
			says := meaning{c.Rules, c.Limits, c.MaxRestarts, DefaultBackoff}
			if c.Backoff != nil {
				says.Backoff = *c.Backoff
			}
			if !c.Rules.IsZero() || c.MaxRestarts != nil || says.Backoff != DefaultBackoff {
				m[list+"/"+c.Name] = says
			}
		}
	}
	add("containers", d.Containers)
	add("initContainers", d.InitContainers)
	return m
}

func find(containers []DocumentContainer, name string) *DocumentContainer {
	for i := range containers {
		if containers[i].Name == name {
			return &containers[i]
		}
	}
	return nil
}

func policyOf(text string) *corev1.ContainerRestartPolicy {
	p := corev1.ContainerRestartPolicy(text)
	return &p
}

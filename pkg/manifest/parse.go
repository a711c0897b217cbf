package manifest

import (
	"math"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/rules"
)

// ParseDocument reads a document, YAML or JSON. It reports everything that is wrong with it, not
// only the first; then the Document holds what could be read. Numbers and durations are in their
// ranges. Whether policies, actions and operators have known values, and go together, is for
// package validation.
func ParseDocument(text string) (*Document, []*DocumentError) {
	return read(text, &parser{annotation: api.RulesAnnotation})
}

// ParseLifted reads the annotation restartrules.dev/lifted-rules as ParseDocument reads the rules
// annotation. It has only what the native fields can say.
func ParseLifted(text string) (*Document, []*DocumentError) {
	return read(text, &parser{annotation: api.LiftedRulesAnnotation, nativeOnly: true})
}

func read(text string, p *parser) (*Document, []*DocumentError) {
	p.doc = &Document{lines: map[string]int{}}
	if root := p.root(text); root != nil {
		p.document(root)
	}
	return p.doc, p.errs
}

// parser walks the nodes of a document. It never follows aliases, so a document can't grow.
type parser struct {
	annotation string
	// nativeOnly refuses the fields that Kubernetes doesn't have.
	nativeOnly bool
	doc        *Document
	errs       []*DocumentError
}

// Bounds of the numbers and durations of a document.
const (
	// MaxRuleRestarts is the highest maxRestarts of a rule, 1 is the lowest.
	MaxRuleRestarts = 1000
	// MaxContainerRestarts is the highest maxRestarts of a container, 0 is the lowest.
	MaxContainerRestarts = 1_000_000
	// MaxGraceSeconds is the longest terminationGracePeriodSeconds of restartAllContainers, 0 the
	// shortest.
	MaxGraceSeconds = 86_400
	// MaxKillTimeoutSeconds is the longest killTimeoutSeconds, 1 the shortest.
	MaxKillTimeoutSeconds = 86_400
	// MinWithin is the shortest within of a rule.
	MinWithin = time.Second
)

// What holds where the document doesn't say: the kubelet's grace period
// (pkg/kubelet/kuberuntime/kuberuntime_container.go, minimumGracePeriodInSeconds), and ours.
const (
	DefaultGraceSeconds       int32 = 2
	DefaultKillTimeoutSeconds int32 = 60
)

// beyondNative are the keys that native fields don't have.
var beyondNative = []string{"maxRestarts", "within", "backoff", "restartAllContainers"}

func (p *parser) document(n *yaml.Node) {
	p.mapping("", n, p.fields([]field{
		{"version", p.version},
		{"containers", func(path string, n *yaml.Node) { p.doc.Containers = p.containers(path, n) }},
		{"initContainers", func(path string, n *yaml.Node) { p.doc.InitContainers = p.containers(path, n) }},
		{"restartAllContainers", func(path string, n *yaml.Node) { p.doc.RestartAllContainers = p.restartAllContainers(path, n) }},
	}))
}

func (p *parser) version(path string, n *yaml.Node) {
	if v, ok := p.text(path, n, strconv.Quote(DocumentVersion)); ok && v != DocumentVersion {
		p.fail(path, n.Line, "unknown version %q, expected %q", v, DocumentVersion)
	}
}

func (p *parser) containers(path string, n *yaml.Node) (list []DocumentContainer) {
	p.entries(path, n, "containers by name", func(key *yaml.Node, value *yaml.Node) {
		c := DocumentContainer{Name: key.Value}
		p.container(p.at(path+"["+key.Value+"]", key), value, &c)
		list = append(list, c)
	})
	return list
}

func (p *parser) container(path string, n *yaml.Node, c *DocumentContainer) {
	p.mapping(path, n, p.fields([]field{
		{"restartPolicy", func(path string, n *yaml.Node) {
			if v, ok := p.text(path, n, "a restart policy"); ok {
				c.RestartPolicy = policyOf(v)
			}
		}},
		{"restartPolicyRules", func(path string, n *yaml.Node) { p.rules(path, n, c) }},
		{"maxRestarts", func(path string, n *yaml.Node) {
			if v, ok := p.number(path, n, 0, MaxContainerRestarts); ok {
				c.MaxRestarts = &v
			}
		}},
		{"backoff", func(path string, n *yaml.Node) { c.Backoff = p.backoff(path, n) }},
	}))
}

// fields are those of the list that may be there.
func (p *parser) fields(list []field) []field {
	if !p.nativeOnly {
		return list
	}
	return slices.DeleteFunc(list, func(f field) bool { return slices.Contains(beyondNative, f.key) })
}

func (p *parser) rules(path string, n *yaml.Node, c *DocumentContainer) {
	var limits []rules.Limit
	limited := false
	p.items(path, n, "a list of rules", func(path string, n *yaml.Node) {
		rule, limit := p.rule(path, n)
		c.RestartPolicyRules, limits = append(c.RestartPolicyRules, rule), append(limits, limit)
		limited = limited || limit != rules.Limit{}
	})
	if limited {
		c.Limits = limits
	}
}

func (p *parser) rule(path string, n *yaml.Node) (rule corev1.ContainerRestartRule, limit rules.Limit) {
	p.mapping(path, n, p.fields([]field{
		{"action", func(path string, n *yaml.Node) {
			v, _ := p.text(path, n, "an action")
			rule.Action = corev1.ContainerRestartRuleAction(v)
		}},
		{"exitCodes", func(path string, n *yaml.Node) { rule.ExitCodes = p.exitCodes(path, n) }},
		{"maxRestarts", func(path string, n *yaml.Node) { limit.MaxRestarts, _ = p.number(path, n, 1, MaxRuleRestarts) }},
		{"within", func(path string, n *yaml.Node) { p.within(path, n, &limit.Within) }},
	}))
	return rule, limit
}

func (p *parser) exitCodes(path string, n *yaml.Node) *corev1.ContainerRestartRuleOnExitCodes {
	codes := new(corev1.ContainerRestartRuleOnExitCodes)
	p.mapping(path, n, []field{
		{"operator", func(path string, n *yaml.Node) {
			v, _ := p.text(path, n, "In or NotIn")
			codes.Operator = corev1.ContainerRestartRuleOnExitCodesOperator(v)
		}},
		{"values", func(path string, n *yaml.Node) {
			p.items(path, n, "a list of exit codes", func(path string, n *yaml.Node) {
				codes.Values = append(codes.Values, p.exitCode(path, n))
			})
		}},
	})
	return codes
}

func (p *parser) exitCode(path string, n *yaml.Node) int32 {
	v, ok := integer(n, math.MinInt32, math.MaxInt32)
	if !ok {
		p.fail(path, n.Line, "expected an exit code, a number, got %s", describe(n))
	}
	return v
}

func (p *parser) backoff(path string, n *yaml.Node) *Backoff {
	b := DefaultBackoff
	if n.Kind == yaml.ScalarNode {
		if n.Value != "none" || n.Tag != "!!str" {
			p.fail(path, n.Line, `expected none or an object with initialDelay, maxDelay and resetAfter, got %s`, describe(n))
			return nil
		}
		return &Backoff{None: true}
	}
	before := len(p.errs)
	delay := func(to *time.Duration) func(string, *yaml.Node) {
		return func(path string, n *yaml.Node) { p.delay(path, n, to) }
	}
	p.mapping(path, n, []field{
		{"initialDelay", delay(&b.InitialDelay)},
		{"maxDelay", delay(&b.MaxDelay)},
		{"resetAfter", delay(&b.ResetAfter)},
	})
	if len(p.errs) == before && b.InitialDelay > b.MaxDelay {
		p.fail(path, n.Line, "initialDelay %s is longer than maxDelay %s", b.InitialDelay, b.MaxDelay)
	}
	return &b
}

func (p *parser) within(path string, n *yaml.Node, to *time.Duration) {
	d, text, ok := p.duration(path, n)
	switch {
	case !ok:
	case d < MinWithin:
		p.fail(path, n.Line, "expected a duration of at least %s, got %q", MinWithin, text)
	default:
		*to = d
	}
}

func (p *parser) delay(path string, n *yaml.Node, to *time.Duration) {
	d, text, ok := p.duration(path, n)
	switch {
	case !ok:
	case d <= 0:
		p.fail(path, n.Line, "expected a duration above zero, got %q; write backoff: none to restart at once", text)
	default:
		*to = d
	}
}

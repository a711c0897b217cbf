package rules

import (
	"math/bits"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/exitcodes"
)

// Outcomes are the decisions for every exit code, made in advance.
type Outcomes struct {
	classes []Class
	// Room for what most containers have, so that all of it is in one piece of memory.
	few       [4]Class
	decisions [8]Decision
}

// Class are the exit codes after which the same is decided. 0 is always alone: it is a success.
type Class struct {
	Codes exitcodes.Set
	// Chain is what Outcomes.After returns for each of the codes.
	Chain []Decision
}

// maxRules bounds how many rules Outcomes looks at; Kubernetes allows 20.
const maxRules = 64

// matched are exit codes that the same rules match.
type matched struct {
	codes exitcodes.Set
	rules uint64 // a bit for each rule
}

// NewOutcomes decides as Decide does, for every exit code, with what follows when rules are used up.
func NewOutcomes(podPolicy corev1.RestartPolicy, c *Container) *Outcomes {
	// Codes that the same rules match share a class, but for 0, which is a success.
	parts := append(make([]matched, 0, 8), matched{codes: exitcodes.All.Without(exitcodes.Failures)}, matched{codes: exitcodes.Failures})
	if c.Policy != nil {
		for i := range min(len(c.Rules), maxRules) {
			codes, _ := exitcodes.MatchedBy(c.Rules[i].ExitCodes)
			parts = split(parts, i, codes)
		}
	}
	slices.SortFunc(parts, func(a, b matched) int { return a.codes.First() - b.codes.First() })
	o := new(Outcomes)
	o.classes = o.few[:0]
	decisions := o.decisions[:0] // of all chains, one behind the other
	for _, part := range parts {
		begin := len(decisions)
		decisions = chain(decisions, podPolicy, c, part.rules, int32(part.codes.First()))
		o.classes = append(o.classes, Class{Codes: part.codes, Chain: slices.Clip(decisions[begin:])})
	}
	return o
}

// split divides the parts by a rule that matches these codes.
func split(parts []matched, rule int, codes exitcodes.Set) []matched {
	for i := range len(parts) {
		others := parts[i].codes.Without(codes)
		if others == parts[i].codes {
			continue
		}
		if !others.Empty() {
			parts = append(parts, matched{others, parts[i].rules})
			parts[i].codes = parts[i].codes.Without(others)
		}
		parts[i].rules |= 1 << rule
	}
	return parts
}

// Classes are all exit codes, each in one class. They must not be changed.
func (o *Outcomes) Classes() []Class { return o.classes }

// After are the decisions after a code, in the order in which they hold: each but the last is a
// Restart by a rule with a limit, and holds until that is used up. It does not allocate; the result
// must not be changed. The code must be 0..255.
func (o *Outcomes) After(code int) []Decision {
	i := slices.IndexFunc(o.classes, func(c Class) bool { return c.Codes.Has(code) })
	return o.classes[i].Chain
}

// chain appends what After returns for a code that these rules match.
func chain(chain []Decision, podPolicy corev1.RestartPolicy, c *Container, matching uint64, code int32) []Decision {
	for ; matching != 0; matching &= matching - 1 {
		rule := bits.TrailingZeros64(matching)
		d := decide(podPolicy, c, rule, code)
		chain = append(chain, d)
		if d.Action != Restart || d.Rule != rule || c.Limit(rule).MaxRestarts == 0 {
			return chain
		}
	}
	return append(chain, decide(podPolicy, c, ByPolicy, code))
}

// Limit is the limit of the rule; the zero Limit if it has none.
func (c *Container) Limit(rule int) Limit {
	if rule < 0 || rule >= len(c.Limits) {
		return Limit{}
	}
	return c.Limits[rule]
}

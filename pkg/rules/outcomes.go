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
	// of is the index of each code's class.
	of [Codes]uint16
}

// Class are the exit codes after which the same is decided. 0 is always alone: it is a success.
type Class struct {
	Codes exitcodes.Set
	// Chain is what Outcomes.After returns for each of the codes.
	Chain []Decision
}

// maxRules bounds how many rules Outcomes looks at; Kubernetes allows 20.
const maxRules = 64

// NewOutcomes decides as Decide does, for every exit code, with what follows when rules are used up.
func NewOutcomes(podPolicy corev1.RestartPolicy, c *Container) *Outcomes {
	var matching [Codes]uint64 // a bit for each rule
	if c.Policy != nil {
		for i := range min(len(c.Rules), maxRules) {
			codes, _ := exitcodes.MatchedBy(c.Rules[i].ExitCodes)
			for word, codes := range codes {
				for ; codes != 0; codes &= codes - 1 {
					matching[word*64+bits.TrailingZeros64(codes)] |= 1 << i
				}
			}
		}
	}
	o := &Outcomes{classes: make([]Class, 0, 4)}
	decisions := make([]Decision, 0, 8) // of all chains, one behind the other
	// Codes that the same rules match share a class, but for 0, which is a success.
	for code := range int32(Codes) {
		at := -1
		for i := 1; i < len(o.classes); i++ {
			if matching[o.classes[i].Codes.First()] == matching[code] {
				at = i
				break
			}
		}
		if at < 0 {
			at = len(o.classes)
			begin := len(decisions)
			decisions = chain(decisions, podPolicy, c, matching[code], code)
			o.classes = append(o.classes, Class{Chain: slices.Clip(decisions[begin:])})
		}
		o.classes[at].Codes.Add(int(code))
		o.of[code] = uint16(at)
	}
	return o
}

// Classes are all exit codes, each in one class. They must not be changed.
func (o *Outcomes) Classes() []Class { return o.classes }

// After are the decisions after a code, in the order in which they hold: each but the last is a
// Restart by a rule with a limit, and holds until that is used up. It does not allocate; the result
// must not be changed. The code must be 0..255.
func (o *Outcomes) After(code int) []Decision { return o.classes[o.of[code]].Chain }

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

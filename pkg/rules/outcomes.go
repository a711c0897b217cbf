package rules

import (
	"math/bits"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/exitcodes"
)

// Outcomes are the decisions for every exit code, made in advance.
type Outcomes struct {
	chains [][]Decision
	// of is the index of each code's chain.
	of [Codes]uint16
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
	o := new(Outcomes)
	// Codes that the same rules match share a chain, but for 0, which is a success.
	var keys []uint64
	for code := range int32(Codes) {
		at := -1
		for i, key := range keys {
			if key == matching[code] && i > 0 {
				at = i
				break
			}
		}
		if at < 0 {
			at = len(keys)
			keys = append(keys, matching[code])
			o.chains = append(o.chains, chain(podPolicy, c, matching[code], code))
		}
		o.of[code] = uint16(at)
	}
	return o
}

// After are the decisions after a code, in the order in which they hold: each but the last is a
// Restart by a rule with a limit, and holds until that is used up. It does not allocate; the result
// must not be changed. The code must be 0..255.
func (o *Outcomes) After(code int) []Decision { return o.chains[o.of[code]] }

func chain(podPolicy corev1.RestartPolicy, c *Container, matching uint64, code int32) (chain []Decision) {
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

package validation

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/exitcodes"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/rules"
)

// doubts are warnings of rules that are valid but can't be meant as they are written: the API
// server has none of these. The Pod, with its lifted rules, and the document are valid.
func doubts(whole *manifest.Pod, doc *manifest.Document) (warnings []string) {
	if doc == nil {
		doc = &noDocument
	}
	for i := range whole.Spec.Containers {
		c := &whole.Spec.Containers[i]
		warnings = doubtsOf(warnings, c.Name, rules.Regular, resolve(c.Rules, doc.Container(c.Name)))
	}
	for i := range whole.Spec.InitContainers {
		c := &whole.Spec.InitContainers[i]
		kind := rules.Init
		if c.IsSidecar() {
			kind = rules.Sidecar
		}
		warnings = doubtsOf(warnings, c.Name, kind, resolve(c.Rules, doc.InitContainer(c.Name)))
	}
	return warnings
}

var noDocument manifest.Document

// doubter looks at the rules of one container. It works with sets of exit codes and makes texts only
// for what it finds: nearly all Pods have nothing to doubt.
type doubter struct {
	name string
	kind rules.Kind
	Resolved
	// byPolicy are the exit codes after which the policy restarts the container.
	byPolicy exitcodes.Set
	// matches are the codes that each rule matches.
	matches [maxRules]exitcodes.Set
	// after are the codes that, where a rule does not match, restart the container without limit.
	after [maxRules]exitcodes.Set
	// all are the codes that a rule that concerns the whole Pod matches from each rule on.
	all [maxRules]exitcodes.Set
	// text is the last warning, its first prefix bytes are the same for all.
	text     []byte
	prefix   int
	warnings []string
}

// doubtsOf appends those of one container.
func doubtsOf(warnings []string, name string, kind rules.Kind, r Resolved) []string {
	if len(r.RestartPolicyRules) == 0 {
		return warnings
	}
	d := &doubter{name: name, kind: kind, Resolved: r, warnings: warnings}
	switch *d.RestartPolicy {
	case corev1.ContainerRestartPolicyAlways:
		d.byPolicy = exitcodes.All
	case corev1.ContainerRestartPolicyOnFailure:
		d.byPolicy = exitcodes.Failures
	}
	for i := range d.RestartPolicyRules {
		var others bool
		d.matches[i], others = exitcodes.MatchedBy(d.RestartPolicyRules[i].ExitCodes)
		if others && !d.matches[i].Empty() {
			d.warn(i, ": no process ends with ", d.impossible(i), "; exit codes are 0 to 255: leave it out")
		}
	}
	d.lookAhead()
	var before exitcodes.Set // what earlier rules always decide
	for i := range d.RestartPolicyRules {
		d.rule(i, before)
		if !d.limited(i) {
			before = before.With(d.matches[i])
		}
	}
	return d.warnings
}

// lookAhead finds what would come after each rule, from the last to the first.
func (d *doubter) lookAhead() {
	var all exitcodes.Set
	restarts := d.byPolicy
	for i := len(d.RestartPolicyRules) - 1; i >= 0; i-- {
		d.after[i], d.all[i] = restarts, all
		switch {
		case rules.IsPodWide(d.action(i)):
			all = all.With(d.matches[i])
			restarts = restarts.Without(d.matches[i])
		case d.action(i) != corev1.ContainerRestartRuleActionRestart:
			restarts = restarts.Without(d.matches[i])
		case !d.limited(i):
			restarts = restarts.With(d.matches[i])
		}
	}
}

// rule looks at one rule, knowing what earlier ones decide.
func (d *doubter) rule(i int, before exitcodes.Set) {
	on, matches := d.RestartPolicyRules[i].ExitCodes, d.matches[i]
	isAll := rules.IsPodWide(d.action(i))
	switch {
	case len(on.Values) == 0 && matches.Empty():
		d.warn(i, " never matches: its operator is In and it has no values; write exit codes, or leave the rule out")
		return
	case matches.Empty():
		d.warn(i, " never matches: no process ends with ", d.impossible(i), "; write exit codes from 0 to 255, or leave the rule out")
		return
	}
	// Whether an init container that succeeds is done is asked before its rules, but for those that
	// concern the whole Pod; a rule before one of these may be there to keep it from 0.
	if d.kind == rules.Init && !isAll && matches.Has(0) && !d.all[i].Has(0) {
		matches = matches.Without(exitcodes.Set{1})
		if on.Operator == corev1.ContainerRestartRuleOnExitCodesOpIn {
			if matches.Empty() {
				d.warn(i, " never matches: an init container that ends with 0 is done, and no rule is asked; leave the rule out")
				return
			}
			d.warn(i, ": 0 has no effect, an init container that ends with it is done and no rule is asked; leave it out")
		}
	}
	reach := matches.Without(before)
	switch {
	case reach.Empty():
		d.shadowed(i, matches)
	case isAll && reach.Has(0):
		d.success(i, on)
	case isAll:
	case d.kind == rules.Sidecar:
		if reach.Without(d.all[i]) == reach {
			d.warn(i, " has no effect: a sidecar is always restarted; leave the rule out")
		}
	case d.action(i) != corev1.ContainerRestartRuleActionRestart || !reach.In(d.byPolicy) || !reach.In(d.after[i]):
	case d.limited(i):
		d.warn(i, ": its maxRestarts has no effect, the restartPolicy ", string(*d.RestartPolicy), " goes on restarting; add a rule with action Terminate behind it, or use restartPolicy Never")
	default:
		d.warn(i, " has no effect: the restartPolicy ", string(*d.RestartPolicy), " restarts on these exit codes anyway; leave the rule out, or use restartPolicy Never")
	}
}

// success doubts a rule that concerns the whole Pod and matches exit code 0.
func (d *doubter) success(i int, on *corev1.ContainerRestartRuleOnExitCodes) {
	switch {
	case d.kind == rules.Init && d.action(i) == rules.ActionTerminatePod:
		d.warn(i, " ends the whole Pod also when this init container succeeds: except exit code 0")
	case d.kind == rules.Init:
		d.warn(i, " restarts all containers also when this init container succeeds, for ever: except exit code 0")
	case d.kind == rules.Regular && on.Operator == corev1.ContainerRestartRuleOnExitCodesOpNotIn && d.action(i) != rules.ActionTerminatePod:
		d.warn(i, " restarts all containers also when this container succeeds, so the Pod never completes; if that is not meant, add 0 to its values")
	}
}

// shadowed says which earlier rule takes all that the rule matches.
func (d *doubter) shadowed(i int, matches exitcodes.Set) {
	for j := range i {
		if !d.limited(j) && matches.In(d.matches[j]) {
			d.warn(i, " never matches: restartPolicyRules[", strconv.Itoa(j), "] before it matches all its exit codes; move it up, or leave it out")
			return
		}
	}
	d.warn(i, " never matches: the rules before it match all its exit codes; move it up, or leave it out")
}

func (d *doubter) action(i int) corev1.ContainerRestartRuleAction {
	return d.RestartPolicyRules[i].Action
}

// limited reports whether the rule may be used up: then it lets later ones decide.
func (d *doubter) limited(i int) bool { return d.Limits != nil && d.Limits[i].MaxRestarts > 0 }

// impossible lists the first values of the rule that are no exit codes.
func (d *doubter) impossible(i int) string {
	var list []string
	for _, v := range d.RestartPolicyRules[i].ExitCodes.Values {
		if exitcodes.Possible(v) {
			continue
		}
		if len(list) == 3 {
			list = append(list, "...")
			break
		}
		list = append(list, strconv.Itoa(int(v)))
	}
	return strings.Join(list, ", ")
}

func (d *doubter) warn(i int, text ...string) {
	if d.prefix == 0 {
		d.text = append(append(append(d.text, "container "...), quoted(d.name)...), ": restartPolicyRules["...)
		d.prefix = len(d.text)
	}
	b := append(strconv.AppendInt(d.text[:d.prefix], int64(i), 10), ']')
	for _, t := range text {
		b = append(b, t...)
	}
	d.text, d.warnings = b, append(d.warnings, string(b))
}

// quoted is the name in quotes, shortened if it is longer than Kubernetes allows.
func quoted(name string) string {
	const longest = 63
	if len(name) > longest {
		name = strings.ToValidUTF8(name[:longest-3], "") + "..."
	}
	return strconv.Quote(name)
}

package differential

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/apis/core"
)

// A row is one thing that Kubernetes says of a restartPolicy or of rules: an error, or that it accepts
// what looks as if it were one.
type row struct {
	condition string
	// gates are the states of RestartAllContainersOnContainerExits for which there is this row.
	gates []bool
	// refused reports whether the error is the row's.
	refused func(err *field.Error) bool
	// accepted reports whether a container of a valid Pod is the row's. The rules are only those of
	// containers that may have them.
	accepted func(pod *core.PodSpec, list string, c *core.Container) bool
	// undecoded: the object can't be decoded, because of a number.
	undecoded bool
}

var (
	gateOff  = []bool{false}
	gateOn   = []bool{true}
	gateBoth = []bool{false, true}
)

var indices = regexp.MustCompile(`\[\d+\]`)

// refused is an error of the type at a field that ends so, without indices. With a value: that
// is the bad value, or if it begins with "!" it is another one.
func refused(errorType field.ErrorType, suffix string, value ...string) func(*field.Error) bool {
	return func(err *field.Error) bool {
		if err.Type != errorType || !strings.HasSuffix(indices.ReplaceAllString(err.Field, ""), suffix) {
			return false
		}
		return !slices.ContainsFunc(value, func(v string) bool {
			other, not := strings.CutPrefix(v, "!")
			return (fmt.Sprint(err.BadValue) == other) == not
		})
	}
}

// rule is a container of which some rule is so.
func rule(is func(c *core.Container, r core.ContainerRestartRule) bool) func(*core.PodSpec, string, *core.Container) bool {
	return func(_ *core.PodSpec, _ string, c *core.Container) bool {
		return slices.ContainsFunc(c.RestartPolicyRules, func(r core.ContainerRestartRule) bool { return is(c, r) })
	}
}

// value is a container that has a rule of which some value is so.
func value(is func(v int32) bool) func(*core.PodSpec, string, *core.Container) bool {
	return rule(func(_ *core.Container, r core.ContainerRestartRule) bool {
		return slices.ContainsFunc(r.ExitCodes.Values, is)
	})
}

func equal(v int32) func(int32) bool { return func(other int32) bool { return v == other } }

func sidecar(list string, c *core.Container) bool {
	return list == "initContainers" && c.RestartPolicy != nil && *c.RestartPolicy == core.ContainerRestartPolicyAlways
}

const (
	in, notIn  = core.ContainerRestartRuleOnExitCodesOpIn, core.ContainerRestartRuleOnExitCodesOpNotIn
	restart    = core.ContainerRestartRuleActionRestart
	restartAll = core.ContainerRestartRuleActionRestartAllContainers
)

var rows = []row{
	{condition: "policy unknown", gates: gateBoth, refused: refused(field.ErrorTypeNotSupported, "ontainers.restartPolicy", "!")},
	{condition: `policy ""`, gates: gateBoth, refused: refused(field.ErrorTypeNotSupported, "ontainers.restartPolicy", "")},
	{condition: "rules without policy", gates: gateBoth, refused: refused(field.ErrorTypeRequired, ".containers.restartPolicy")},
	{condition: "rules without policy, init container (accepted by 1.34)", gates: gateBoth, refused: refused(field.ErrorTypeRequired, ".initContainers.restartPolicy")},
	{condition: "more than 20 rules", gates: gateBoth, refused: refused(field.ErrorTypeTooMany, ".restartPolicyRules")},
	{condition: "action unknown", gates: gateBoth, refused: refused(field.ErrorTypeNotSupported, ".restartPolicyRules.action", "!", "!RestartAllContainers")},
	{condition: "action missing", gates: gateBoth, refused: refused(field.ErrorTypeNotSupported, ".restartPolicyRules.action", "")},
	{condition: "exitCodes missing", gates: gateBoth, refused: refused(field.ErrorTypeRequired, ".restartPolicyRules.exitCodes")},
	{condition: "operator unknown", gates: gateBoth, refused: refused(field.ErrorTypeNotSupported, ".exitCodes.operator", "!")},
	{condition: "operator missing", gates: gateBoth, refused: refused(field.ErrorTypeNotSupported, ".exitCodes.operator", "")},
	{condition: "more than 255 values", gates: gateBoth, refused: refused(field.ErrorTypeTooMany, ".exitCodes.values")},
	{condition: "value outside int32 (can't be decoded)", gates: gateBoth, undecoded: true},
	{condition: "sidecar with rules", gates: gateOff, refused: refused(field.ErrorTypeForbidden, ".initContainers.restartPolicyRules")},
	{condition: "action RestartAllContainers", gates: gateOff, refused: refused(field.ErrorTypeNotSupported, ".restartPolicyRules.action", string(restartAll))},
	{condition: "ephemeral container with policy", gates: gateBoth, refused: refused(field.ErrorTypeForbidden, ".ephemeralContainers.restartPolicy")},
	{condition: "ephemeral container with rules", gates: gateBoth, refused: refused(field.ErrorTypeForbidden, ".ephemeralContainers.restartPolicyRules")},

	{condition: "accepted: duplicate values", gates: gateBoth, accepted: rule(func(_ *core.Container, r core.ContainerRestartRule) bool {
		return len(slices.Compact(slices.Sorted(slices.Values(r.ExitCodes.Values)))) < len(r.ExitCodes.Values)
	})},
	{condition: "accepted: In without values", gates: gateBoth, accepted: rule(func(_ *core.Container, r core.ContainerRestartRule) bool {
		return r.ExitCodes.Operator == in && len(r.ExitCodes.Values) == 0
	})},
	{condition: "accepted: NotIn without values", gates: gateBoth, accepted: rule(func(_ *core.Container, r core.ContainerRestartRule) bool {
		return r.ExitCodes.Operator == notIn && len(r.ExitCodes.Values) == 0
	})},
	{condition: "accepted: values absent", gates: gateBoth, accepted: rule(func(_ *core.Container, r core.ContainerRestartRule) bool { return r.ExitCodes.Values == nil })},
	{condition: "accepted: 255 values", gates: gateBoth, accepted: rule(func(_ *core.Container, r core.ContainerRestartRule) bool { return len(r.ExitCodes.Values) == 255 })},
	{condition: "accepted: 20 rules", gates: gateBoth, accepted: func(_ *core.PodSpec, _ string, c *core.Container) bool { return len(c.RestartPolicyRules) == 20 }},
	{condition: "accepted: a negative value", gates: gateBoth, accepted: value(func(v int32) bool { return v < 0 })},
	{condition: "accepted: value 0", gates: gateBoth, accepted: value(equal(0))},
	{condition: "accepted: value 256", gates: gateBoth, accepted: value(equal(256))},
	{condition: "accepted: value 2147483647", gates: gateBoth, accepted: value(equal(2147483647))},
	{condition: "accepted: identical rules", gates: gateBoth, accepted: func(_ *core.PodSpec, _ string, c *core.Container) bool {
		r := c.RestartPolicyRules
		for i := 1; i < len(r); i++ {
			if r[i].Action == r[i-1].Action && r[i].ExitCodes.Operator == r[i-1].ExitCodes.Operator && slices.Equal(r[i].ExitCodes.Values, r[i-1].ExitCodes.Values) {
				return true
			}
		}
		return false
	}},
	{condition: "accepted: a rule after one that matches always", gates: gateBoth, accepted: func(_ *core.PodSpec, _ string, c *core.Container) bool {
		first := slices.IndexFunc(c.RestartPolicyRules, func(r core.ContainerRestartRule) bool {
			return r.ExitCodes.Operator == notIn && len(r.ExitCodes.Values) == 0
		})
		return first >= 0 && first < len(c.RestartPolicyRules)-1
	}},
	{condition: "accepted: policy Always with rules", gates: gateBoth, accepted: func(_ *core.PodSpec, list string, c *core.Container) bool {
		return list == "containers" && len(c.RestartPolicyRules) > 0 && *c.RestartPolicy == core.ContainerRestartPolicyAlways
	}},
	{condition: "accepted: policy Never where the Pod's is Always", gates: gateBoth, accepted: func(pod *core.PodSpec, _ string, c *core.Container) bool {
		return pod.RestartPolicy == core.RestartPolicyAlways && c.RestartPolicy != nil && *c.RestartPolicy == core.ContainerRestartPolicyNever
	}},
	{condition: "accepted: an empty list of rules without policy", gates: gateBoth, accepted: func(_ *core.PodSpec, list string, c *core.Container) bool {
		return list != "ephemeralContainers" && c.RestartPolicy == nil && c.RestartPolicyRules != nil
	}},
	{condition: "accepted: sidecar without rules", gates: gateBoth, accepted: func(_ *core.PodSpec, list string, c *core.Container) bool {
		return sidecar(list, c) && len(c.RestartPolicyRules) == 0
	}},
	{condition: "accepted: sidecar with a rule Restart", gates: gateOn, accepted: func(_ *core.PodSpec, list string, c *core.Container) bool {
		return sidecar(list, c) && slices.ContainsFunc(c.RestartPolicyRules, func(r core.ContainerRestartRule) bool { return r.Action == restart })
	}},
	{condition: "accepted: sidecar with a rule RestartAllContainers", gates: gateOn, accepted: func(_ *core.PodSpec, list string, c *core.Container) bool {
		return sidecar(list, c) && slices.ContainsFunc(c.RestartPolicyRules, func(r core.ContainerRestartRule) bool { return r.Action == restartAll })
	}},
	{condition: "accepted: action RestartAllContainers", gates: gateOn, accepted: rule(func(_ *core.Container, r core.ContainerRestartRule) bool { return r.Action == restartAll })},
	{condition: "accepted: an init container's RestartAllContainers on exit code 0", gates: gateOn, accepted: func(_ *core.PodSpec, list string, c *core.Container) bool {
		return list == "initContainers" && slices.ContainsFunc(c.RestartPolicyRules, func(r core.ContainerRestartRule) bool {
			return r.Action == restartAll && slices.Contains(r.ExitCodes.Values, 0) == (r.ExitCodes.Operator == in)
		})
	}},
	{condition: "accepted: ephemeral container without policy and rules", gates: gateBoth, accepted: func(_ *core.PodSpec, list string, _ *core.Container) bool { return list == "ephemeralContainers" }},
}

// hit reports whether what Kubernetes says of a sample is the row.
func (r *row) hit(s *sample, pod *core.PodSpec, errs field.ErrorList, decodeErr error) bool {
	switch {
	case decodeErr != nil:
		return r.undecoded && s.outsideInt32
	case r.refused != nil:
		return slices.ContainsFunc(errs, r.refused)
	case r.accepted != nil && len(errs) == 0:
		for i := range pod.Containers {
			if r.accepted(pod, "containers", &pod.Containers[i]) {
				return true
			}
		}
		for i := range pod.InitContainers {
			if r.accepted(pod, "initContainers", &pod.InitContainers[i]) {
				return true
			}
		}
		for i := range pod.EphemeralContainers {
			if r.accepted(pod, "ephemeralContainers", (*core.Container)(&pod.EphemeralContainers[i].EphemeralContainerCommon)) {
				return true
			}
		}
	}
	return false
}

package inject

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/rules"
)

// Compiled is how the rules of a Pod are carried out, for those who want to read it.
type Compiled struct {
	// Own is the Pod's own restartPolicy.
	Own    corev1.RestartPolicy
	Result compile.Result
	// Containers are those of the Pod, init containers first, as in Result.Containers.
	Containers []CompiledContainer
	// RestartAllBackoff is that of restarts of the whole Pod.
	RestartAllBackoff manifest.Backoff
	// NewSandbox says that these are by a new sandbox, not in place.
	NewSandbox bool
}

// CompiledContainer is what is declared for one container.
type CompiledContainer struct {
	Rules   rules.Container
	Backoff manifest.Backoff
	// Twin is the container that runs it again when the whole Pod restarts; empty: none does.
	Twin string
	// Excluded says that it is left out of that.
	Excluded bool
}

// Compile compiles a Pod, or a Pod template at root, without injecting anything. It is nil if there
// are no rules, or errors. The error says that object is no Pod.
func Compile(object []byte, root *field.Path, opts Options) (*Compiled, []string, field.ErrorList, error) {
	live, err := manifest.DecodeTemplate(object)
	if err != nil {
		return nil, nil, nil, err
	}
	inj, result, err := prepare(live, object, root, opts)
	if err != nil || inj == nil || len(result.Errors) > 0 {
		return nil, result.Warnings, result.Errors, err
	}
	c := &Compiled{Own: inj.user.Spec.Policy(), Result: inj.compiled, RestartAllBackoff: manifest.DefaultBackoff, NewSandbox: inj.byNewSandbox()}
	if inj.restartAll.Backoff != nil {
		c.RestartAllBackoff = *inj.restartAll.Backoff
	}
	for i := range inj.parts {
		part := &inj.parts[i]
		backoff := manifest.DefaultBackoff
		if part.backoff != nil {
			backoff = *part.backoff
		}
		role := inj.role(part)
		c.Containers = append(c.Containers, CompiledContainer{part.rules, backoff, role.Twin, role.Excluded && inj.compiled.WholePod})
	}
	return c, result.Warnings, nil, nil
}

package inject

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/rules"
)

// defaultTerminationGrace is what the API server fills in (upstream:
// pkg/apis/core/v1/defaults.go, DefaultTerminationGracePeriodSeconds).
const defaultTerminationGrace = int64(corev1.DefaultTerminationGracePeriodSeconds)

// byNewSandbox reports whether the whole Pod restarts by ending its sandbox.
func (inj *injection) byNewSandbox() bool {
	return inj.compiled.WholePod && inj.user.Metadata.Annotations[api.StrategyAnnotation] == api.StrategySandbox
}

// initScripts is the ConfigMap with scripts that stand for the init containers, or "".
func (inj *injection) initScripts() string {
	if !inj.compiled.WholePod {
		return ""
	}
	return inj.user.Metadata.Annotations[api.InitScriptsAnnotation]
}

func (inj *injection) terminationGrace() int64 {
	if s := inj.user.Spec.TerminationGracePeriodSeconds; s != nil {
		return *s
	}
	return defaultTerminationGrace
}

// restartAllPlan is what the plan says of restarts of the whole Pod.
func (inj *injection) restartAllPlan() *plan.RestartAll {
	if !inj.compiled.WholePod {
		return nil
	}
	r := &plan.RestartAll{PreStop: inj.restartAll.PreStop, TerminationGracePeriodSeconds: inj.terminationGrace()}
	if s := inj.restartAll.TerminationGracePeriodSeconds; s != nil {
		r.GracePeriodSeconds = new(int64(*s))
	}
	if s := inj.restartAll.KillTimeoutSeconds; s != nil {
		r.KillTimeoutSeconds = int64(*s)
	}
	if b := inj.restartAll.Backoff; b != nil && *b != manifest.DefaultBackoff {
		r.Backoff = b.String()
	}
	if inj.byNewSandbox() {
		r.Strategy = plan.StrategySandbox
	}
	return r
}

// runsPreStop reports whether the watcher runs preStop hooks.
func (inj *injection) runsPreStop() bool { return inj.restartAll.PreStop || inj.endsPod() }

// role is what the container is in a restart of the whole Pod.
func (inj *injection) role(p *part) plan.Role {
	r := plan.Role{Sidecar: p.rules.Kind == rules.Sidecar}
	if !inj.compiled.WholePod {
		return r
	}
	r.Excluded, r.Source = inj.excluded[p.user.Name], p.compiled.Source
	if p.compiled.Replay == nil {
		return r
	}
	if inj.initScripts() != "" {
		r.InitScript = api.ScriptsPath + "/" + p.user.Name
	}
	if t := inj.twinOf(p); t != nil {
		r.Twin = t.name
	}
	return r
}

// cantRestartAll refuses what doesn't go together with restarts of the whole Pod.
func (inj *injection) cantRestartAll(root *field.Path) (errs field.ErrorList) {
	if !inj.compiled.WholePod {
		return nil
	}
	annotations := root.Child("metadata").Child("annotations")
	if inj.user.Metadata.Annotations[api.PreferAnnotation] == api.PreferSurvive {
		errs = append(errs, field.Forbidden(annotations.Key(api.PreferAnnotation),
			"a Pod whose rules restart or end it as a whole can't have that: its containers stay anyway until none of these rules can apply any more; leave this annotation out"))
	}
	if !inj.byNewSandbox() {
		return errs
	}
	path := annotations.Key(api.StrategyAnnotation)
	if name := inj.notStartedAgain(); name != "" {
		errs = append(errs, field.Forbidden(path, fmt.Sprintf("the kubelet does not start container %q again in a new sandbox, because under its restart rules the restartPolicy must be Never: "+
			"leave this annotation out, or write rules and a Pod restartPolicy under which nothing ends with a failure", name)))
	}
	if share := inj.user.Spec.ShareProcessNamespace; !inj.shared() && (share == nil || !*share) {
		errs = append(errs, field.Forbidden(path, fmt.Sprintf("the sandbox can be ended only from inside a shared process namespace: leave out what turns that off "+
			"(shareProcessNamespace: false, hostPID: true, or the annotation %s), or set shareProcessNamespace: true", api.ShareProcessNamespaceAnnotation)))
	}
	return errs
}

// notStartedAgain is the first container that takes part and that the kubelet does not start again
// when it is killed, or "".
func (inj *injection) notStartedAgain() string {
	for i := range inj.parts {
		p := &inj.parts[i]
		if !p.compiled.Member || p.rules.Kind == rules.Sidecar {
			continue
		}
		policy := inj.compiled.Policy
		if p.compiled.Policy != nil {
			policy = corev1.RestartPolicy(*p.compiled.Policy)
		}
		if policy == corev1.RestartPolicyNever {
			return p.user.Name
		}
	}
	return ""
}

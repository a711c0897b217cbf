package inject

import (
	"fmt"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/rules"
)

// maxWarning is how many bytes of a warning the API server passes on without complaint.
const maxWarning = 255

// warnings say what the injection changes for the one who applies the Pod.
func (inj *injection) warnings() []string {
	var list []string
	warn := func(format string, args ...any) { list = append(list, truncate(fmt.Sprintf(format, args...))) }

	from, to := inj.user.Spec.Policy(), inj.compiled.Policy
	if from != to {
		warn("the Pod's restartPolicy becomes %s instead of %s: %s", to, from, inj.compiled.Why)
	}
	if from != to && to == corev1.RestartPolicyNever {
		warn("with the Pod's restartPolicy Never the kubelet does not start it again, as it would with %s, after a lost sandbox, a node reboot, a failed start or an OOM kill of a whole container", from)
	}
	for i := range inj.parts {
		c := &inj.parts[i]
		if to == corev1.RestartPolicyNever && c.compiled.Wrapped && c.rules.Kind == rules.Regular && !c.probesMove() &&
			(c.user.LivenessProbe != nil || c.user.StartupProbe != nil) {
			warn("container %q: when its livenessProbe or startupProbe fails it ends for good: under the Pod's restartPolicy Never the kubelet does not start it again, and no rule is asked", c.user.Name)
		}
	}
	for i := range inj.parts {
		c := &inj.parts[i]
		if c.compiled.Lingers == "" || c.rules.Kind == rules.Init { // see cantSurvive
			continue
		}
		warn("container %q: when it ends for good (exit code %s) its container stays, and the Pod is not over, until it is deleted; that is the price of %s: %s", c.user.Name, c.compiled.Lingers, api.PreferAnnotation, api.PreferSurvive)
		if c.user.LivenessProbe != nil && !c.probesMove() {
			warn("container %q: when it has ended for good its livenessProbe fails, and the kubelet starts it again: leave out the probe or %s", c.user.Name, api.PreferAnnotation)
		}
	}
	if inj.wrapped() {
		if c := inj.unguarded(); c != nil {
			warn("container %q: its preStop hook can't tell that the Pod is being deleted; therefore each restart in this Pod first waits %s for news of a deletion", c.Name, hold)
		}
	}
	for i := range inj.parts {
		if c := &inj.parts[i]; c.backoff != nil && !c.compiled.Wrapped {
			warn("container %q: its backoff has no effect, because it never restarts", c.user.Name)
		}
	}
	if inj.wrapped() && inj.opts.ReadinessPort != 0 && !inj.user.Spec.HostNetwork && inj.readinessPort() == 0 {
		warn("a container has port %d, where the watcher would say whether the Pod is ready: without a readinessProbe of its own a container that waits to start again counts as ready", inj.opts.ReadinessPort)
	}
	if inj.wrapped() && inj.shared() {
		for i := range inj.parts {
			c := inj.parts[i].user
			if what := killsInit(c); what != "" {
				warn("container %q: %s signals process 1, which with shareProcessNamespace is not the application but the Pod's sandbox; turn that off with the annotation %s: \"false\"", c.Name, what, api.ShareProcessNamespaceAnnotation)
			}
		}
	}
	for _, text := range inj.entryPointWarnings() {
		warn("%s", text)
	}
	inj.warnRaised(warn)
	inj.warnWholePod(warn)
	return list
}

func truncate(text string) string {
	if len(text) <= maxWarning {
		return text
	}
	end := maxWarning - len("...")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "..."
}

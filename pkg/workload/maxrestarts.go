package workload

import (
	"encoding/json"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/manifest"
)

// defaultBackoffLimit is that of Jobs (upstream: pkg/apis/batch/v1/defaults.go).
const defaultBackoffLimit = 6

// limitRestarts gives Job templates with policy OnFailure and rules the Job's backoffLimit as the
// default of maxRestarts: restarts in place count for no backoffLimit, which the kubelet's do. What
// the template says itself stands. Of a Job that is there the template is immutable: it gets back
// what it had. Otherwise the annotation follows backoffLimit for as long as it has its value, and is
// never the only change of a template.
func (l *lifting) limitRestarts() {
	if !l.kind.makesJobs() || l.is.Spec.RestartPolicy != corev1.RestartPolicyOnFailure || !l.is.HasRules() {
		return
	}
	is, limit := l.is.annotation(api.MaxRestartsAnnotation), backoffLimit(l.at)
	if l.was == nil {
		if is == "" {
			l.setLimit(limit)
		}
		return
	}
	was := l.was.annotation(api.MaxRestartsAnnotation)
	switch {
	case l.kind.immutable():
		if is == "" {
			l.setLimit(was)
		}
	case is == "" && !l.isUnchanged():
		l.setLimit(limit)
	case is != "" && is == was && was == backoffLimit(l.old.template(l.at.id)):
		l.setLimit(limit)
	}
}

func (l *lifting) setLimit(limit string) {
	if limit != l.is.annotation(api.MaxRestartsAnnotation) {
		l.set[api.MaxRestartsAnnotation] = limit
	}
}

// backoffLimit is the backoffLimit of the Job that the template is in, or "" if it is higher than
// maxRestarts can be.
func backoffLimit(t *Template) string {
	limit := int64(defaultBackoffLimit)
	if text, ok := t.parent["backoffLimit"]; ok && json.Unmarshal(text, &limit) != nil || limit < 0 || limit > manifest.MaxContainerRestarts {
		return ""
	}
	return strconv.FormatInt(limit, 10)
}

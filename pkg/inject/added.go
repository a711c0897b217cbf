package inject

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// What the installation adds to injected Pods beside the watcher. It is never taken away again: that it is not the
// user's own can't be told.

// addMissing adds entries to want that the Pod doesn't have.
func addMissing(want, configured, live map[string]string) {
	for key, value := range configured {
		if _, has := live[key]; !has {
			want[key] = value
		}
	}
}

// addPullSecrets adds those for the watcher's image that the Pod doesn't have.
func (inj *injection) addPullSecrets(p *patch) {
	if !inj.wrapped() {
		return
	}
	var missing []corev1.LocalObjectReference
	for _, name := range inj.opts.PullSecrets {
		if secret := (corev1.LocalObjectReference{Name: name}); !slices.Contains(inj.live.Spec.ImagePullSecrets, secret) {
			missing = append(missing, secret)
		}
	}
	appendTo(p, "/spec/imagePullSecrets", inj.live.Spec.ImagePullSecrets, missing...)
}

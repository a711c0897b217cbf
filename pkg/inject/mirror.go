package inject

import "restartrules.dev/pkg/manifest"

// mirror leaves alone what the API server shows of a static Pod: the kubelet runs what is in its file,
// whatever becomes of the image.
func mirror(pod *manifest.Pod) (r Result) {
	if pod.HasRules() {
		r.Warnings = []string{"the Pod is static: the kubelet runs it from a file that Restart Rules never sees, and its restart rules are not applied"}
	}
	return r
}

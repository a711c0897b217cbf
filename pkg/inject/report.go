package inject

import (
	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/api"
)

// reportTokenSeconds is how long a token for reports is valid. The kubelet renews it in time.
const reportTokenSeconds = 3600

// reportFields say whose Pod it is. They must not be changed.
var reportFields = []corev1.EnvVar{
	fromField(api.PodNamespaceEnv, "metadata.namespace"),
	fromField(api.PodNameEnv, "metadata.name"),
	fromField(api.PodUIDEnv, "metadata.uid"),
}

// reportEnv tells the watcher where it reports to, and whose Pod it is.
func (inj *injection) reportEnv() []corev1.EnvVar {
	if inj.opts.ReportURL == "" {
		return nil
	}
	return append([]corev1.EnvVar{{Name: api.ReportURLEnv, Value: inj.opts.ReportURL}}, reportFields...)
}

func (inj *injection) reportMounts() []corev1.VolumeMount {
	if inj.opts.ReportURL == "" {
		return nil
	}
	return []corev1.VolumeMount{{Name: api.ReportVolumeName, MountPath: api.ReportPath, ReadOnly: true}}
}

// reportVolume holds a token that is good for reports only, and by what the webhook is known. The token has
// nothing to do with automountServiceAccountToken. A Pod starts without the certificates.
//
// Only the watcher mounts it. The default mode lets its user read: where all containers have the same user,
// or the Pod has an fsGroup, the kubelet makes the token theirs (upstream: pkg/volume/projected/projected.go).
//
// It must not be changed.
var reportVolume = newVolume(api.ReportVolumeName, corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
	DefaultMode: new(int32(0o444)),
	Sources: []corev1.VolumeProjection{
		{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{
			Audience: api.ReportAudience, ExpirationSeconds: new(int64(reportTokenSeconds)), Path: api.ReportTokenFile}},
		{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: api.CAConfigMap}, Optional: new(true),
			Items: []corev1.KeyToPath{{Key: api.ReportCAKey, Path: api.ReportCAKey}}}},
	},
}})

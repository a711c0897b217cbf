//go:build e2e

package restartall

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
)

// TestExample runs the Job of examples/restart-all.yaml on both clusters: it completes with one Pod, whose init container has
// run three times, each in its own image.
func TestExample(t *testing.T) {
	for _, side := range sides(t, nil) {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			c := side.cluster
			namespace, dir := c.NewNamespace(t, testcluster.OptedIn)
			_, err := c.API.BatchV1().Jobs(namespace).Create(t.Context(), example(t, side, dir), metav1.CreateOptions{})
			require.NoError(t, err)
			require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
				job, err := c.API.BatchV1().Jobs(namespace).Get(t.Context(), "restart-all", metav1.GetOptions{})
				if err == nil && job.Status.Failed > 0 {
					err = fmt.Errorf("%d Pods of the Job have failed", job.Status.Failed)
				}
				return err == nil && job.Status.Succeeded == 1, err
			}))
			pods, err := c.API.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
			require.NoError(t, err)
			require.Len(t, pods.Items, 1)
			prepared, err := os.ReadFile(filepath.Join(dir, "prepared"))
			require.NoError(t, err)
			release, err := os.ReadFile(filepath.Join(root, "e2e", "images", "alpine-release"))
			require.NoError(t, err)
			require.Equal(t, strings.Repeat("prepared by Alpine "+string(release), 3), string(prepared))
		})
	}
}

// example is the Job with a volume that can be looked into. For the native cluster its annotation is put into the native fields.
func example(t *testing.T, side *side, dir string) *batchv1.Job {
	text, err := os.ReadFile(filepath.Join(root, "examples", "restart-all.yaml"))
	require.NoError(t, err)
	var job batchv1.Job
	require.NoError(t, yaml.UnmarshalStrict(text, &job))
	template := &job.Spec.Template
	template.Spec.Volumes[0].VolumeSource = corev1.VolumeSource{
		HostPath: &corev1.HostPathVolumeSource{Path: dir, Type: ptr.To(corev1.HostPathDirectory)}}
	maps.Copy(template.Annotations, side.annotations)
	if !side.native {
		return &job
	}
	var document struct {
		Containers map[string]struct {
			RestartPolicy      *corev1.ContainerRestartPolicy
			RestartPolicyRules []corev1.ContainerRestartRule
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(template.Annotations[api.RulesAnnotation]), &document))
	for i := range template.Spec.Containers {
		c := &template.Spec.Containers[i]
		said := document.Containers[c.Name]
		c.RestartPolicy, c.RestartPolicyRules = said.RestartPolicy, said.RestartPolicyRules
		require.NotEmpty(t, c.RestartPolicyRules)
	}
	return &job
}

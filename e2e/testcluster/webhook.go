package testcluster

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WebhookAlias is what a Pod needs for its reports to find the webhook, where the component reports beside this file is
// installed: the address of the webhook's Pod, once there is only one.
func (c *Cluster) WebhookAlias(t *testing.T) corev1.HostAlias {
	t.Helper()
	alias := corev1.HostAlias{Hostnames: []string{"restartrules-webhook.restartrules-system.svc"}}
	require.NoError(t, Eventually(t.Context(), func() (bool, error) {
		pods, err := c.API.CoreV1().Pods("restartrules-system").List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=webhook"})
		if err != nil || len(pods.Items) != 1 {
			return false, err // the one before has not gone
		}
		alias.IP = pods.Items[0].Status.PodIP
		return alias.IP != "", nil
	}))
	return alias
}

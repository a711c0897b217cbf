//go:build e2e

package check

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"restartrules.dev/certs/selfsigned"
	"restartrules.dev/e2e/cluster/node"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
)

// stripperName is that of its configuration, which makes it the last to be asked, and of its Service.
const stripperName = "zz-stripper"

// serveStripper has another mutating webhook take out of this namespace's Pods what Restart Rules puts in. It runs here,
// behind a Service in the namespace.
func serveStripper(t *testing.T, c *testcluster.Cluster, namespace string) {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(neighbour(t, c).String(), "0"))
	require.NoError(t, err)
	issued, err := selfsigned.Issue([]string{stripperName + "." + namespace + ".svc"}, time.Now(), time.Hour)
	require.NoError(t, err)
	pair, err := tls.X509KeyPair(issued.Cert, issued.Key)
	require.NoError(t, err)
	server := &http.Server{Handler: &admission.Webhook{Handler: admission.HandlerFunc(stripped)},
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}}, ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- server.ServeTLS(listener, "", "") }()

	address := listener.Addr().(*net.TCPAddr)
	_, err = c.API.CoreV1().Services(namespace).Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: stripperName},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443}}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = c.API.DiscoveryV1().EndpointSlices(namespace).Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: stripperName, Labels: map[string]string{discoveryv1.LabelServiceName: stripperName}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{address.IP.String()}}},
		Ports: []discoveryv1.EndpointPort{{Name: ptr.To(""), Port: ptr.To(int32(address.Port))}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	configurations := c.API.AdmissionregistrationV1().MutatingWebhookConfigurations()
	_, err = configurations.Create(t.Context(), &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: stripperName},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: stripperName + ".example.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: ptr.To(admissionregistrationv1.SideEffectClassNone),
			ReinvocationPolicy: ptr.To(admissionregistrationv1.IfNeededReinvocationPolicy),
			NamespaceSelector:  &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}},
			ClientConfig: admissionregistrationv1.WebhookClientConfig{CABundle: issued.CA,
				Service: &admissionregistrationv1.ServiceReference{Namespace: namespace, Name: stripperName}},
			Rules: []admissionregistrationv1.RuleWithOperations{{Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule: admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}}}},
		}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testcluster.Patience)
		defer cancel()
		_ = configurations.Delete(ctx, stripperName, metav1.DeleteOptions{}) // it may be gone
		require.NoError(t, server.Shutdown(ctx))
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
}

// neighbour is this machine's address in the network that the node is in.
func neighbour(t *testing.T, c *testcluster.Cluster) net.IP {
	t.Helper()
	n, err := c.API.CoreV1().Nodes().Get(t.Context(), node.NodeName, metav1.GetOptions{})
	require.NoError(t, err)
	addresses, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range addresses {
		own, ok := a.(*net.IPNet)
		for _, its := range n.Status.Addresses {
			if ok && its.Type == corev1.NodeInternalIP && own.Contains(net.ParseIP(its.Address)) {
				return own.IP
			}
		}
	}
	require.NoError(t, errors.New("this machine is in no network of the node"))
	return nil
}

// stripped takes out of a Pod what Restart Rules put in.
func stripped(_ context.Context, request admission.Request) admission.Response {
	pod := new(corev1.Pod)
	if err := json.Unmarshal(request.Object.Raw, pod); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	delete(pod.Annotations, api.PlanAnnotation)
	delete(pod.Labels, api.ModeLabel)
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		for n, word := range c.Command {
			if word == "--" && c.Command[0] == api.ShimPath {
				c.Command = c.Command[n+1:]
				break
			}
		}
		c.VolumeMounts = nil
	}
	pod.Spec.InitContainers, pod.Spec.Volumes = nil, nil
	text, err := json.Marshal(pod)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.PatchResponseFromRaw(request.Object.Raw, text)
}

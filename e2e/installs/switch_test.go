//go:build e2e

package installs

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/e2e/testcluster"
)

// The sections of docs/operations.md that are typed here.
const (
	operations    = "docs/operations.md"
	toCertManager = "From self-managed to cert-manager"
	toOurOwn      = "From cert-manager to self-managed"
)

// TestOtherCertificates: on an installation that is at work certificates come from elsewhere, as docs/operations.md says, and
// back again. No Pod is refused meanwhile or left out, and nothing of what was there before stays.
func TestOtherCertificates(t *testing.T) {
	c := empty(t)
	certManager(t, c)
	const apply, remove = "kubectl apply --server-side -k manifests/overlays/self-managed", "kubectl delete --ignore-not-found -k manifests/overlays/"
	there, back := documented(t, operations, toCertManager), documented(t, operations, toOurOwn)
	// With Helm it begins in the same way: with what cert-manager issues, and who is trusted. The release takes that over.
	issue := slices.IndexFunc(there, func(command string) bool { return strings.HasPrefix(command, "kubectl kustomize") })
	require.Positive(t, issue)
	helm := tool(t, "release", "helm.sh/helm/v4/cmd/helm", "helm")
	upgrade := helm + " upgrade restartrules charts/restartrules --reuse-values --wait "
	for _, way := range []struct {
		name                      string
		install, there, back, end []string
	}{
		{"kustomize", []string{apply}, there, back, []string{remove + "self-managed", remove + "cert-manager"}},
		{"Helm", []string{helm + " install restartrules charts/restartrules --set certificates.mode=self-managed --wait"},
			append(slices.Clone(there[:issue]),
				upgrade+"--set certificates.mode=cert-manager,certificates.caInjection=false --take-ownership",
				upgrade+"--set certificates.caInjection=true"),
			[]string{upgrade + "--set certificates.caInjection=false", upgrade + "--set certificates.mode=self-managed", back[len(back)-1]},
			[]string{helm + " uninstall restartrules --wait --ignore-not-found"}},
	} {
		t.Run(way.name, func(t *testing.T) {
			namespace, _ := c.NewNamespace(t, testcluster.OptedIn)
			t.Cleanup(func() {
				if t.Failed() {
					tell(t, c)
				}
				typed(t, c, way.end)
			})
			typed(t, c, way.install)
			rolledOut(t, c)
			create(t, c, namespace, restarting("first"))
			atFirst := leftovers(t, c)

			const perSecond, pause = 10, 3 * time.Second
			l := startLoad(t, c, namespace, perSecond)
			l.goesOnFor(t, pause)
			l.note(toCertManager)
			typed(t, c, way.there)
			// cert-manager's injector adds its authority to those that are there, or, before it did so, replaces them.
			authority := secretData(t, c, "restartrules-webhook-tls")["ca.crt"]
			require.NotEmpty(t, authority)
			require.True(t, bytes.Contains(trusted(t, c), authority), "cert-manager's authority is trusted")
			l.goesOnFor(t, pause)
			for _, object := range leftovers(t, c) {
				require.NotContains(t, object, "restartrules-certificates")
				require.NotContains(t, object, selfManagedSecret)
			}

			l.note(toOurOwn)
			typed(t, c, way.back)
			require.Equal(t, secretData(t, c, selfManagedSecret)["ca.crt"], trusted(t, c))
			l.goesOnFor(t, pause)
			l.stop()
			t.Logf("%s: to cert-manager and back: %s", way.name, l)
			l.holds(t)
			goesOn(t, c, namespace, "first")
			require.ElementsMatch(t, lasting(atFirst), lasting(leftovers(t, c)))
		})
	}
}

// trusted is the caBundle that all webhooks have.
func trusted(t *testing.T, c *testcluster.Cluster) []byte {
	t.Helper()
	configuration, err := c.API.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), "restartrules", metav1.GetOptions{})
	require.NoError(t, err)
	return configuration.Webhooks[0].ClientConfig.CABundle
}

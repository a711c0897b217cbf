//go:build e2e

package check

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"restartrules.dev/certs/selfsigned"
	"restartrules.dev/e2e/testcluster"
	"restartrules.dev/pkg/api"
)

// wholePod are rules of a Pod that reports at once.
const wholePod = `{"containers": {"app": {"restartPolicy": "Never", "restartPolicyRules": [` +
	`{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [88]}}]}}}`

// patient is a Pod that runs until it is told to stop, and finds the webhook by this alias.
func patient(name string, webhook corev1.HostAlias) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{api.RulesAnnotation: wholePod}},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, TerminationGracePeriodSeconds: ptr.To[int64](1),
			HostAliases: []corev1.HostAlias{webhook},
			Containers: []corev1.Container{{Name: "app", Image: "localhost/restartrules/app:dev", ImagePullPolicy: corev1.PullIfNotPresent,
				Command: []string{"/app"}}},
		},
	}
}

// create creates a Pod, until the webhook answers. It is deleted, and gone, when the function that is returned is called.
func create(t *testing.T, c *testcluster.Cluster, namespace string, pod *corev1.Pod) (remove func()) {
	t.Helper()
	var made *corev1.Pod
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
		var err error
		made, err = c.API.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{})
		return err == nil, nil
	}))
	return func() {
		t.Helper()
		require.NoError(t, c.API.CoreV1().Pods(namespace).Delete(t.Context(), made.Name, metav1.DeleteOptions{}))
		require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
			got, err := c.API.CoreV1().Pods(namespace).Get(t.Context(), made.Name, metav1.GetOptions{})
			return err != nil || got.UID != made.UID, nil
		}))
	}
}

// heard waits until something was received of a Pod.
func heard(t *testing.T, c *testcluster.Cluster, namespace, name string) {
	t.Helper()
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
		pod, err := c.API.CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && pod.Annotations[api.StatusAnnotation] != "", err
	}))
}

// TestFindings breaks an installation in one way after the other. Each is found, by its own code, and nothing else; and
// nothing is found when it was put right.
func TestFindings(t *testing.T) {
	c := theCluster(t)
	namespace, _ := c.NewNamespace(t, testcluster.OptedIn)
	create(t, c, namespace, patient("healthy", c.WebhookAlias(t)))
	heard(t, c, namespace, "healthy")
	finds(t, c)

	for _, w := range ways {
		if !t.Run(w.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() && w.mends {
					reinstall(t, c)
				}
			})
			fix := w.breaks(t, c, namespace)
			s := findsThat(t, c, w.says, w.code)
			require.Len(t, s.Findings, 1)
			fix(&s.Findings[0])
			finds(t, c)
		}) {
			return // what is broken is not mended
		}
	}
}

// way is one to break an installation. What breaks returns mends it.
type way struct {
	name, code, says string
	// mends says that the installation has to be applied again if the test fails.
	mends  bool
	breaks func(t *testing.T, c *testcluster.Cluster, namespace string) func(*finding)
}

var ways = []way{
	{name: "a namespace without the label", code: "RR101", says: "Deployment/app", breaks: func(t *testing.T, c *testcluster.Cluster, _ string) func(*finding) {
		other, _ := c.NewNamespace(t, nil)
		labels := map[string]string{"app": "app"}
		_, err := c.API.AppsV1().Deployments(other).Create(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "app"},
			Spec: appsv1.DeploymentSpec{Replicas: new(int32), Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{api.RulesAnnotation: wholePod}},
					Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}}}}}, metav1.CreateOptions{})
		require.NoError(t, err)
		return func(f *finding) { shell(t, c, f.Fix) }
	}},
	{name: "the label's value is true", code: "RR102", says: `"true"`, breaks: func(t *testing.T, c *testcluster.Cluster, _ string) func(*finding) {
		c.NewNamespace(t, map[string]string{api.InjectLabel: "true"})
		return func(f *finding) { shell(t, c, f.Fix) }
	}},
	{name: "an expired certificate", code: "RR103", says: "has expired", mends: true, breaks: func(t *testing.T, c *testcluster.Cluster, _ string) func(*finding) {
		serve(t, c, time.Now().Add(-48*time.Hour), 24*time.Hour)
		return func(*finding) { reinstall(t, c) }
	}},
	{name: "a certificate that ends tomorrow", code: "RR103", says: "should have been renewed", mends: true, breaks: func(t *testing.T, c *testcluster.Cluster, _ string) func(*finding) {
		serve(t, c, time.Now().Add(-364*24*time.Hour), 365*24*time.Hour)
		return func(*finding) { reinstall(t, c) }
	}},
	{name: "a wrong caBundle", code: "RR104", says: "does not verify", mends: true, breaks: func(t *testing.T, c *testcluster.Cluster, _ string) func(*finding) {
		other, err := selfsigned.Issue([]string{"localhost"}, time.Now(), time.Hour)
		require.NoError(t, err)
		trust(t, c, other.CA, true, false)
		return func(*finding) { reinstall(t, c) }
	}},
	{name: "a webhook without replicas", code: "RR105", says: "0 replicas", mends: true, breaks: func(t *testing.T, c *testcluster.Cluster, _ string) func(*finding) {
		shell(t, c, "kubectl -n restartrules-system scale deployment restartrules-webhook --replicas=0")
		return func(f *finding) {
			shell(t, c, f.Fix)
			reinstall(t, c)
		}
	}},
	{name: "a webhook whose image can't be pulled", code: "RR105", says: "can't pull image", mends: true, breaks: func(t *testing.T, c *testcluster.Cluster, _ string) func(*finding) {
		shell(t, c, "kubectl -n restartrules-system scale deployment restartrules-webhook --replicas=0 && "+
			"kubectl -n restartrules-system set image deployment/restartrules-webhook webhook=localhost/restartrules/nowhere:dev && "+
			"kubectl -n restartrules-system scale deployment restartrules-webhook --replicas=1")
		return func(*finding) { reinstall(t, c) }
	}},
	{name: "a matchCondition that was edited", code: "RR106", says: `"created-with-rules" has another expression`, mends: true, breaks: func(t *testing.T, c *testcluster.Cluster, _ string) func(*finding) {
		_, err := c.API.AdmissionregistrationV1().MutatingWebhookConfigurations().Patch(t.Context(), "restartrules", types.JSONPatchType,
			[]byte(`[{"op": "replace", "path": "/webhooks/0/matchConditions/0/expression", "value": "request.operation != 'CREATE'"}]`), metav1.PatchOptions{})
		require.NoError(t, err)
		return func(f *finding) { shell(t, c, strings.ReplaceAll(f.Fix, "manifests/overlays/self-managed", manifests)) }
	}},
	{name: "another webhook that strips", code: "RR107", says: stripperName, breaks: func(t *testing.T, c *testcluster.Cluster, namespace string) func(*finding) {
		serveStripper(t, c, namespace)
		return func(*finding) { shell(t, c, "kubectl delete mutatingwebhookconfiguration "+stripperName) }
	}},
	{name: "a watcher image that can't be pulled", code: "RR108", says: "localhost/restartrules/nowhere:dev", mends: true, breaks: watcherImage("localhost/restartrules/nowhere:dev")},
	{name: "a watcher that does not start", code: "RR111", says: "does not start", mends: true, breaks: watcherImage("localhost/restartrules/app:dev")},
	{name: "a node that lacks what the API server has", code: "RR110", says: "1 of 2 nodes lack ContainerRestartRules", breaks: func(t *testing.T, c *testcluster.Cluster, _ string) func(*finding) {
		old, err := c.API.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "old"}}, metav1.CreateOptions{})
		require.NoError(t, err)
		remove := func() error {
			return c.API.CoreV1().Nodes().Delete(context.Background(), "old", metav1.DeleteOptions{})
		}
		t.Cleanup(func() { _ = remove() })
		_, err = c.API.CoreV1().Nodes().Patch(t.Context(), old.Name, types.MergePatchType,
			[]byte(`{"status": {"nodeInfo": {"kubeletVersion": "v1.33.9"}}}`), metav1.PatchOptions{}, "status")
		require.NoError(t, err)
		return func(*finding) { require.NoError(t, remove()) }
	}},
	// Last, because it takes as long as a Pod may be silent.
	{name: "no way to the webhook", code: "RR109", says: "nothing was ever received from 1 injected Pod (deaf)", breaks: func(t *testing.T, c *testcluster.Cluster, namespace string) func(*finding) {
		nowhere := c.WebhookAlias(t)
		nowhere.IP = "192.0.2.1" // RFC 5737
		remove := create(t, c, namespace, patient("deaf", nowhere))
		return func(f *finding) {
			shell(t, c, f.Fix) // the cluster has nothing that acts on it
			remove()
			create(t, c, namespace, patient("deaf", c.WebhookAlias(t)))
			heard(t, c, namespace, "deaf")
		}
	}},
}

// serve has the webhook serve with a certificate of that time, by an authority that the API server is told to trust.
func serve(t *testing.T, c *testcluster.Cluster, from time.Time, lifetime time.Duration) {
	t.Helper()
	issued, err := selfsigned.Issue([]string{webhook + "." + system + ".svc"}, from, lifetime)
	require.NoError(t, err)
	secrets := c.API.CoreV1().Secrets(system)
	secret, err := secrets.Get(t.Context(), "restartrules-webhook-tls", metav1.GetOptions{})
	require.NoError(t, err)
	secret.Data = map[string][]byte{selfsigned.CAFile: issued.CA, selfsigned.CertFile: issued.Cert, selfsigned.KeyFile: issued.Key}
	_, err = secrets.Update(t.Context(), secret, metav1.UpdateOptions{})
	require.NoError(t, err)
	trust(t, c, issued.CA, true, true)
	shell(t, c, "kubectl -n restartrules-system rollout restart deployment restartrules-webhook && "+
		"kubectl -n restartrules-system rollout status deployment restartrules-webhook --timeout=120s")
}

// trust writes the caBundle of all our webhooks.
func trust(t *testing.T, c *testcluster.Cluster, ca []byte, mutating, validating bool) {
	t.Helper()
	admission := c.API.AdmissionregistrationV1()
	if mutating {
		m, err := admission.MutatingWebhookConfigurations().Get(t.Context(), "restartrules", metav1.GetOptions{})
		require.NoError(t, err)
		for i := range m.Webhooks {
			m.Webhooks[i].ClientConfig.CABundle = ca
		}
		_, err = admission.MutatingWebhookConfigurations().Update(t.Context(), m, metav1.UpdateOptions{})
		require.NoError(t, err)
	}
	if validating {
		v, err := admission.ValidatingWebhookConfigurations().Get(t.Context(), "restartrules", metav1.GetOptions{})
		require.NoError(t, err)
		for i := range v.Webhooks {
			v.Webhooks[i].ClientConfig.CABundle = ca
		}
		_, err = admission.ValidatingWebhookConfigurations().Update(t.Context(), v, metav1.UpdateOptions{})
		require.NoError(t, err)
	}
}

// watcherImage injects this image into a Pod. The fix is the image that was installed, and another Pod.
func watcherImage(image string) func(*testing.T, *testcluster.Cluster, string) func(*finding) {
	set := func(t *testing.T, c *testcluster.Cluster, image string) {
		shell(t, c, "kubectl -n restartrules-system set env deployment/restartrules-webhook WATCHER_IMAGE="+image+
			" && kubectl -n restartrules-system rollout status deployment/restartrules-webhook --timeout=120s")
	}
	return func(t *testing.T, c *testcluster.Cluster, namespace string) func(*finding) {
		set(t, c, image)
		var remove func()
		require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
			remove = create(t, c, namespace, patient("waits", c.WebhookAlias(t)))
			pod, err := c.API.CoreV1().Pods(namespace).Get(t.Context(), "waits", metav1.GetOptions{})
			if err != nil || pod.Spec.InitContainers[0].Image == image {
				return err == nil, err
			}
			remove() // the replica before has answered
			return false, nil
		}))
		return func(*finding) {
			remove()
			set(t, c, "localhost/restartrules/watcher:dev")
		}
	}
}

// TestLeastRights: who may only view says what is left out, and which right that needs; with the right to create Pods what
// the API server itself finds is found without reading a Secret.
func TestLeastRights(t *testing.T) {
	c := theCluster(t)
	namespace, _ := c.NewNamespace(t, testcluster.OptedIn)
	finds(t, c)
	shell(t, c, "kubectl -n "+namespace+" create serviceaccount viewer && "+
		"kubectl create clusterrolebinding viewer-"+namespace+" --clusterrole=view --serviceaccount="+namespace+":viewer")
	t.Cleanup(func() { shell(t, c, "kubectl delete clusterrolebinding viewer-"+namespace) })
	says := func(codes []string, needs ...string) {
		t.Helper()
		var s *said
		var missing []string
		require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
			s = check(t, c, "--as=system:serviceaccount:"+namespace+":viewer", "-n", namespace)
			missing = nil
			for _, l := range s.LeftOut {
				missing = append(missing, l.Needs)
			}
			return slices.Equal(codes, s.codes()) && slices.Equal(needs, missing), nil
		}), "%+v", &s)
	}
	const (
		configurations = "list mutatingwebhookconfigurations.admissionregistration.k8s.io"
		secret         = "get secrets named restartrules-webhook-tls and restartrules-webhook-self-managed in namespace restartrules-system"
		nodes          = "list nodes"
	)
	in := " in namespace " + namespace
	says(nil, configurations, secret, nodes, "list podtemplates"+in, "create pods"+in, "create deployments.apps"+in)

	shell(t, c, "kubectl -n "+namespace+" create role creator --verb=create --resource=pods,deployments.apps && "+
		"kubectl -n "+namespace+" create rolebinding creator --role=creator --serviceaccount="+namespace+":viewer")
	says(nil, configurations, secret, nodes, "list podtemplates"+in)

	other, err := selfsigned.Issue([]string{"localhost"}, time.Now(), time.Hour)
	require.NoError(t, err)
	t.Cleanup(func() { reinstall(t, c) })
	trust(t, c, other.CA, true, true)
	says([]string{"RR104"}, configurations, secret, nodes, "list podtemplates"+in)
}

// TestOnePod: what becomes of a Pod is said of those that are there and of files, as is why not.
func TestOnePod(t *testing.T) {
	c := theCluster(t)
	namespace, _ := c.NewNamespace(t, nil)
	create(t, c, namespace, patient("late", c.WebhookAlias(t)))
	s := check(t, c, "-n", namespace, "late")
	require.Equal(t, []string{"RR101"}, s.codes())
	label(t, c, namespace)
	require.NoError(t, testcluster.Eventually(t.Context(), func() (bool, error) {
		s = check(t, c, "-n", namespace, "late")
		return len(s.Findings) == 1 && s.Findings[0].Code == "RR303", nil
	}), "%+v", s)
	require.Contains(t, s.Findings[0].Why, "created anew it would be emulated")
	shell(t, c, s.Findings[0].Fix)
	create(t, c, namespace, patient("late", c.WebhookAlias(t)))
	s = check(t, c, "-n", namespace, "pod/late")
	require.Empty(t, s.Findings)
	require.Contains(t, s.Notes, "Pod/"+namespace+"/late: emulated: a shim is in front of the command of app; when the Pod was made, nothing of that was left to the cluster")

	s = check(t, c, "-n", namespace, "-f", filepath.Join(root, "examples"))
	require.Empty(t, s.Findings)
	heard(t, c, namespace, "late")
	out, errs, code := plugin(t, c, "explain", "-n", namespace, "late")
	t.Logf("kubectl restartrules explain late\n%s", out)
	require.Zero(t, code, errs)
	require.Contains(t, out, "Pod/"+namespace+"/late: emulated: ")
	require.Regexp(t, `(?m)^  app +regular +0 .*\n +1-87 .*\n +88 +all containers of the Pod start again, in place +watcher `, out)
	require.Regexp(t, `(?m)^  CONTAINER +RESTARTS +IN-PLACE\n  app +0 +0$`, out)
}

// TestBefore: the cluster takes an installation.
func TestBefore(t *testing.T) {
	c := theCluster(t)
	out, errs, code := plugin(t, c, "check", "--pre")
	t.Logf("kubectl restartrules check --pre\n%s", out)
	require.Zero(t, code, out+errs)
	require.Contains(t, out, "note: Rules with action Restart are native (ContainerRestartRules): --mode=auto leaves them to the cluster")
	require.Contains(t, out, "note: There is no cert-manager")
}

// label opts a namespace in.
func label(t *testing.T, c *testcluster.Cluster, namespace string) {
	t.Helper()
	shell(t, c, "kubectl label namespace "+namespace+" "+api.InjectLabel+"="+api.InjectEnabled)
}

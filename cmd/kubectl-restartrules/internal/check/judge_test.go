package check

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/certs/selfsigned"
	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/configuration"
)

var update = flag.Bool("update", false, "write the golden files")

const cantCall = `Internal error occurred: failed calling webhook "namespaces.restartrules.dev": failed to call webhook: Post "https://restartrules-webhook.restartrules-system.svc:443/mutate-pods?timeout=10s": `

// broken are ways to break a cluster: each has findings of exactly this code.
var broken = []struct {
	name, code string
	severity   Severity
	object     string
	breaks     func(t *testing.T, c *Cluster)
}{
	{"nothing installed", NotInstalled, Error, mutatingConfiguration, func(_ *testing.T, c *Cluster) {
		c.Mutating, c.Validating, c.Deployment = nil, nil, nil
	}},
	{"an annotation without the label", NotOptedIn, Error, "Namespace/default", func(_ *testing.T, c *Cluster) {
		c.Users = append(c.Users, User{Kind: "Deployment", Namespace: "default", Name: "web", Annotated: true})
	}},
	{"native fields on a node that lacks them", NotOptedIn, Error, "Namespace/default", func(_ *testing.T, c *Cluster) {
		c.Nodes = []corev1.Node{node("a", "v1.34.1")}
	}},
	{"the label true", WrongLabel, Error, "Namespace/default", func(_ *testing.T, c *Cluster) {
		c.Namespaces[0] = namespace("default", "true")
	}},
	{"the label true on a Pod", WrongLabel, Error, "Pod/default/web", func(_ *testing.T, c *Cluster) {
		c.Users = append(c.Users, User{Kind: "Pod", Namespace: "default", Name: "web", Annotated: true, Label: "true"})
	}},
	{"an expired certificate", CertificateTime, Error, "Secret/restartrules-system/restartrules-webhook-tls", func(t *testing.T, c *Cluster) {
		serve(t, c, now.Add(-48*time.Hour), 24*time.Hour)
		c.Probes[0].refuse(cantCall + "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time is after")
	}},
	{"a certificate of tomorrow", CertificateTime, Error, "Secret/restartrules-system/restartrules-webhook-tls", func(t *testing.T, c *Cluster) {
		serve(t, c, now.Add(24*time.Hour), 24*time.Hour)
	}},
	{"a certificate that ends soon", CertificateTime, Warning, "Secret/restartrules-system/restartrules-webhook-tls", func(t *testing.T, c *Cluster) {
		serve(t, c, now.Add(-364*24*time.Hour), 365*24*time.Hour)
	}},
	{"a certificate of cert-manager that ends soon", CertificateTime, Warning, "Secret/restartrules-system/restartrules-webhook-tls", func(_ *testing.T, c *Cluster) {
		c.Certificate = &Certificate{Secret: SecretName, CertManager: true, NotBefore: now.Add(-89 * 24 * time.Hour), NotAfter: now.Add(24 * time.Hour)}
	}},
	{"an expired certificate that may not be read", CertificateTime, Error, mutatingConfiguration, func(_ *testing.T, c *Cluster) {
		c.Certificate = nil
		c.Probes[0].refuse(cantCall + "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time is after")
	}},
	{"no certificate", CertificateTime, Error, "Secret/restartrules-system/restartrules-webhook-self-managed", func(_ *testing.T, c *Cluster) {
		c.Certificate = &Certificate{Secret: SelfManagedSecretName, PEM: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}
	}},
	{"a wrong caBundle", WrongCABundle, Error, "ValidatingWebhookConfiguration/restartrules", func(t *testing.T, c *Cluster) {
		other, err := selfsigned.Issue([]string{serviceName}, now, time.Hour)
		require.NoError(t, err)
		c.Validating.Webhooks[1].ClientConfig.CABundle = other.CA
	}},
	{"a caBundle without any certificate", WrongCABundle, Error, mutatingConfiguration, func(_ *testing.T, c *Cluster) {
		c.Mutating.Webhooks[3].ClientConfig.CABundle = nil
	}},
	{"a wrong caBundle of a Secret that may not be read", WrongCABundle, Error, mutatingConfiguration, func(_ *testing.T, c *Cluster) {
		c.Certificate = nil
		c.Probes[0].refuse(cantCall + "tls: failed to verify certificate: x509: certificate signed by unknown authority")
	}},
	{"no replicas", WebhookDown, Error, "Deployment/restartrules-system/restartrules-webhook", func(_ *testing.T, c *Cluster) {
		c.Endpoints, c.Deployment.Spec.Replicas = nil, new(int32)
		c.Probes[0].refuse(cantCall + `no endpoints available for service "restartrules-webhook"`)
	}},
	{"a webhook that crashes", WebhookDown, Error, "Deployment/restartrules-system/restartrules-webhook", func(_ *testing.T, c *Cluster) {
		c.Endpoints[0].Endpoints[0].Conditions.Ready = new(bool)
		c.WebhookPods = []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "restartrules-webhook-1"}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			RestartCount: 4, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Message: "load the serving certificate: no such file"}}}}}}}
	}},
	{"a webhook whose image can't be pulled", WebhookDown, Error, "Deployment/restartrules-system/restartrules-webhook", func(_ *testing.T, c *Cluster) {
		c.Endpoints = nil
		c.WebhookPods = []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "restartrules-webhook-1"}, Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{
			Image: "registry.example.com/webhook:v1", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "Back-off pulling image"}}}}}}}
	}},
	{"a webhook that can't be reached", WebhookDown, Error, "Deployment/restartrules-system/restartrules-webhook", func(_ *testing.T, c *Cluster) {
		c.Probes[0].refuse(cantCall + "context deadline exceeded")
	}},
	{"an edited matchCondition", ConfigurationEdited, Error, mutatingConfiguration, func(_ *testing.T, c *Cluster) {
		c.Mutating.Webhooks[0].MatchConditions[0].Expression = "false"
		c.Probes[0].changedTo(`{"metadata":{},"spec":{}}`)
	}},
	{"a webhook too few", ConfigurationEdited, Error, "ValidatingWebhookConfiguration/restartrules", func(_ *testing.T, c *Cluster) {
		c.Validating.Webhooks = c.Validating.Webhooks[:1]
	}},
	{"a configuration too few", ConfigurationEdited, Error, "ValidatingWebhookConfiguration/restartrules", func(_ *testing.T, c *Cluster) { c.Validating = nil }},
	{"an object selector", ConfigurationEdited, Error, mutatingConfiguration, func(_ *testing.T, c *Cluster) {
		c.Mutating.Webhooks[0].ObjectSelector = &metav1.LabelSelector{}
	}},
	{"system namespaces that are asked about", ConfigurationEdited, Error, mutatingConfiguration, func(_ *testing.T, c *Cluster) {
		s := c.Mutating.Webhooks[1].NamespaceSelector
		s.MatchExpressions = s.MatchExpressions[:1]
	}},
	{"an operation too few", ConfigurationEdited, Error, mutatingConfiguration, func(_ *testing.T, c *Cluster) {
		c.Mutating.Webhooks[1].Rules[0].Operations = []admissionregistrationv1.OperationType{admissionregistrationv1.Create}
	}},
	{"no reinvocation", ConfigurationEdited, Error, mutatingConfiguration, func(_ *testing.T, c *Cluster) {
		c.Mutating.Webhooks[0].ReinvocationPolicy = new(admissionregistrationv1.NeverReinvocationPolicy)
	}},
	{"a Pod without its plan", PatchStripped, Error, "Namespace/research", func(t *testing.T, c *Cluster) {
		c.Others = []admissionregistrationv1.MutatingWebhookConfiguration{another("aa"), another("zz")}
		c.Probes[0].changed(t, func(pod *corev1.Pod) { delete(pod.Annotations, api.PlanAnnotation) })
	}},
	{"a Pod without its watcher", PatchStripped, Error, "Namespace/research", func(t *testing.T, c *Cluster) {
		c.Probes[0].changed(t, func(pod *corev1.Pod) { pod.Spec.InitContainers = nil })
	}},
	{"a Pod that our validation refuses", PatchStripped, Error, "Namespace/research", func(_ *testing.T, c *Cluster) {
		c.Probes[0].refuse(`admission webhook "namespaces.restartrules.dev" denied the request: spec.containers[0].command: Forbidden: it is another, against the Pod's plan`)
	}},
	{"a watcher image that can't be pulled", ImageUnpullable, Error, "Pod/research/trainer", func(_ *testing.T, c *Cluster) {
		waits(&c.Pods[0], "ErrImageNeverPull", "")
	}},
	{"a watcher that does not start", WatcherNotStarting, Error, "Pod/research/trainer", func(_ *testing.T, c *Cluster) {
		waits(&c.Pods[0], "PostStartHookError", "Exec lifecycle hook ([/watcher install]) failed")
	}},
	{"a Pod that is never heard of", NoReports, Warning, "Namespace/research", func(t *testing.T, c *Cluster) {
		c.Pods = append(c.Pods, *injectedPod(t, "default", "heard"))
		delete(c.Pods[0].Annotations, api.StatusAnnotation)
		c.NetworkPolicies = map[string][]string{"research": {"deny-all"}}
		c.Logs = map[string]string{"research/trainer": "reporter: dial tcp: i/o timeout"}
	}},
	{"a node that lacks what the API server has", NodeSkew, Warning, "Node/b", func(_ *testing.T, c *Cluster) {
		c.Users = nil // the native ones
		mode(c, "--mode=auto")
		c.Nodes = append(c.Nodes, node("b", "v1.33.9"))
	}},
	{"a node that lacks what the API server has by a file", NodeSkew, Warning, "Node/b", func(_ *testing.T, c *Cluster) {
		c.Users = nil
		c.Configuration = &configuration.Configuration{Mode: configuration.ModeAuto}
		c.Nodes = append(c.Nodes, node("b", "v1.33.9"))
	}},
	{"a node that lacks what is left to the cluster", NodeSkew, Error, "Deployment/restartrules-system/restartrules-webhook", func(_ *testing.T, c *Cluster) {
		c.Users = nil
		mode(c, "--native-features="+compile.RestartFeature)
		c.Nodes = []corev1.Node{node("b", "v1.34.9")}
	}},
}

func mode(c *Cluster, flag string) {
	c.Deployment.Spec.Template.Spec.Containers = []corev1.Container{{Args: []string{"serve", flag}}}
}

func (p *Probe) changedTo(answer string) { p.Answer = []byte(answer) }

func TestNothingIsWrongWithAHealthyCluster(t *testing.T) {
	r, err := Judge(healthy(t))
	require.NoError(t, err)
	require.Empty(t, r.Findings)
	require.Empty(t, r.Notes)
	require.Empty(t, r.LeftOut)
}

func TestFindings(t *testing.T) {
	found := map[string]bool{}
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			c := healthy(t)
			b.breaks(t, c)
			r, err := Judge(c)
			require.NoError(t, err)
			require.Len(t, r.Findings, 1, "%+v", r.Findings)
			f := r.Findings[0]
			require.Equal(t, b.code, f.Code)
			require.Equal(t, b.severity, f.Severity)
			require.Equal(t, b.object, f.Object)
			for _, text := range []string{f.What, f.Why, f.Fix} {
				require.NotEmpty(t, text)
				require.NotContains(t, text, "\n")
			}
			require.False(t, strings.HasSuffix(f.What, ".") || strings.HasSuffix(f.Why, "."))
			found[b.code] = true
			golden(t, b.name, r)
		})
	}
	for _, code := range Codes {
		if strings.HasPrefix(code.Code, "RR1") {
			require.True(t, found[code.Code], "%s is not tested", code.Code)
		}
	}
}

// golden compares the view with that in testdata. Times of tests don't come into it.
func golden(t *testing.T, name string, r *Result) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, r.Write(&out, false))
	file := filepath.Join("testdata", strings.NewReplacer(" ", "-", "'", "").Replace(name)+".txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, out.Bytes(), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), out.String())
	if name == "the label true" {
		docs, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "cli.md"))
		require.NoError(t, err)
		require.Contains(t, string(docs), "\n```\n"+out.String()+"```\n", "docs/cli.md shows it")
	}
}

// What a cluster may be without anything being wrong.
func TestNotes(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Cluster)
		note   string // empty: none
	}{
		"Ignore": {func(c *Cluster) { c.Mutating.Webhooks[0].FailurePolicy = new(admissionregistrationv1.Ignore) },
			mutatingConfiguration + ": webhook namespaces.restartrules.dev: failurePolicy is Ignore: while the webhook is down Pods start without their rules, and nobody is told"},
		"a longer timeout": {func(c *Cluster) { c.Validating.Webhooks[0].TimeoutSeconds = new(int32(15)) },
			"ValidatingWebhookConfiguration/restartrules: webhook namespaces.restartrules.dev: timeoutSeconds is 15 instead of 10"},
		"another layout": {func(c *Cluster) {
			e := &c.Mutating.Webhooks[0].MatchConditions[0].Expression
			*e = strings.Join(strings.Fields(*e), "\n\t")
		}, ""},
		"further kinds": {func(c *Cluster) {
			w := &c.Mutating.Webhooks[2]
			w.Rules = append(w.Rules, admissionregistrationv1.RuleWithOperations{Operations: []admissionregistrationv1.OperationType{"CREATE"},
				Rule: admissionregistrationv1.Rule{APIGroups: []string{"example.com"}, APIVersions: []string{"v1"}, Resources: []string{"trainings"}}})
		}, mutatingConfiguration + ": webhook workloads.namespaces.restartrules.dev: rules: also asks about CREATE of example.com/v1 trainings"},
		"more namespaces left out": {func(c *Cluster) {
			e := &c.Mutating.Webhooks[0].NamespaceSelector.MatchExpressions[1]
			e.Values = append(e.Values, "secret")
		}, mutatingConfiguration + ": webhook namespaces.restartrules.dev: namespaceSelector: more namespaces are never asked about"},
		"opting out": {func(c *Cluster) {
			c.Mutating.Webhooks[0].NamespaceSelector.MatchExpressions[0] = metav1.LabelSelectorRequirement{Key: api.InjectLabel, Operator: metav1.LabelSelectorOpNotIn, Values: []string{api.InjectDisabled}}
		}, mutatingConfiguration + ": webhook namespaces.restartrules.dev: namespaceSelector: namespaces are in unless they opt out"},
		"observing": {func(c *Cluster) {
			c.Probes[0].changedTo(`{"metadata":{},"spec":{}}`)
			c.Probes[0].Warnings = []string{"Restart Rules only observes (--mode=observe): the watcher would be injected"}
		}, "The webhook only observes (--mode=observe): restart rules are not applied"},
		"another namespace": {func(c *Cluster) {
			for i := range c.Mutating.Webhooks {
				c.Mutating.Webhooks[i].ClientConfig.Service.Namespace = "elsewhere"
			}
			for i := range c.Validating.Webhooks {
				c.Validating.Webhooks[i].ClientConfig.Service.Namespace = "elsewhere"
			}
			c.Certificate = nil
		}, ""},
		"a webhook by its URL": {func(c *Cluster) {
			c.Mutating.Webhooks[0].ClientConfig.Service, c.Endpoints = nil, nil
		}, mutatingConfiguration + ": webhook namespaces.restartrules.dev: the webhook is asked by a URL, not by its Service"},
		"a namespace that is being deleted": {func(c *Cluster) {
			c.Namespaces[0] = namespace("default", "true")
			c.Namespaces[0].Status.Phase = corev1.NamespaceTerminating
		}, ""},
		"no namespace": {func(c *Cluster) { c.Namespaces = c.Namespaces[:2] },
			"No namespace has opted in: kubectl label namespace NAME restartrules.dev/inject=enabled"},
		"a Pod that has just started": {func(c *Cluster) {
			delete(c.Pods[0].Annotations, api.StatusAnnotation)
			c.Pods[0].Status.InitContainerStatuses[0].State.Running.StartedAt = metav1.NewTime(now.Add(-10 * time.Second))
		}, ""},
		"a Pod that has nothing to tell": {func(c *Cluster) {
			delete(c.Pods[0].Annotations, api.StatusAnnotation)
			c.Pods[0].Annotations[api.PlanAnnotation] = `{"version":1,"restartPolicy":{"own":"Never","compiled":"Never"},"containers":[]}`
		}, ""},
		"a Pod that is being deleted": {func(c *Cluster) {
			waits(&c.Pods[0], "ImagePullBackOff", "")
			c.Pods[0].DeletionTimestamp = new(metav1.NewTime(now))
		}, ""},
		"all nodes lack it": {func(c *Cluster) {
			c.Users = nil
			mode(c, "--mode=auto")
			c.Nodes = []corev1.Node{node("a", "v1.33.9")}
		}, ""},
		"skew where everything is emulated": {func(c *Cluster) {
			c.Users = nil
			c.Nodes = append(c.Nodes, node("b", "v1.33.9"))
		}, ""},
		"rules in a namespace that is never asked about": {func(c *Cluster) {
			c.Users = append(c.Users, User{Kind: "Pod", Namespace: "kube-system", Name: "a", Annotated: true})
		}, ""},
		"certificates of old and new authorities": {func(c *Cluster) {
			other, err := selfsigned.Issue([]string{serviceName}, now, time.Hour)
			if err == nil {
				trust(c, append(other.CA, c.Mutating.Webhooks[0].ClientConfig.CABundle...))
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := healthy(t)
			tc.change(c)
			r, err := Judge(c)
			require.NoError(t, err)
			require.Empty(t, r.Findings)
			if tc.note == "" {
				require.Empty(t, r.Notes)
			} else {
				require.Equal(t, []string{tc.note}, r.Notes)
			}
		})
	}
}

// What may not be read is left out, and the rest still judged.
func TestNothingKnown(t *testing.T) {
	r, err := Judge(&Cluster{Now: now, LeftOut: []LeftOut{{Check: "which namespaces have opted in", Needs: "list namespaces"}}})
	require.NoError(t, err)
	require.Empty(t, r.Findings)
	golden(t, "nothing known", r)
}

func TestRefusedBySomethingElse(t *testing.T) {
	c := healthy(t)
	c.Probes[0].refuse(`pods "a" is forbidden: exceeded quota: small`)
	r, err := Judge(c)
	require.NoError(t, err)
	require.Empty(t, r.Findings)
	golden(t, "refused by something else", r)
}

// The webhooks that are asked last come first.
func TestSuspects(t *testing.T) {
	c := healthy(t)
	elsewhere := another("elsewhere")
	elsewhere.Webhooks[0].NamespaceSelector.MatchLabels = map[string]string{"a": "b"}
	services := another("services")
	services.Webhooks[0].Rules[0].Resources = []string{"services"}
	c.Others = []admissionregistrationv1.MutatingWebhookConfiguration{another("aa"), elsewhere, services, another("zz")}
	require.Equal(t, []string{"zz (webhook zz.example.com)", "aa (webhook aa.example.com)"}, c.suspects(&c.Probes[0]))
}

package check

import (
	"encoding/json"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/configuration"
)

// Names of the installation.
const (
	// SystemNamespace is where everything is, unless the webhook configurations say otherwise.
	SystemNamespace = "restartrules-system"
	// Name is that of both webhook configurations, WebhookName that of Deployment, Service and Certificate.
	Name        = "restartrules"
	WebhookName = "restartrules-webhook"
	// SecretName holds the certificate, SelfManagedSecretName if the webhook makes it itself.
	SecretName            = "restartrules-webhook-tls"
	SelfManagedSecretName = "restartrules-webhook-self-managed"
)

// Cluster is what was read of a cluster. What is nil is not there, or LeftOut says why it is not known.
type Cluster struct {
	Now time.Time
	// Version is the API server's.
	Version string
	// Mutating and Validating are ours; Configured says that they were looked for. Others are the other mutating ones.
	Configured bool
	Mutating   *admissionregistrationv1.MutatingWebhookConfiguration
	Validating *admissionregistrationv1.ValidatingWebhookConfiguration
	Others     []admissionregistrationv1.MutatingWebhookConfiguration

	Namespaces []corev1.Namespace
	// Users are the Pods and workloads that use restart rules or say whether they opt in, without those that a known
	// kind of workload controls.
	Users []User
	// Pods are those that were injected.
	Pods  []corev1.Pod
	Nodes []corev1.Node

	// Deployment is the webhook's, WebhookPods are its Pods; EndpointsKnown says that Endpoints are all of its Service.
	Deployment  *appsv1.Deployment
	WebhookPods []corev1.Pod
	// Configuration is the webhook's; nil: it has none but its flags.
	Configuration  *configuration.Configuration
	Endpoints      []discoveryv1.EndpointSlice
	EndpointsKnown bool

	Certificate *Certificate
	Probes      []Probe
	// Native is what the API server takes; nil: not known.
	Native *compile.Features
	// Logs are the last lines of watchers, by namespace and name of the Pod with a slash between them.
	Logs map[string]string
	// NetworkPolicies are the names of those that restrict egress, by namespace.
	NetworkPolicies map[string][]string

	Notes   []string
	LeftOut []LeftOut
}

// User is a Pod or workload that uses restart rules.
type User struct {
	Kind, Namespace, Name string
	// Label is the value of the label that opts in or out, of the Pod or its template; empty: there is none.
	Label string
	// Annotated and Native say in which form it has rules.
	Annotated, Native bool
	// Injected says that it is a Pod with a plan.
	Injected bool
}

// Object is the user as a finding names it.
func (u *User) Object() string { return u.Kind + "/" + u.Namespace + "/" + u.Name }

// Certificate is what is known of the certificate that the webhook serves.
type Certificate struct {
	// Namespace is that of the installation.
	Namespace string
	// PEM is the certificate, of the Secret of this name.
	PEM    []byte
	Secret string
	// NotBefore and NotAfter are what cert-manager says, if PEM is not known.
	NotBefore, NotAfter time.Time
	// CertManager says that cert-manager makes it.
	CertManager bool
}

// Probe is an object that the API server was asked to create in a dry run.
type Probe struct {
	// Webhook is the name of the webhook of ours that is to be asked.
	Webhook   string
	Kind      string
	Namespace string
	// Labels are the object's.
	Labels map[string]string
	// Answer is the object as it would be stored; empty if it was refused, and Refusal says why.
	Answer  json.RawMessage
	Refusal *metav1.Status
	// Warnings are what the API server passed on.
	Warnings []string
}

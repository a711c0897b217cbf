package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"restartrules.dev/pkg/compile"
)

// least is the first version of Kubernetes with native sidecars by default, which injected Pods need.
const least = "1.29.0"

// Before is what was read of a cluster in which nothing is installed yet.
type Before struct {
	Version string
	Nodes   []corev1.Node
	// Native is what the API server takes; nil: not known.
	Native *compile.Features
	// Sidecars says whether the API server keeps restartPolicy Always of an init container, Conditions whether it keeps
	// matchConditions of webhooks; nil: not known.
	Sidecars, Conditions *bool
	// MissingRights are those that an installation takes and the user has not.
	MissingRights []string
	// CertManager says that its API is there, CertManagerError what a dry run against it says.
	CertManager      bool
	CertManagerError string
	// Refused are namespaces that refuse an injected Pod, and take the same Pod as it is, each with the reason.
	Refused map[string]string
	// Installed says that there is an installation.
	Installed bool
	LeftOut   []LeftOut
}

// JudgeBefore finds what keeps Restart Rules from being installed, or from working then.
func JudgeBefore(b *Before) *Result {
	r := &Result{LeftOut: b.LeftOut}
	if old(b.Version) {
		r.add(Finding{OldAPIServer, Error, "Cluster/API server", "The API server is " + b.Version,
			"injected Pods need native sidecars, which Kubernetes has by default from 1.29 on", "kubectl version    # then upgrade the control plane to 1.29 or later"})
	}
	for i := range b.Nodes {
		if n := &b.Nodes[i]; old(n.Status.NodeInfo.KubeletVersion) {
			r.add(Finding{OldKubelet, Error, "Node/" + n.Name, "Its kubelet is " + n.Status.NodeInfo.KubeletVersion,
				"injected Pods need native sidecars, which kubelets have by default from 1.29 on",
				fmt.Sprintf("kubectl drain %s --ignore-daemonsets --delete-emptydir-data    # then upgrade its kubelet", n.Name)})
		}
	}
	if b.Sidecars != nil && !*b.Sidecars && !old(b.Version) {
		r.add(Finding{NoSidecars, Error, "Cluster/API server", "The API server drops restartPolicy Always of init containers",
			"the watcher is a native sidecar; the feature gate SidecarContainers is off",
			"kubectl get --raw /metrics | grep 'kubernetes_feature_enabled{name=\"SidecarContainers\"'    # then turn the gate on, in all components"})
	}
	for _, right := range b.MissingRights {
		r.add(Finding{NoRights, Error, "Cluster/API server", "The user may not " + right,
			"an installation with certificates of its own (manifests/overlays/self-managed) takes it",
			"kubectl auth can-i " + canI(right) + "    # ask an administrator, or install as one"})
	}
	if b.Conditions != nil && !*b.Conditions {
		r.add(Finding{NoAdmission, Error, "Cluster/API server", "The API server drops matchConditions of webhooks",
			"without them it asks about every Pod, so all depend on the webhook; from 1.28 on it has them by default (AdmissionWebhookMatchConditions)",
			"kubectl get --raw /metrics | grep 'kubernetes_feature_enabled{name=\"AdmissionWebhookMatchConditions\"'    # then turn the gate on"})
	}
	if b.CertManagerError != "" {
		r.add(Finding{CertManagerUnfit, Warning, "Cluster/cert-manager", "A dry run against cert-manager fails" + said(b.CertManagerError),
			"overlays/cert-manager, and the chart by default, need it; the other kinds of certificates do not", "kubectl -n cert-manager get deployments,pods"})
	}
	for _, namespace := range slices.Sorted(maps.Keys(b.Refused)) {
		r.add(Finding{PodsRefused, Error, "Namespace/" + namespace, "It refuses a Pod with the watcher and takes the same Pod without" + said(b.Refused[namespace]),
			"Pods with restart rules could not be created there. The watcher passes the Pod Security Standard restricted, so it is a policy or a quota",
			fmt.Sprintf("kubectl -n %s describe namespace %s    # and quotas, limit ranges and policies: have them allow the container restartrules-watcher", namespace, namespace)})
	}
	b.notes(r)
	return r.finish()
}

func (b *Before) notes(r *Result) {
	r.note(fmt.Sprintf("Kubernetes %s, %s", b.Version, counted(len(b.Nodes), "node")))
	switch {
	case b.CertManager:
		r.note("There is cert-manager: manifests/overlays/cert-manager, or the chart")
	default:
		r.note("There is no cert-manager: manifests/overlays/self-managed, or the chart with --set certificates.mode=self-managed")
	}
	if b.Native != nil && len(b.Nodes) > 0 {
		r.note(b.native())
	}
	if b.Installed {
		r.note("Restart Rules is installed: kubectl restartrules check, without --pre, looks at that")
	}
}

// native says what is native and what would be emulated.
func (b *Before) native() string {
	all, lacks := (&Cluster{Nodes: b.Nodes}).everyNode()
	has := func(name string) bool {
		return slices.Contains(featureNames(*b.Native), name) && slices.Contains(featureNames(all), name)
	}
	var texts []string
	for _, feature := range []struct{ name, action string }{{compile.RestartFeature, "Restart"}, {compile.RestartAllFeature, "RestartAllContainers"}} {
		switch {
		case has(feature.name):
			texts = append(texts, fmt.Sprintf("rules with action %s are native (%s): --mode=auto leaves them to the cluster", feature.action, feature.name))
		case !slices.Contains(featureNames(*b.Native), feature.name):
			texts = append(texts, fmt.Sprintf("rules with action %s are emulated: the API server has no %s", feature.action, feature.name))
		default:
			texts = append(texts, fmt.Sprintf("rules with action %s are emulated: %s is missing on %s", feature.action, feature.name, some(lacks[feature.name])))
		}
	}
	return strings.Join(texts, "; ")
}

// old reports whether a version is known to be older than the oldest that works.
func old(text string) bool {
	v, err := version.ParseSemantic(text)
	return err == nil && v.WithPreRelease("").LessThan(version.MustParseGeneric(least))
}

// canI is a right as `kubectl auth can-i` takes it.
func canI(right string) string {
	what, namespace, found := strings.Cut(right, " in namespace ")
	if found {
		return what + " -n " + namespace
	}
	return what
}

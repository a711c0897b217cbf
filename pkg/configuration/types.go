// Package configuration reads the file with the webhook's settings: what is injected into Pods, what their rules may
// say, and where that differs between namespaces. It is pure but for Load.
package configuration

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/validation"
)

// What a file says that it is.
const (
	APIVersion = "config.restartrules.dev/v1alpha1"
	Kind       = "Configuration"
)

// Values of Configuration.Mode.
const (
	ModeEmulate = "emulate"
	ModeAuto    = "auto"
	ModeObserve = "observe"
)

// Configuration is the whole file.
type Configuration struct {
	metav1.TypeMeta `json:",inline"`

	// Mode is emulate, auto or observe: apply restart rules to all Pods that have any; only what the cluster does not
	// apply itself; change and refuse nothing, but say what would be. Default: emulate.
	Mode string `json:"mode,omitempty"`
	// NativeFeatures are the feature gates that API server and kubelets have on: ContainerRestartRules,
	// RestartAllContainersOnContainerExits. Not together with mode auto, which finds that out.
	NativeFeatures []string `json:"nativeFeatures,omitempty"`
	// PodTemplates are further kinds that carry Pod templates, as group/version/resource=path[,path].
	PodTemplates []string `json:"podTemplates,omitempty"`

	Settings `json:",inline"`

	// Namespaces differ from that. Of the entries that name a namespace the first holds.
	Namespaces []Namespaces `json:"namespaces,omitempty"`
}

// Settings are what can differ between namespaces. In an entry of Configuration.Namespaces a field that is not set is
// what the Configuration says; one that is set stands in its place as a whole.
type Settings struct {
	Watcher Watcher `json:"watcher,omitzero"`
	Pods    Pods    `json:"pods,omitzero"`
	Rules   Rules   `json:"rules,omitzero"`
}

// Namespaces are settings of some namespaces.
type Namespaces struct {
	// Names are names of namespaces, or patterns in which * stands for any characters.
	Names    []string `json:"names"`
	Settings `json:",inline"`
}

// Watcher is the container that is injected.
type Watcher struct {
	// Image with the watcher and the shim. Where an entry for namespaces sets it, Mirror and Digest are only its own.
	Image string `json:"image,omitempty"`
	// Mirror stands in place of what is before the last slash of Image.
	Mirror string `json:"mirror,omitempty"`
	// Digest, sha256:…, stands in place of tag and digest of Image.
	Digest string `json:"digest,omitempty"`
	// ImagePullPolicy is Always, IfNotPresent or Never. Default: the API server's.
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// ImagePullSecrets are added to the Pod's, for Image. Secrets of these names must be in the Pod's namespace: it
	// starts without, if the image can be pulled without.
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitzero"`
	// Resources stand in place of those that the watcher is given by itself, see Resources.
	Resources Resources `json:"resources,omitzero"`
	// ReadinessPort, 0 to 65535, is where the watcher says whether the Pod is ready; 0: nowhere. Default: 15951.
	ReadinessPort *int32 `json:"readinessPort,omitempty"`
}

// Resources are of cpu, memory and ephemeral-storage. The Pod's QoS class stays what it is without the watcher: a Pod
// that is Guaranteed gets requests equal to limits, one that is BestEffort or has resources of its own (spec.resources)
// gets none.
type Resources struct {
	Requests ResourceList `json:"requests,omitzero"`
	Limits   ResourceList `json:"limits,omitzero"`
}

// Pods are what else becomes of Pods into which a watcher is injected.
type Pods struct {
	// Labels and Annotations are added where the Pod has none of the key. Those of Restart Rules can't be set.
	Labels      map[string]string `json:"labels,omitzero"`
	Annotations map[string]string `json:"annotations,omitzero"`
	// ShareProcessNamespace has the containers share one process namespace, where the Pod does not say. Default: true.
	ShareProcessNamespace *bool `json:"shareProcessNamespace,omitempty"`
	// PinImageDigests pins images whose entry points were looked up, where the Pod does not say. Default: false.
	PinImageDigests *bool `json:"pinImageDigests,omitempty"`
}

// Rules bound what users may write.
type Rules struct {
	// MinBackoff, 0s to 1h, is the least that restarts in place wait, but for the first, which is at once: a shorter
	// initialDelay or maxDelay is raised to it, with a warning. Default: 0s.
	MinBackoff *Duration `json:"minBackoff,omitempty"`
	// AllowedActions are those of rules. A Pod or Pod template with another is refused. Default: all.
	AllowedActions []corev1.ContainerRestartRuleAction `json:"allowedActions,omitzero"`
	// AllowedStrategies are those by which RestartAllContainers may be done, in-place and sandbox. A Pod or Pod template
	// that needs another is refused. Default: both.
	AllowedStrategies []validation.Strategy `json:"allowedStrategies,omitzero"`
}

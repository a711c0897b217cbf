// Package manifest reads what users write: the part of a Pod that matters to us, and the document
// of the rules annotation. It is apart from package api because it needs the Kubernetes API types,
// which the watcher and the shim must not link.
package manifest

import (
	"errors"
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/json"

	"restartrules.dev/pkg/api"
)

// Pod is the part of a Pod that we read. It is never marshalled: what it doesn't know would be lost.
type Pod struct {
	Metadata Metadata
	Spec     PodSpec
}

// Metadata is the part of an ObjectMeta that we read.
type Metadata struct {
	Name         string            `json:"name"`
	GenerateName string            `json:"generateName"`
	Namespace    string            `json:"namespace"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
}

// PodSpec is the part of a Pod's spec that we read.
type PodSpec struct {
	RestartPolicy         corev1.RestartPolicy `json:"restartPolicy"`
	OS                    *corev1.PodOS        `json:"os"`
	HostPID               bool                 `json:"hostPID"`
	HostNetwork           bool                 `json:"hostNetwork"`
	ShareProcessNamespace *bool                `json:"shareProcessNamespace"`
	NodeSelector          map[string]string    `json:"nodeSelector"`
	SecurityContext       *PodSecurityContext  `json:"securityContext"`
	// TerminationGracePeriodSeconds is nil where the API server hasn't filled in 30 yet.
	TerminationGracePeriodSeconds *int64                        `json:"terminationGracePeriodSeconds"`
	Resources                     *corev1.ResourceRequirements  `json:"resources"`
	Volumes                       []Volume                      `json:"volumes"`
	InitContainers                []Container                   `json:"initContainers"`
	Containers                    []Container                   `json:"containers"`
	EphemeralContainers           []Container                   `json:"ephemeralContainers"`
	ImagePullSecrets              []corev1.LocalObjectReference `json:"imagePullSecrets"`
}

// PodSecurityContext is the part of a PodSecurityContext that we read.
type PodSecurityContext struct {
	RunAsUser *int64 `json:"runAsUser"`
}

// Volume is the part of a Volume that we read.
type Volume struct {
	Name string `json:"name"`
}

// Container is the part of a container that we read.
type Container struct {
	Name    string   `json:"name"`
	Image   string   `json:"image"`
	Command []string `json:"command"`
	Args    []string `json:"args"`
	Rules
	Resources    corev1.ResourceRequirements    `json:"resources"`
	ResizePolicy []corev1.ContainerResizePolicy `json:"resizePolicy"`
	Lifecycle    *Lifecycle                     `json:"lifecycle"`
	// Env is empty in a Pod of DecodeChecked: EnvVars has it.
	Env   []EnvVar `json:"env"`
	Ports []Port   `json:"ports"`
	// The probes are as they are written, with all their fields.
	LivenessProbe  Raw           `json:"livenessProbe"`
	ReadinessProbe Raw           `json:"readinessProbe"`
	StartupProbe   Raw           `json:"startupProbe"`
	VolumeMounts   []VolumeMount `json:"volumeMounts"`
	// TerminationMessagePath is empty where the API server hasn't filled it in yet.
	TerminationMessagePath string `json:"terminationMessagePath"`

	// env is the JSON of Env where that is not decoded yet.
	env []byte
}

// EnvVar is the part of an EnvVar that we read.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Port is the part of a ContainerPort that we read.
type Port struct {
	Name          string `json:"name"`
	ContainerPort int32  `json:"containerPort"`
}

// VolumeMount is the part of a VolumeMount that we read, and all that we write.
type VolumeMount struct {
	Name      string `json:"name"`
	ReadOnly  bool   `json:"readOnly,omitempty"`
	MountPath string `json:"mountPath"`
	SubPath   string `json:"subPath,omitempty"`
}

// Lifecycle is the part of a Lifecycle that we read.
type Lifecycle struct {
	PreStop   *corev1.LifecycleHandler `json:"preStop"`
	PostStart *corev1.LifecycleHandler `json:"postStart"`
}

// Rules are the native fields of a container.
type Rules struct {
	RestartPolicy      *corev1.ContainerRestartPolicy `json:"restartPolicy,omitempty"`
	RestartPolicyRules []corev1.ContainerRestartRule  `json:"restartPolicyRules,omitempty"`
}

// IsZero reports whether neither of the fields says anything.
func (r Rules) IsZero() bool { return r.RestartPolicy == nil && len(r.RestartPolicyRules) == 0 }

// IsSidecar reports whether an init container with these fields is a sidecar
// (upstream: pkg/api/v1/pod/util.go, IsRestartableInitContainer).
func (r Rules) IsSidecar() bool {
	return r.RestartPolicy != nil && *r.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// Equal compares as the API server does: an empty list and none are the same.
func (r Rules) Equal(other Rules) bool {
	return r.IsZero() && other.IsZero() || equality.Semantic.DeepEqual(r, other)
}

// DecodePod reads a Pod from JSON. Unknown fields are ignored, names of fields are case-sensitive,
// as in the API server's decoder. Metadata and spec must be there.
func DecodePod(object []byte) (*Pod, error) { return decode(object, true) }

// DecodeChecked is DecodePod, several times as fast, for a Pod whose fields' types an API server has
// checked: it doesn't say whether those of environment variables are right. The Pod refers to object,
// which must not be changed as long as the Pod is in use.
func DecodeChecked(object []byte) (*Pod, error) {
	if pod, ok := readPod(object); ok {
		return pod, nil
	}
	return decode(object, true)
}

// EnvVars are the container's environment variables.
func (c *Container) EnvVars() []EnvVar {
	if c.env == nil {
		return c.Env
	}
	var list []EnvVar
	_ = json.UnmarshalCaseSensitivePreserveInts(c.env, &list) // it is JSON, and the API server knows its types
	return list
}

// DecodeTemplate reads a Pod template as DecodePod reads a Pod. It needs no metadata.
func DecodeTemplate(object []byte) (*Pod, error) { return decode(object, false) }

func decode(object []byte, needsMetadata bool) (*Pod, error) {
	var pod struct {
		Metadata *Metadata `json:"metadata"`
		Spec     *PodSpec  `json:"spec"`
	}
	if err := json.UnmarshalCaseSensitivePreserveInts(object, &pod); err != nil {
		return nil, fmt.Errorf("decode pod: %w", err)
	}
	if pod.Spec == nil || pod.Metadata == nil && needsMetadata {
		return nil, errors.New("decode pod: has no metadata or no spec")
	}
	if pod.Metadata == nil {
		pod.Metadata = new(Metadata)
	}
	return &Pod{Metadata: *pod.Metadata, Spec: *pod.Spec}, nil
}

// Policy is the Pod-level restartPolicy; empty means Always, as the API server defaults it.
func (s *PodSpec) Policy() corev1.RestartPolicy {
	if s.RestartPolicy == "" {
		return corev1.RestartPolicyAlways
	}
	return s.RestartPolicy
}

// IsWindows reports whether the Pod says that it runs on Windows, or only on nodes that do.
func (s *PodSpec) IsWindows() bool {
	return s.OS != nil && s.OS.Name == corev1.Windows || s.NodeSelector[corev1.LabelOSStable] == string(corev1.Windows)
}

// IsMirror reports whether the Pod is only an image of a static Pod, which its node's kubelet runs from
// a file (upstream: pkg/kubelet/types/pod_update.go, IsMirrorPod).
func (m *Metadata) IsMirror() bool {
	_, ok := m.Annotations[corev1.MirrorPodAnnotationKey]
	return ok
}

// PostStart is the container's postStart handler, or nil.
func (c *Container) PostStart() *corev1.LifecycleHandler {
	if c.Lifecycle == nil {
		return nil
	}
	return c.Lifecycle.PostStart
}

// PreStop is the container's preStop handler, or nil.
func (c *Container) PreStop() *corev1.LifecycleHandler {
	if c.Lifecycle == nil {
		return nil
	}
	return c.Lifecycle.PreStop
}

// PreStopExec is the command of the container's exec preStop handler, or nil.
func (c *Container) PreStopExec() []string {
	if h := c.PreStop(); h != nil && h.Exec != nil {
		return h.Exec.Command
	}
	return nil
}

// InOurs reports whether the mount lies at or below the path that we mount in wrapped containers.
func (m VolumeMount) InOurs() bool {
	p := path.Clean("/" + m.MountPath)
	return p == api.MountPath || strings.HasPrefix(p, api.MountPath+"/")
}

// HasRules reports whether the Pod says anything that is ours to do: native fields (a sidecar's
// restartPolicy is Kubernetes' own), lifted or not, or the rules annotation.
func (p *Pod) HasRules() bool {
	if p.Metadata.Annotations[api.RulesAnnotation] != "" || p.Metadata.Annotations[api.LiftedRulesAnnotation] != "" {
		return true
	}
	for i := range p.Spec.Containers {
		if !p.Spec.Containers[i].Rules.IsZero() {
			return true
		}
	}
	for i := range p.Spec.InitContainers {
		c := &p.Spec.InitContainers[i]
		if len(c.RestartPolicyRules) > 0 || c.RestartPolicy != nil && !c.IsSidecar() {
			return true
		}
	}
	return false
}

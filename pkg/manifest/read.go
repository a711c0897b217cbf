package manifest

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/json"

	"restartrules.dev/pkg/manifest/scan"
)

// readPod is what decode gives, without environment variables, in a tenth of the time. False: it is not as
// it should be, or not as it usually is; decode knows more.
func readPod(object []byte) (*Pod, bool) {
	r := scan.NewReader(object)
	pod := new(Pod)
	metadata, spec := false, false
	for key := range r.Keys {
		switch string(key) {
		case "metadata":
			metadata = !r.Null()
			pod.Metadata.read(r)
		case "spec":
			spec = !r.Null()
			pod.Spec.read(r)
		}
	}
	return pod, r.Done() && metadata && spec
}

func (m *Metadata) read(r *scan.Reader) {
	for key := range r.Keys {
		switch string(key) {
		case "name":
			m.Name = r.Text()
		case "generateName":
			m.GenerateName = r.Text()
		case "namespace":
			m.Namespace = r.Text()
		case "labels":
			m.Labels = r.Texts()
		case "annotations":
			m.Annotations = r.Texts()
		}
	}
}

func (s *PodSpec) read(r *scan.Reader) {
	for key := range r.Keys {
		switch string(key) {
		case "restartPolicy":
			s.RestartPolicy = corev1.RestartPolicy(r.Text())
		case "os":
			decodeNext(r, &s.OS)
		case "hostPID":
			s.HostPID = r.Bool()
		case "hostNetwork":
			s.HostNetwork = r.Bool()
		case "shareProcessNamespace":
			if !r.Null() {
				s.ShareProcessNamespace = new(r.Bool())
			}
		case "nodeSelector":
			s.NodeSelector = r.Texts()
		case "securityContext":
			if !r.Null() {
				s.SecurityContext = new(PodSecurityContext)
				s.SecurityContext.read(r)
			}
		case "terminationGracePeriodSeconds":
			if !r.Null() {
				s.TerminationGracePeriodSeconds = new(r.Int(64))
			}
		case "resources":
			if !r.Null() {
				s.Resources = new(corev1.ResourceRequirements)
				readResources(r, s.Resources)
			}
		case "volumes":
			s.Volumes = list(r, readVolume)
		case "initContainers":
			s.InitContainers = list(r, readContainer)
		case "containers":
			s.Containers = list(r, readContainer)
		case "ephemeralContainers":
			s.EphemeralContainers = list(r, readContainer)
		case "imagePullSecrets":
			decodeNext(r, &s.ImagePullSecrets)
		}
	}
}

func (c *PodSecurityContext) read(r *scan.Reader) {
	for key := range r.Keys {
		if string(key) == "runAsUser" && !r.Null() {
			c.RunAsUser = new(r.Int(64))
		}
	}
}

func readVolume(r *scan.Reader, v *Volume) {
	for key := range r.Keys {
		if string(key) == "name" {
			v.Name = r.Text()
		}
	}
}

func readContainer(r *scan.Reader, c *Container) {
	for key := range r.Keys {
		switch string(key) {
		case "name":
			c.Name = r.Text()
		case "image":
			c.Image = r.Text()
		case "command":
			c.Command = r.TextList()
		case "args":
			c.Args = r.TextList()
		case "restartPolicy":
			if !r.Null() {
				c.RestartPolicy = new(corev1.ContainerRestartPolicy(r.Text()))
			}
		case "restartPolicyRules":
			c.RestartPolicyRules = list(r, readRule)
		case "resources":
			readResources(r, &c.Resources)
		case "resizePolicy":
			decodeNext(r, &c.ResizePolicy)
		case "lifecycle":
			decodeNext(r, &c.Lifecycle)
		case "env":
			c.env = raw(r)
		case "ports":
			c.Ports = list(r, readPort)
		case "livenessProbe":
			c.LivenessProbe = raw(r)
		case "readinessProbe":
			c.ReadinessProbe = raw(r)
		case "startupProbe":
			c.StartupProbe = raw(r)
		case "volumeMounts":
			c.VolumeMounts = list(r, readMount)
		case "terminationMessagePath":
			c.TerminationMessagePath = r.Text()
		}
	}
}

func readRule(r *scan.Reader, rule *corev1.ContainerRestartRule) {
	for key := range r.Keys {
		switch string(key) {
		case "action":
			rule.Action = corev1.ContainerRestartRuleAction(r.Text())
		case "exitCodes":
			if !r.Null() {
				rule.ExitCodes = new(corev1.ContainerRestartRuleOnExitCodes)
				readExitCodes(r, rule.ExitCodes)
			}
		}
	}
}

func readExitCodes(r *scan.Reader, on *corev1.ContainerRestartRuleOnExitCodes) {
	for key := range r.Keys {
		switch string(key) {
		case "operator":
			on.Operator = corev1.ContainerRestartRuleOnExitCodesOperator(r.Text())
		case "values":
			on.Values = list(r, func(r *scan.Reader, code *int32) { *code = int32(r.Int(32)) })
		}
	}
}

func readPort(r *scan.Reader, p *Port) {
	for key := range r.Keys {
		switch string(key) {
		case "name":
			p.Name = r.Text()
		case "containerPort":
			p.ContainerPort = int32(r.Int(32))
		}
	}
}

func readMount(r *scan.Reader, m *VolumeMount) {
	for key := range r.Keys {
		switch string(key) {
		case "name":
			m.Name = r.Text()
		case "mountPath":
			m.MountPath = r.Text()
		case "subPath":
			m.SubPath = r.Text()
		case "readOnly":
			m.ReadOnly = r.Bool()
		}
	}
}

func readResources(r *scan.Reader, of *corev1.ResourceRequirements) {
	for key := range r.Keys {
		switch string(key) {
		case "limits":
			of.Limits = readAmounts(r)
		case "requests":
			of.Requests = readAmounts(r)
		case "claims":
			decodeNext(r, &of.Claims)
		}
	}
}

func readAmounts(r *scan.Reader) corev1.ResourceList {
	if r.Null() {
		return nil
	}
	amounts := corev1.ResourceList{}
	for key := range r.Keys {
		var amount resource.Quantity
		name := corev1.ResourceName(r.Keep(key))
		decodeNext(r, &amount)
		amounts[name] = amount
	}
	return amounts
}

// list is the next value, a list.
func list[T any](r *scan.Reader, read func(*scan.Reader, *T)) []T {
	if r.Null() {
		return nil
	}
	items := []T{}
	for i := range r.Items {
		if i == 0 {
			items = make([]T, 0, 4)
		}
		items = append(items, *new(T))
		read(r, &items[len(items)-1])
	}
	return items
}

// raw is the next value as it is written; nil for null.
func raw(r *scan.Reader) []byte {
	if r.Null() {
		return nil
	}
	return r.Raw()
}

// decodeNext decodes the next value, one that few Pods have.
func decodeNext(r *scan.Reader, to any) {
	if raw := raw(r); raw != nil && json.UnmarshalCaseSensitivePreserveInts(raw, to) != nil {
		r.Fail()
	}
}

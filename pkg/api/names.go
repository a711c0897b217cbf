// Package api holds what users and the parts of Restart Rules agree on: the names of labels and
// annotations, the document of the rules annotation, and the few fields of a Pod that we read.
package api

// Labels and annotations.
const (
	// InjectLabel on a namespace (value "enabled") opts its Pods in; on a Pod "enabled" opts that
	// Pod in whatever its namespace says, "disabled" opts it out.
	InjectLabel = "restartrules.dev/inject"
	// ModeLabel is on every Pod that was injected, with the value ModeEmulated.
	ModeLabel = "restartrules.dev/mode"
	// RulesAnnotation holds the rules as a document in YAML or JSON, for API servers that don't
	// know the native fields, and for everything beyond them.
	RulesAnnotation = "restartrules.dev/rules"
	// LiftedRulesAnnotation, on the Pod template of a workload and so on its Pods, holds the native
	// fields that were taken out of the template, as a document in JSON: the API server would drop
	// or refuse them. We write it; its form never changes, or running Jobs and rollouts would.
	LiftedRulesAnnotation = "restartrules.dev/lifted-rules"
	// MaxRestartsAnnotation, a number, is the default of maxRestarts for containers that restart in
	// place. We write it on Job templates with policy OnFailure, from the Job's backoffLimit.
	MaxRestartsAnnotation = "restartrules.dev/max-restarts"
	// PreferAnnotation with the value PreferSurvive keeps the Pod's own restartPolicy: containers
	// that have ended for good linger.
	PreferAnnotation = "restartrules.dev/prefer"
	// ModeAnnotation with the value ModeEmulate has a Pod's rules emulated even where the cluster
	// has them natively.
	ModeAnnotation = "restartrules.dev/mode"
	// PlanAnnotation holds the compiled plan. We write it; the watcher reads it.
	PlanAnnotation = "restartrules.dev/plan"
	// StatusAnnotation holds what has become of the Pod. We write it while the Pod lives; nothing reads
	// it back.
	StatusAnnotation = "restartrules.dev/status"
	// ShareProcessNamespaceAnnotation, "true" or "false", overrides the installation's default.
	ShareProcessNamespaceAnnotation = "restartrules.dev/share-process-namespace"
	// SeamAnnotation is the form of the line that a shim writes to the container's stderr between
	// two attempts: "text" (default), "json" or "off".
	SeamAnnotation = "restartrules.dev/seam"
	// EntryPointPrefix and behind it the name of a container: what the container's image runs, a JSON array
	// of words. It is not looked up then.
	EntryPointPrefix = "entrypoint.restartrules.dev/"
	// PinDigestAnnotation with the value "true" has the images whose entry points were looked up pinned to
	// what was found, with "false" not.
	PinDigestAnnotation = "restartrules.dev/pin-image-digest"
	// ExcludeContainersAnnotation is a comma-separated list of containers that go on while the whole
	// Pod restarts.
	ExcludeContainersAnnotation = "restartrules.dev/exclude-containers"
	// StrategyAnnotation with the value StrategySandbox has the whole Pod restarted by ending its
	// sandbox, not in place.
	StrategyAnnotation = "restartrules.dev/strategy"
	// InitScriptsAnnotation names a ConfigMap: in place of each regular init container the watcher
	// runs the script in the key of the container's name when the whole Pod restarts.
	InitScriptsAnnotation = "restartrules.dev/init-scripts"
	// PausedAnnotation with the value PausedAll, or with names of containers, on a Pod that runs: there no rule acts,
	// and nothing is restarted on demand. Exits are followed by what the Pod's own restartPolicy says.
	PausedAnnotation = "restartrules.dev/paused"
	// SafeToEvictAnnotation is the cluster autoscaler's list of local volumes that do not keep a
	// node from being removed.
	SafeToEvictAnnotation = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"

	ModeEmulated    = "emulated"
	ModeEmulate     = "emulate"
	PreferSurvive   = "survive"
	StrategySandbox = "sandbox"
	PausedAll       = "true"
	InjectEnabled   = "enabled"
	InjectDisabled  = "disabled"
)

// Names and paths inside an injected Pod.
const (
	// WatcherContainer is the name of the sidecar, the first init container.
	WatcherContainer = "restartrules-watcher"
	// VolumeName is the name of the emptyDir with the shim, its sockets and the attempt files.
	VolumeName = "restartrules"
	// MountPath is where a wrapped container sees its own directory of the volume, read-only, and
	// where the watcher sees the whole volume.
	MountPath = "/restartrules"
	// AttemptPath is where a wrapped container sees its attempts directory, read-write.
	AttemptPath = MountPath + "/attempt"
	// ContainersDir and AttemptsDir are the volume's directories that hold one directory per
	// wrapped container (the mounts' subPath is ContainersDir + "/" + name).
	ContainersDir = "containers"
	AttemptsDir   = "attempts"
	// ShimPath is the shim as a wrapped container sees it.
	ShimPath = MountPath + "/shim"
	// PlanEnv is the environment variable that carries the plan to the watcher.
	PlanEnv = "RESTARTRULES_PLAN"
	// PodIPEnv is the environment variable that carries the Pod's IP to the watcher.
	PodIPEnv = "POD_IP"
	// ReportURLEnv is the environment variable that tells the watcher where it reports to; PodNamespaceEnv,
	// PodNameEnv and PodUIDEnv tell it whose Pod it is.
	ReportURLEnv    = "RESTARTRULES_REPORT_URL"
	PodNamespaceEnv = "POD_NAMESPACE"
	PodNameEnv      = "POD_NAME"
	PodUIDEnv       = "POD_UID"
	// ReportVolumeName is the volume with the Pod's token for reports, of ReportAudience, in ReportTokenFile,
	// and the webhook's CA certificates in ReportCAKey; ReportPath is where the watcher sees it.
	ReportVolumeName = "restartrules-report"
	ReportPath       = "/restartrules-report"
	ReportTokenFile  = "token"
	ReportAudience   = "restartrules.dev"
	// CAConfigMap is the ConfigMap in namespaces that opted in that holds the webhook's CA certificates, in
	// its key ReportCAKey.
	CAConfigMap = "restartrules-ca"
	ReportCAKey = "ca.crt"
	// ControlVolumeName is the volume with what may change while the Pod lives: PausedAnnotation, in ControlPausedFile.
	// ControlPath is where the watcher sees it.
	ControlVolumeName = "restartrules-control"
	ControlPath       = "/restartrules-control"
	ControlPausedFile = "paused"
	// ReadyPath is where the watcher serves the Pod's readiness over HTTP, on the plan's port.
	ReadyPath = "/ready"
	// TwinSuffix is what the name of an init container's twin ends with.
	TwinSuffix = "-replay"
	// ScriptsVolumeName is the volume with the ConfigMap of InitScriptsAnnotation, ScriptsPath where
	// the watcher sees it.
	ScriptsVolumeName = "restartrules-scripts"
	ScriptsPath       = "/restartrules-scripts"
)

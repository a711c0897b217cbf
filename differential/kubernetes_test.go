package differential

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // the types of the scheme
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/features"

	"restartrules.dev/pkg/manifest"
	"restartrules.dev/pkg/validation"
)

// setGate turns the gate RestartAllContainersOnContainerExits on or off for this process, and makes
// sure that ContainerRestartRules is on.
func setGate(t testing.TB, restartAll bool) {
	t.Helper()
	gates := utilfeature.DefaultMutableFeatureGate
	if gates.Enabled(features.RestartAllContainersOnContainerExits) != restartAll {
		require.NoError(t, gates.Set(fmt.Sprintf("%s=%t", features.RestartAllContainersOnContainerExits, restartAll)))
	}
	require.Equal(t, restartAll, gates.Enabled(features.RestartAllContainersOnContainerExits))
	require.True(t, gates.Enabled(features.ContainerRestartRules))
}

// upstream is what the API server does with a Pod that is created, or with a template at the path
// root: decode, set defaults, convert, drop the fields of gates that are off, validate (pkg/registry/core/pod/strategy.go;
// a template's way is the same for all kinds). The error is that of decoding.
func upstream(object []byte, root *field.Path) (*core.PodSpec, field.ErrorList, error) {
	if root != nil {
		object = fmt.Appendf(nil, `{"apiVersion":"v1","kind":"PodTemplate","metadata":{"name":"t","namespace":"n"},"template":%s}`, object)
	}
	decoded, err := runtime.Decode(legacyscheme.Codecs.UniversalDecoder(), object)
	if err != nil {
		return nil, nil, err
	}
	switch o := decoded.(type) {
	case *core.Pod:
		podutil.DropDisabledPodFields(o, nil)
		opts := podutil.GetValidationOptionsFromPodSpecAndMeta(&o.Spec, nil, &o.ObjectMeta, nil)
		opts.ResourceIsPod = true
		return &o.Spec, withoutEphemeralContainers(corevalidation.ValidatePodCreate(o, opts), field.NewPath("spec")), nil
	case *core.PodTemplate:
		podutil.DropDisabledTemplateFields(&o.Template, nil)
		opts := podutil.GetValidationOptionsFromPodTemplate(&o.Template, nil)
		errs := corevalidation.ValidatePodTemplateSpec(&o.Template, root, opts)
		return &o.Template.Spec, withoutEphemeralContainers(errs, root.Child("spec")), nil
	default:
		return nil, nil, fmt.Errorf("decoded a %T", o)
	}
}

// withoutEphemeralContainers leaves out the one error that has nothing to do with restart rules:
// that there are ephemeral containers at all, which only exist in Pods that have been created. Their
// rules are validated nevertheless.
func withoutEphemeralContainers(errs field.ErrorList, spec *field.Path) field.ErrorList {
	path := spec.Child("ephemeralContainers").String()
	return slices.DeleteFunc(errs, func(err *field.Error) bool { return err.Field == path && err.Type == field.ErrorTypeForbidden })
}

// ours is what we say of the same object.
func ours(object []byte, root *field.Path, opts validation.Options) (field.ErrorList, error) {
	decode := manifest.DecodePod
	if root != nil {
		decode = manifest.DecodeTemplate
	}
	pod, err := decode(object)
	if err != nil {
		return nil, err
	}
	_, _, errs := validation.Pod(pod, root, opts)
	return errs, nil
}

// texts are the errors, sorted, each with its type, field path, bad value and detail.
func texts(errs field.ErrorList) []string {
	list := []string{}
	for _, err := range errs {
		list = append(list, err.Error()) // "field: type: value: detail"
	}
	slices.Sort(list)
	return list
}

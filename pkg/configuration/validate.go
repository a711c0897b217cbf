package configuration

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/compile"
	"restartrules.dev/pkg/validation"
	"restartrules.dev/pkg/workload"
)

// maxMinBackoff is the longest Rules.MinBackoff.
const maxMinBackoff = time.Hour

// Validate finds everything that is wrong with a Configuration whose defaults are filled in. That there is no image is
// not: a flag may give it.
func (c *Configuration) Validate() (errs field.ErrorList) {
	modes := []string{ModeAuto, ModeEmulate, ModeObserve}
	if !slices.Contains(modes, c.Mode) {
		errs = append(errs, field.NotSupported(field.NewPath("mode"), c.Mode, modes))
	}
	native := field.NewPath("nativeFeatures")
	if _, err := compile.ParseFeatures(c.NativeFeatures); err != nil {
		errs = append(errs, field.Invalid(native, c.NativeFeatures, err.Error()))
	}
	if c.Mode == ModeAuto && len(c.NativeFeatures) > 0 {
		errs = append(errs, field.Forbidden(native, "mode auto finds them out: leave one of the two out"))
	}
	for i, text := range c.PodTemplates {
		if _, err := workload.ParseKind(text); err != nil {
			errs = append(errs, field.Invalid(field.NewPath("podTemplates").Index(i), text, err.Error()))
		}
	}
	errs = append(errs, c.Settings.validate(nil)...)
	return append(errs, c.validateNamespaces()...)
}

func (c *Configuration) validateNamespaces() (errs field.ErrorList) {
	seen := map[string]bool{}
	for i := range c.Namespaces {
		path, entry := field.NewPath("namespaces").Index(i), &c.Namespaces[i]
		if len(entry.Names) == 0 {
			errs = append(errs, field.Required(path.Child("names"), "names of namespaces, or patterns with *"))
		}
		for j, name := range entry.Names {
			at := path.Child("names").Index(j)
			for _, problem := range utilvalidation.IsDNS1123Label(strings.ReplaceAll(name, "*", "x")) {
				errs = append(errs, field.Invalid(at, name, "must be the name of a namespace, * may stand for any characters: "+problem))
			}
			if seen[name] {
				errs = append(errs, field.Duplicate(at, name))
			}
			seen[name] = true
		}
		errs = append(errs, entry.Settings.validate(path)...)
	}
	return errs
}

// validate finds what is wrong with settings at root, which may lack some.
func (s *Settings) validate(root *field.Path) field.ErrorList {
	errs := s.Watcher.validate(root.Child("watcher"))
	errs = append(errs, s.Pods.validate(root.Child("pods"))...)
	return append(errs, s.Rules.validate(root.Child("rules"))...)
}

var (
	digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	// pullPolicies are sorted, as the API server lists them.
	pullPolicies = []corev1.PullPolicy{corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever}
)

func (w *Watcher) validate(path *field.Path) (errs field.ErrorList) {
	if w.Image != "" {
		if _, err := name.ParseReference(w.Image); err != nil {
			errs = append(errs, field.Invalid(path.Child("image"), w.Image, "must be the name of an image: "+err.Error()))
		}
	}
	if w.Mirror != "" {
		if _, err := name.NewRepository(w.Mirror + "/watcher"); err != nil || strings.Contains(w.Mirror, "://") {
			errs = append(errs, field.Invalid(path.Child("mirror"), w.Mirror, "must be what is before the last slash of an image's name, HOST[:PORT][/PATH]"))
		}
	}
	if w.Digest != "" && !digest.MatchString(w.Digest) {
		errs = append(errs, field.Invalid(path.Child("digest"), w.Digest, "must be sha256: and 64 hexadecimal digits"))
	}
	if w.ImagePullPolicy != "" && !slices.Contains(pullPolicies, w.ImagePullPolicy) {
		errs = append(errs, field.NotSupported(path.Child("imagePullPolicy"), w.ImagePullPolicy, pullPolicies))
	}
	seen := map[string]bool{}
	for i, secret := range w.ImagePullSecrets {
		at := path.Child("imagePullSecrets").Index(i).Child("name")
		for _, problem := range utilvalidation.IsDNS1123Subdomain(secret.Name) {
			errs = append(errs, field.Invalid(at, secret.Name, "must be the name of a Secret: "+problem))
		}
		if seen[secret.Name] {
			errs = append(errs, field.Duplicate(at, secret.Name))
		}
		seen[secret.Name] = true
	}
	if p := w.ReadinessPort; p != nil && (*p < 0 || *p > 65535) {
		errs = append(errs, field.Invalid(path.Child("readinessPort"), *p, "must be between 0 and 65535, inclusive"))
	}
	return append(errs, w.Resources.validate(path.Child("resources"))...)
}

func (p *Pods) validate(path *field.Path) field.ErrorList {
	errs := metavalidation.ValidateLabels(p.Labels, path.Child("labels"))
	errs = append(errs, apivalidation.ValidateAnnotations(p.Annotations, path.Child("annotations"))...)
	errs = append(errs, ours(p.Labels, path.Child("labels"))...)
	return append(errs, ours(p.Annotations, path.Child("annotations"))...)
}

// ours refuses keys that Restart Rules writes or reads itself.
func ours(keys map[string]string, path *field.Path) (errs field.ErrorList) {
	const domain = "restartrules.dev"
	for key := range keys {
		prefix, _, _ := strings.Cut(key, "/")
		if prefix == domain || strings.HasSuffix(prefix, "."+domain) || key == api.SafeToEvictAnnotation {
			errs = append(errs, field.Forbidden(path.Key(key), "Restart Rules gives this its meaning: users set it on their Pods, or Restart Rules does by itself"))
		}
	}
	slices.SortFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Field, b.Field) })
	return errs
}

func (r *Rules) validate(path *field.Path) (errs field.ErrorList) {
	if d := r.MinBackoff; d != nil && (d.invalid != "" || d.Duration < 0 || d.Duration > maxMinBackoff) {
		value := d.invalid
		if value == "" {
			value = d.Duration.String()
		}
		errs = append(errs, field.Invalid(path.Child("minBackoff"), value, fmt.Sprintf("must be a duration like 10s, from 0s to %s", maxMinBackoff)))
	}
	errs = append(errs, subset(r.AllowedActions, validation.AllActions(), path.Child("allowedActions"))...)
	if r.AllowedStrategies != nil && len(r.AllowedStrategies) == 0 {
		errs = append(errs, field.Required(path.Child("allowedStrategies"), "one at least; to forbid RestartAllContainers leave that out of allowedActions"))
	}
	return append(errs, subset(r.AllowedStrategies, validation.AllStrategies(), path.Child("allowedStrategies"))...)
}

// subset wants the values to be some of all, each once.
func subset[T ~string](values, all []T, path *field.Path) (errs field.ErrorList) {
	for i, v := range values {
		switch {
		case !slices.Contains(all, v):
			errs = append(errs, field.NotSupported(path.Index(i), v, all))
		case slices.Contains(values[:i], v):
			errs = append(errs, field.Duplicate(path.Index(i), v))
		}
	}
	return errs
}

// Package manifests holds what an installation is made of, as far as programs compare clusters with it.
package manifests

import (
	_ "embed" // for the files below
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"
)

var (
	//go:embed base/mutatingwebhookconfiguration.yaml
	mutating []byte
	//go:embed base/validatingwebhookconfiguration.yaml
	validating []byte
)

// Configurations are the two webhook configurations as this release installs them, without the caBundle that an overlay
// adds.
func Configurations() (*admissionregistrationv1.MutatingWebhookConfiguration, *admissionregistrationv1.ValidatingWebhookConfiguration, error) {
	m, v := new(admissionregistrationv1.MutatingWebhookConfiguration), new(admissionregistrationv1.ValidatingWebhookConfiguration)
	if err := yaml.UnmarshalStrict(mutating, m); err != nil {
		return nil, nil, fmt.Errorf("mutatingwebhookconfiguration.yaml: %w", err)
	}
	if err := yaml.UnmarshalStrict(validating, v); err != nil {
		return nil, nil, fmt.Errorf("validatingwebhookconfiguration.yaml: %w", err)
	}
	return m, v, nil
}

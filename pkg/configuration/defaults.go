package configuration

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"restartrules.dev/pkg/inject"
	"restartrules.dev/pkg/validation"
)

// Default is the Configuration of a file that says nothing. It has no image: there is no default for that.
func Default() *Configuration {
	c := &Configuration{TypeMeta: metav1.TypeMeta{APIVersion: APIVersion, Kind: Kind}}
	c.setDefaults()
	return c
}

func (c *Configuration) setDefaults() {
	if c.Mode == "" {
		c.Mode = ModeEmulate
	}
	setDefault(&c.Watcher.ReadinessPort, inject.DefaultReadinessPort)
	setDefault(&c.Pods.ShareProcessNamespace, true)
	setDefault(&c.Pods.PinImageDigests, false)
	setDefault(&c.Rules.MinBackoff, Duration{})
	if c.Rules.AllowedActions == nil {
		c.Rules.AllowedActions = validation.AllActions()
	}
	if c.Rules.AllowedStrategies == nil {
		c.Rules.AllowedStrategies = validation.AllStrategies()
	}
}

func setDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

package inject

import (
	"encoding/json"

	"restartrules.dev/pkg/manifest"
)

// probes puts the live probes back if the request has those that the user once wrote. It reports
// whether it has.
func (u *update) probes(path string, c, was, wrote *manifest.Container) (reset bool) {
	for _, probe := range []struct {
		name           string
		is, was, wrote manifest.Raw
	}{
		{"livenessProbe", c.LivenessProbe, was.LivenessProbe, wrote.LivenessProbe},
		{"startupProbe", c.StartupProbe, was.StartupProbe, wrote.StartupProbe},
	} {
		if probe.is == nil || probe.is.Equal(probe.was) || probe.wrote.Equal(probe.was) || !mixed(probe.is, probe.was, probe.wrote) {
			continue
		}
		reset = true
		if probe.was == nil {
			u.patch.remove(path + "/" + probe.name)
		} else {
			u.patch.replace(path+"/"+probe.name, probe.was)
		}
	}
	return reset
}

// mixed reports whether each field of a probe is that of one of two others. It is what comes out when
// kubectl or the API server merges the one that the user wrote into the live one, which has another
// handler.
func mixed(is, was, wrote manifest.Raw) bool {
	fields, live, users := fieldsOf(is), fieldsOf(was), fieldsOf(wrote)
	if users == nil {
		return false
	}
	for name, value := range fields {
		if !value.Equal(live[name]) && !value.Equal(users[name]) {
			return false
		}
	}
	return true
}

func fieldsOf(object manifest.Raw) (fields map[string]manifest.Raw) {
	if object != nil && json.Unmarshal(object, &fields) != nil {
		return nil
	}
	return fields
}

package inject

import (
	"encoding/json"
	"fmt"

	"restartrules.dev/pkg/manifest"
)

// twinEnv is the env of an init container for its twin: what refers to the container's own resources
// goes on to mean the init container's.
func twinEnv(env json.RawMessage, init string) (json.RawMessage, error) {
	if manifest.Raw(env).Equal(nil) {
		return env, nil
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(env, &list); err != nil {
		return nil, fmt.Errorf("env: %w", err)
	}
	changed := false
	for _, variable := range list {
		var from, ref map[string]json.RawMessage
		if json.Unmarshal(variable["valueFrom"], &from) != nil || json.Unmarshal(from["resourceFieldRef"], &ref) != nil || ref == nil || ref["containerName"] != nil {
			continue
		}
		for _, step := range []struct {
			object map[string]json.RawMessage
			field  string
			value  any
		}{{ref, "containerName", init}, {from, "resourceFieldRef", ref}, {variable, "valueFrom", from}} {
			text, err := json.Marshal(step.value)
			if err != nil {
				return nil, fmt.Errorf("env: %w", err)
			}
			step.object[step.field] = text
		}
		changed = true
	}
	if !changed {
		return env, nil
	}
	return json.Marshal(list)
}

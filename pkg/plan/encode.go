package plan

import (
	"encoding/json"
	"fmt"
	"strconv"

	"restartrules.dev/pkg/jsonstring"
)

// Encode is the plan as compact JSON: what encoding/json makes of it, in a fraction of the time; without containers the list
// is empty. What is JSON in it already must be valid.
func (p *Plan) Encode() (string, error) {
	text := make([]byte, 0, 2<<10) // enough for most, and small enough for the stack
	text = strconv.AppendInt(append(text, `{"version":`...), int64(p.Version), 10)
	text = jsonstring.Append(append(text, `,"restartPolicy":{"own":`...), p.RestartPolicy.Own)
	text = jsonstring.Append(append(text, `,"compiled":`...), p.RestartPolicy.Compiled)
	text = append(text, '}')
	if p.RestartAll != nil {
		encoded, err := json.Marshal(p.RestartAll)
		if err != nil {
			return "", fmt.Errorf("encode plan: restartAll: %w", err)
		}
		text = append(append(text, `,"restartAll":`...), encoded...)
	}
	if p.ReadinessPort != 0 {
		text = strconv.AppendInt(append(text, `,"readinessPort":`...), int64(p.ReadinessPort), 10)
	}
	text = append(text, `,"containers":[`...)
	for i := range p.Containers {
		if i > 0 {
			text = append(text, ',')
		}
		var err error
		if text, err = p.Containers[i].appendTo(text); err != nil {
			return "", fmt.Errorf("encode plan: container %q: %w", p.Containers[i].Name, err)
		}
	}
	return string(append(text, "]}"...)), nil
}

// appendTo appends the container as JSON. What few containers have is left to encoding/json.
func (c *Container) appendTo(text []byte) (_ []byte, err error) {
	text = jsonstring.Append(append(text, `{"name":`...), c.Name)
	text = jsonstring.Append(append(text, `,"kind":`...), c.Kind)
	text = strconv.AppendBool(append(text, `,"wrapped":`...), c.Wrapped)
	text = jsonstring.Append(append(text, `,"why":`...), c.Why)
	text = appendUnlessEmpty(text, `,"onExit":`, c.OnExit)
	text = appendUnlessEmpty(text, `,"maxRestarts":`, c.MaxRestarts)
	text = appendUnlessEmpty(text, `,"backoff":`, c.Backoff)
	if text, err = appendRaw(text, `,"declared":`, c.Declared); err != nil {
		return nil, err
	}
	if text, err = appendRaw(text, `,"carried":`, c.Carried); err != nil {
		return nil, err
	}
	if c.EntryPoint != nil || c.Role != (Role{}) || !c.Handlers.none() {
		rest, err := json.Marshal(struct {
			EntryPoint *EntryPoint `json:"entryPoint,omitempty"`
			Role
			Handlers
		}{c.EntryPoint, c.Role, c.Handlers})
		if err != nil {
			return nil, err
		}
		text = append(append(text, ','), rest[1:len(rest)-1]...)
	}
	return append(text, '}'), nil
}

func appendUnlessEmpty(text []byte, key, s string) []byte {
	if s == "" {
		return text
	}
	return jsonstring.Append(append(text, key...), s)
}

// appendRaw appends what is JSON already, unless there is nothing.
func appendRaw(text []byte, key string, raw json.RawMessage) ([]byte, error) {
	if len(raw) == 0 {
		return text, nil
	}
	text = append(text, key...)
	for _, c := range raw {
		if c <= ' ' || c == '<' || c == '>' || c == '&' || c >= 0x80 { // it may have to be made compact, or escaped
			encoded, err := json.Marshal(raw)
			return append(text, encoded...), err
		}
	}
	return append(text, raw...), nil
}

// none reports whether there is nothing.
func (h *Handlers) none() bool {
	return len(h.Liveness)+len(h.Startup)+len(h.PostStart)+len(h.PreStop)+len(h.RestartPolicy) == 0 && h.TerminationGracePeriodSeconds == nil
}

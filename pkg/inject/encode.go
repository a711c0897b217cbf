package inject

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/manifest"
)

// AppendPatch appends a patch as JSON: what encoding/json makes of it, in a fraction of the time.
func AppendPatch(text []byte, ops []Op) ([]byte, error) {
	text = append(text, '[')
	for i, op := range ops {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendText(append(text, `{"op":`...), op.Op)
		text = appendText(append(text, `,"path":`...), op.Path)
		if op.Value != nil {
			var err error
			if text, err = appendValue(append(text, `,"value":`...), op.Value); err != nil {
				return nil, fmt.Errorf("encode what is to be at %s: %w", op.Path, err)
			}
		}
		text = append(text, '}')
	}
	return append(text, ']'), nil
}

// appendValue writes itself what nearly every patch has.
func appendValue(text []byte, value any) ([]byte, error) {
	switch value := value.(type) {
	case string:
		return appendText(text, value), nil
	case corev1.RestartPolicy:
		return appendText(text, string(value)), nil
	case []string:
		return appendList(text, value, appendText), nil
	case map[string]string:
		return appendTexts(text, value), nil
	case []manifest.VolumeMount:
		return appendList(text, value, appendMount), nil
	case manifest.VolumeMount:
		return appendMount(text, value), nil
	case []ourVolume:
		return appendList(text, value, appendVolume), nil
	case ourVolume:
		return appendVolume(text, value), nil
	case *corev1.Container: // the only one is the watcher
		return appendWatcher(text, value)
	case []any:
		return appendValues(text, value)
	case bool:
		return strconv.AppendBool(text, value), nil
	}
	return appendEncoded(text, value)
}

func appendEncoded(text []byte, value any) ([]byte, error) {
	encoded, err := json.Marshal(value)
	return append(text, encoded...), err
}

// encodeOurs encodes parts of what we inject. None has what can't be encoded: floats, channels, interfaces.
func encodeOurs(value any) json.RawMessage {
	text, _ := json.Marshal(value)
	return text
}

func appendValues(text []byte, values []any) (_ []byte, err error) {
	text = append(text, '[')
	for i, value := range values {
		if i > 0 {
			text = append(text, ',')
		}
		if text, err = appendValue(text, value); err != nil {
			return nil, err
		}
	}
	return append(text, ']'), nil
}

func appendList[T any](text []byte, list []T, item func([]byte, T) []byte) []byte {
	if list == nil {
		return append(text, "null"...)
	}
	text = append(text, '[')
	for i, value := range list {
		if i > 0 {
			text = append(text, ',')
		}
		text = item(text, value)
	}
	return append(text, ']')
}

func appendTexts(text []byte, texts map[string]string) []byte {
	if texts == nil {
		return append(text, "null"...)
	}
	text = append(text, '{')
	keys := slices.AppendSeq(make([]string, 0, 8), maps.Keys(texts))
	slices.Sort(keys)
	for i, key := range keys {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendText(append(appendText(text, key), ':'), texts[key])
	}
	return append(text, '}')
}

func appendMount(text []byte, m manifest.VolumeMount) []byte {
	text = appendText(append(text, `{"name":`...), m.Name)
	if m.ReadOnly {
		text = append(text, `,"readOnly":true`...)
	}
	text = appendText(append(text, `,"mountPath":`...), m.MountPath)
	if m.SubPath != "" {
		text = appendText(append(text, `,"subPath":`...), m.SubPath)
	}
	return append(text, '}')
}

// appendText writes a string.
func appendText(text []byte, s string) []byte {
	if !utf8.ValidString(s) {
		encoded, _ := json.Marshal(s) // it puts something in the place of what is not valid
		return append(text, encoded...)
	}
	const hex = "0123456789abcdef"
	text = append(text, '"')
	done := 0
	for i := range len(s) {
		c := s[i]
		if plain[c] {
			continue
		}
		text = append(text, s[done:i]...)
		done = i + 1
		if c < ' ' {
			text = append(text, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			text = append(text, '\\', c)
		}
	}
	text = append(text, s[done:]...)
	return append(text, '"')
}

// plain are the bytes that stand for themselves in a string.
var plain = func() (plain [256]bool) {
	for c := range plain {
		plain[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return plain
}()

package inject

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

// KeepUnchanged adds to the patch what makes an update that changes nothing a no-op. The API server
// notes the time of the request in managedFields before it asks webhooks, and leaves that out again
// if it finds nothing else changed; but it compares the entries one by one, by their order, which
// depends on the times (apiserver pkg/endpoints/handlers/fieldmanager/equality.go,
// IgnoreManagedFieldsTimestampsTransformer). So an unchanged manifest would be written once more
// whenever the kubelet has written the status meanwhile.
func KeepUnchanged(ops []Op, object, oldObject []byte) ([]Op, error) {
	if len(ops) == 0 {
		return ops, nil
	}
	text, err := json.Marshal(ops)
	if err != nil {
		return nil, fmt.Errorf("encode patch: %w", err)
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		return nil, fmt.Errorf("read own patch: %w", err)
	}
	patched, err := patch.Apply(object)
	if err != nil {
		return nil, fmt.Errorf("apply own patch: %w", err)
	}
	pod, err := decodeLoosely(patched)
	if err != nil {
		return nil, err
	}
	old, err := decodeLoosely(oldObject)
	if err != nil {
		return nil, fmt.Errorf("old object: %w", err)
	}
	is, was := pod.Metadata["managedFields"], old.Metadata["managedFields"]
	delete(pod.Metadata, "managedFields")
	delete(old.Metadata, "managedFields")
	if !reflect.DeepEqual(pod, old) || reflect.DeepEqual(is, was) || !sameButForTimes(is, was) {
		return ops, nil
	}
	return append(ops, Op{"replace", "/metadata/managedFields", was}), nil
}

// loosePod is a Pod in generic form, with whatever fields it has.
type loosePod struct {
	Metadata map[string]any `json:"metadata"`
	Spec     map[string]any `json:"spec"`
}

func decodeLoosely(object []byte) (pod loosePod, err error) {
	if err := json.Unmarshal(object, &pod); err != nil {
		return pod, fmt.Errorf("decode pod: %w", err)
	}
	return pod, nil
}

// sameButForTimes reports whether both managedFields have the same entries, whatever their order
// and times.
func sameButForTimes(a, b any) bool {
	return slices.Equal(entriesWithoutTime(a), entriesWithoutTime(b))
}

func entriesWithoutTime(managedFields any) []string {
	list, _ := managedFields.([]any)
	var texts []string
	for _, item := range list {
		entry, _ := item.(map[string]any)
		timeless := map[string]any{}
		for key, value := range entry {
			if key != "time" {
				timeless[key] = value
			}
		}
		text, err := json.Marshal(timeless) // with sorted keys
		if err != nil {
			return nil // what was decoded from JSON can be encoded
		}
		texts = append(texts, string(text))
	}
	slices.Sort(texts)
	return texts
}

package configuration

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Duration is a duration as Go writes it: 10s, 1m30s. Text that is none is kept for Validate, which knows the field.
type Duration struct {
	time.Duration
	invalid string
}

// UnmarshalJSON reads any JSON value.
func (d *Duration) UnmarshalJSON(data []byte) error {
	text := textOf(data)
	parsed, err := time.ParseDuration(text)
	if err != nil {
		*d = Duration{invalid: text}
		return nil
	}
	*d = Duration{Duration: parsed}
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (d Duration) MarshalJSON() ([]byte, error) {
	if d.invalid != "" {
		return json.Marshal(d.invalid)
	}
	return json.Marshal(d.Duration.String())
}

// ResourceList are amounts by the name of the resource.
type ResourceList map[corev1.ResourceName]Quantity

// list is the same as the API has it.
func (l ResourceList) list() corev1.ResourceList {
	if len(l) == 0 {
		return nil
	}
	list := corev1.ResourceList{}
	for name, quantity := range l {
		list[name] = quantity.Quantity
	}
	return list
}

// Quantity is an amount of a resource: 10m, 16Mi. Text that is none is kept for Validate, which knows the field.
type Quantity struct {
	resource.Quantity
	invalid string
}

// UnmarshalJSON reads any JSON value.
func (q *Quantity) UnmarshalJSON(data []byte) error {
	text := textOf(data)
	parsed, err := resource.ParseQuantity(text)
	if err != nil {
		*q = Quantity{invalid: text}
		return nil
	}
	*q = Quantity{Quantity: parsed}
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (q Quantity) MarshalJSON() ([]byte, error) {
	if q.invalid != "" {
		return json.Marshal(q.invalid)
	}
	return q.Quantity.MarshalJSON()
}

// textOf is a JSON string without its quotes, or another value as it is written. It is never empty.
func textOf(data []byte) string {
	var text string
	if json.Unmarshal(data, &text) != nil {
		text = strings.TrimSpace(string(data))
	}
	if text == "" {
		return strconv.Quote(text)
	}
	return text
}

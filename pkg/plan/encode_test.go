package plan

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEncodeWritesEveryField compares with encoding/json, each field set and the others not, and all of them.
func TestEncodeWritesEveryField(t *testing.T) {
	all := new(Plan)
	fill(reflect.ValueOf(all).Elem())
	requireEncoded(t, all)
	for i := range reflect.TypeFor[Plan]().NumField() {
		p := &Plan{Containers: []Container{}}
		fill(reflect.ValueOf(p).Elem().Field(i))
		requireEncoded(t, p)
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Container]()) {
		p := &Plan{Containers: make([]Container, 2)}
		fill(reflect.ValueOf(&p.Containers[1]).Elem().FieldByIndex(field.Index))
		requireEncoded(t, p)
	}
}

func TestEncodeMakesRawCompact(t *testing.T) {
	for _, raw := range []string{`{}`, `{"a": ["<&>", "\u2028é "],` + "\n\t" + `"b":1}`, `{"a":"<"}`, `{"a":"é"}`, `{"a":"\u003c\""}`} {
		requireEncoded(t, &Plan{Containers: []Container{{Declared: json.RawMessage(raw), Carried: json.RawMessage(raw)}}})
	}
	_, err := (&Plan{Containers: []Container{{Name: "trainer", Handlers: Handlers{Liveness: json.RawMessage(`{`)}}}}).Encode()
	require.ErrorContains(t, err, `encode plan: container "trainer": `)
}

func requireEncoded(t *testing.T, p *Plan) {
	t.Helper()
	want, err := json.Marshal(p)
	require.NoError(t, err)
	got, err := p.Encode()
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// fill sets a value, and all that is in it, to something that is not zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`{"a":"b"}`))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString("why it's <so>")
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(7)
	}
}

package admission

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNames(t *testing.T) {
	for object, want := range map[string][2]string{
		`{"kind":"Pod","metadata":{"name":"a","labels":{"name":"b"},"generateName":"c-"},"spec":{}}`: {"a", "c-"},
		`{"spec":{"name":"a"},"metadata":{"generateName":"c-"}}`:                                     {"", "c-"},
		`{"metadata":{"na\u006de":"a"}}`:                                                             {"a", ""},
		`{"metadata":null}`:                                                                          {"", ""},
		`{"spec":{}}`:                                                                                {"", ""},
		`{"metadata":{"name":5}}`:                                                                    {"", ""},
		``:                                                                                           {"", ""},
	} {
		name, generateName := (&request{Object: []byte(object)}).names()
		require.Equal(t, want, [2]string{name, generateName}, object)
	}
	name, generateName := (&request{Name: "r", Object: []byte(`{"metadata":{"name":"a","generateName":"c-"}}`)}).names()
	require.Equal(t, [2]string{"r", ""}, [2]string{name, generateName})
}

package cut

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

var members = Members{"status": nil, "spec": {"containers": {"env": nil}, "other": {}}}

func TestOut(t *testing.T) {
	for _, test := range []struct {
		name, data, want string
		taken            []string
	}{
		{"nothing", `{"a": [1, -0.5e+7, true, false, null, "\u00e9\n"]}`, `{"a": [1, -0.5e+7, true, false, null, "\u00e9\n"]}`, nil},
		{"no object", ` 5 `, ` 5 `, nil},
		{"at the top", `{"status": {"env": 1}, "env": 2}`, `{"status": null, "env": 2}`, []string{`/0/status {"env": 1}`}},
		{"in a list", `{"spec":{"containers":[{"env":[]},{"name":"a","env":[{"name":"x"}]}]}}`, `{"spec":{"containers":[{"env":null},{"name":"a","env":null}]}}`,
			[]string{"containers/0/env []", `containers/1/env [{"name":"x"}]`}},
		{"twice", `{"status":1,"status":2}`, `{"status":null,"status":null}`, []string{"/0/status 1", "/0/status 2"}},
		{"elsewhere", `{"spec":{"env":1,"other":{"env":2}},"containers":[{"env":3}]}`, `{"spec":{"env":1,"other":{"env":2}},"containers":[{"env":3}]}`, nil},
		{"in another case", `{"Status":1,"st\u0061tus":2}`, `{"Status":1,"st\u0061tus":2}`, nil},
		{"another type", `{"spec":[{"containers":{"env":5}}]}`, `{"spec":[{"containers":{"env":null}}]}`, []string{"containers/0/env 5"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, taken, ok := out([]byte(test.data))
			require.True(t, ok)
			require.Equal(t, test.want, string(got))
			require.Equal(t, test.taken, taken)
		})
	}
}

func out(data []byte) (rest []byte, taken []string, ok bool) {
	rest, ok = Out(data, members, func(parent []byte, index int, key, value []byte) {
		taken = append(taken, fmt.Sprintf("%s/%d/%s %s", parent, index, key, value))
	})
	return rest, taken, ok
}

// FuzzOut takes for JSON what encoding/json takes for JSON, and what is left is JSON, too.
func FuzzOut(f *testing.F) {
	for _, seed := range []string{`{"status":{"a":1},"spec":{"containers":[{"env":[{"name":"x","value":"\u12aF\\"}]}]}}`,
		`[1,-0,01,1.5,1.,1e5,1e,"a` + "\x01" + `"]`, `{"a":1,}`, `{"a" 1}`, `[1 2]`, `"\x"`, `"\u12g4"`, `tru`, `nul`, `-`, ` `, `{} {}`, `{"status":`, `"a`, `"\`, `1.`, `{a:1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rest, _, ok := out(data)
		if ok != json.Valid(data) {
			t.Fatalf("%q: %t, encoding/json says %t", data, ok, json.Valid(data))
		}
		if ok && !json.Valid(rest) {
			t.Fatalf("%q: left is %q", data, rest)
		}
	})
}

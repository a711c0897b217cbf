package chart

import (
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func TestPatch(t *testing.T) {
	for name, test := range map[string]struct{ before, after, want, err string }{
		"nothing":             {before: "{a: 1}", after: "{a: 1}", want: "{}"},
		"another value":       {before: "{a: 1, b: 2}", after: "{a: 3, b: 2}", want: "{a: 3}"},
		"a value that goes":   {before: "{a: {b: 1, c: 2}}", after: "{a: {c: 2}}", want: "{a: {b: null}}"},
		"a map that is new":   {before: "{}", after: "{a: {b: 1}}", want: "{a: {b: 1}}"},
		"a list that is new":  {before: "{a: []}", after: "{a: [p]}", want: "{a: [p]}"},
		"behind a list":       {before: "{a: [p, q]}", after: "{a: [p, q, r]}", want: "{a: [r]}"},
		"an item":             {before: "{a: [{name: p, b: 1}, {name: q}]}", after: "{a: [{name: p, b: 2}, {name: q}]}", want: "{a: [{name: p, b: 2}]}"},
		"an item that is new": {before: "{a: [{name: p}]}", after: "{a: [{name: p}, {name: q}]}", want: "{a: [{name: q}]}"},
		"an item that goes":   {before: "{a: [p, q]}", after: "{a: [p]}", err: "a: [p] does not begin with [p q]"},
		"an item elsewhere":   {before: "{a: [p, q]}", after: "{a: [q, p]}", err: "a: [q p] does not begin with [p q]"},
		"a name that goes":    {before: "{a: [{name: p}, {name: q}]}", after: "{a: [{name: p}]}", err: "a: q is gone"},
		"names elsewhere":     {before: "{a: [{name: p}, {name: q}]}", after: "{a: [{name: r}, {name: q}, {name: p}]}", want: "{a: [{name: r}]}"},
	} {
		t.Run(name, func(t *testing.T) {
			decode := func(text string) (into map[string]any) {
				require.NoError(t, yaml.Unmarshal([]byte(text), &into))
				return into
			}
			got, err := patch(decode(test.before), decode(test.after))
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, decode(test.want), got)
		})
	}
}

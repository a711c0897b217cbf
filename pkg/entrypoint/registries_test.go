package entrypoint

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRegistries(t *testing.T) {
	got, err := ParseRegistries([]byte("registries:\n- {host: reg.example.com, mirrors: [\"https://m.example.com:5000\", \"http://plain.example.com\"], caFile: /ca.crt}\n- {host: docker.io, plainHTTP: true}\n"))
	require.NoError(t, err)
	require.Equal(t, []Registry{
		{Host: "reg.example.com", Mirrors: []string{"https://m.example.com:5000", "http://plain.example.com"}, CAFile: "/ca.crt"},
		{Host: "docker.io", PlainHTTP: true},
	}, got)
	for text, want := range map[string]string{
		"registries: [{}]":                                      "registries[0]: has no host",
		"registries: [{host: a, insecure: true}]":               `unknown field "insecure"`,
		"registries: [{host: a, mirrors: [b]}]":                 `registries[0] a: mirror "b": expected https://HOST[:PORT] or http://HOST[:PORT]`,
		"registries: [{host: a, mirrors: [\"https://b/c\"]}]":   `registries[0] a: mirror "https://b/c": expected`,
		"registries: [{host: a, mirrors: [\"https://u:p@b\"]}]": "expected https://HOST[:PORT]",
		"registries: {": "yaml",
	} {
		_, err := ParseRegistries([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
	_, err = New(t.Context(), Options{Registries: []Registry{{Host: "a", CAFile: "/nowhere/ca.crt"}}})
	require.ErrorContains(t, err, "registry a: open /nowhere/ca.crt: no such file or directory")
}

func FuzzParseRegistries(f *testing.F) {
	f.Add([]byte("registries: [{host: a, mirrors: [\"https://b\"]}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := ParseRegistries(text)
		if err != nil {
			return
		}
		for _, r := range list {
			require.NotEmpty(t, r.Host)
		}
	})
}

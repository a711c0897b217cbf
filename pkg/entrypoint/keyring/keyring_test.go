package keyring

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func auth(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func TestFind(t *testing.T) {
	var k Keyring
	require.NoError(t, k.AddConfigJSON([]byte(`{"auths":{
		"reg.example.com": {"username": "host", "password": "p"},
		"https://reg.example.com/team": {"auth": "`+auth("team:a:b")+`"},
		"reg.example.com:5000": {"username": "port", "password": "p"},
		"*.wild.example.com": {"username": "wild", "password": "p"},
		"https://index.docker.io/v1/": {"auth": "`+base64.RawStdEncoding.EncodeToString([]byte("hub:p"))+`"}}}`)))
	require.NoError(t, k.AddConfig([]byte(`{"reg.example.com/v2/": {"username": "old", "password": "q"}, "http://plain.example.com": {"username": "plain", "password": "p"}}`)))
	for repository, want := range map[string][]string{
		"reg.example.com/other/app":        {"old", "host"},
		"reg.example.com/team/app":         {"team", "old", "host"},
		"reg.example.com:5000/team/app":    {"port"},
		"reg.example.com:5001/team/app":    nil,
		"a.wild.example.com/app":           {"wild"},
		"a.b.wild.example.com/app":         nil,
		"wild.example.com/app":             nil,
		"index.docker.io/library/busybox":  {"hub"},
		"plain.example.com/app":            {"plain"},
		"reg.example.com.evil.example/app": nil,
	} {
		var names []string
		for _, c := range k.Find(repository) {
			names = append(names, c.Username)
		}
		require.Equal(t, want, names, repository)
	}
	require.Equal(t, "a:b", k.Find("reg.example.com/team/app")[0].Password)
}

func TestSecretsAreNotShown(t *testing.T) {
	var k Keyring
	for _, text := range []string{`hunter2`, `{"auths":{"a":{"auth":"aHVudGVyMg=="}}}`, `{"auths":["hunter2"]}`} {
		err := k.AddConfigJSON([]byte(text))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	}
	c := Credential{"me", "hunter2"}
	require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", c, c, c, c), "hunter2")
	require.NotContains(t, fmt.Sprintf("%v", []Credential{c}), "hunter2")
}

func FuzzAddConfigJSON(f *testing.F) {
	f.Add([]byte(`{"auths":{"https://index.docker.io/v1/":{"auth":"YTpi"},"*.x:5000/y":{"username":"a"}}}`), "index.docker.io/library/a")
	f.Fuzz(func(t *testing.T, text []byte, repository string) {
		var k Keyring
		if k.AddConfigJSON(text) != nil {
			require.Empty(t, k.entries)
		}
		k.Find(repository)
		_ = k.AddConfig(text)
		k.Find(repository)
	})
}

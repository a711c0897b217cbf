package imageconfig

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		text, architecture string
		want               Process
		err                string
	}{
		"both":             {text: `{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/a","b"],"Cmd":["c"],"Env":["X=1"]}}`, architecture: "amd64", want: Process{[]string{"/a", "b"}, []string{"c"}}},
		"only CMD":         {text: `{"architecture":"arm64","os":"linux","config":{"Cmd":["/bin/sh","-c","x"]}}`, architecture: "arm64", want: Process{Cmd: []string{"/bin/sh", "-c", "x"}}},
		"neither":          {text: `{"architecture":"amd64","os":"linux","config":{}}`, architecture: "amd64"},
		"null":             {text: `{"architecture":"amd64","os":"linux","config":{"Entrypoint":null,"Cmd":null}}`, architecture: "amd64"},
		"an empty word":    {text: `{"architecture":"amd64","os":"linux","config":{"Entrypoint":[""],"Cmd":["x"]}}`, architecture: "amd64", want: Process{Cmd: []string{"x"}}},
		"without config":   {text: `{"architecture":"amd64","os":"linux"}`, architecture: "amd64"},
		"Windows":          {text: `{"architecture":"amd64","os":"windows","config":{}}`, err: "this is an image for windows, not for linux"},
		"an artifact":      {text: `{}`, err: "this is no image that can run: its configuration has no architecture and no config"},
		"no JSON":          {text: `<html>`, err: "the image's configuration is no such JSON: invalid character '<' looking for beginning of value"},
		"of another shape": {text: `{"config":{"Cmd":"x"}}`, err: "the image's configuration is no such JSON: json: cannot unmarshal string into Go struct field .config.Cmd of type []string"},
		"a zero byte":      {text: `{"architecture":"amd64","config":{"Cmd":["a\u0000b"]}}`, err: "the image's configuration has a zero byte in ENTRYPOINT or CMD"},
	} {
		t.Run(name, func(t *testing.T) {
			architecture, p, err := Parse([]byte(tc.text))
			if tc.err != "" {
				require.EqualError(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.architecture, architecture)
			require.Equal(t, tc.want, p)
		})
	}
}

func TestAgreed(t *testing.T) {
	same := Process{[]string{"/a"}, []string{"x"}}
	image := Image{Platforms: []Platform{{"amd64", same}, {"arm64", same}}}
	command, ok := image.Agreed(false)
	require.True(t, ok)
	require.Equal(t, []string{"/a", "x"}, command)
	image.Platforms[1].Process.Cmd = []string{"y"}
	_, ok = image.Agreed(false)
	require.False(t, ok)
	// With args CMD doesn't count.
	command, ok = image.Agreed(true)
	require.True(t, ok)
	require.Equal(t, []string{"/a"}, command)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/a","b"],"Cmd":["c"]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, p, err := Parse(text)
		if err != nil {
			require.Zero(t, p)
			return
		}
		_, err = json.Marshal(p)
		require.NoError(t, err)
	})
}

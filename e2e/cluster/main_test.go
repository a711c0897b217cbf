package main

import (
	"io/fs"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/cluster/image"
	"restartrules.dev/e2e/cluster/node"
)

func TestFeatureGatesFlag(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		want node.Gates
	}{
		{"not given: the default", nil, nil},
		{"empty: no gates", []string{"--feature-gates="}, node.Gates{}},
		{"given", []string{"--feature-gates=A=true"}, node.Gates{"A": true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var f flags
			cmd := &cobra.Command{}
			cmd.Flags().StringVar(&f.gates, "feature-gates", "", "")
			require.NoError(t, cmd.ParseFlags(test.args))
			o, err := f.options(cmd)
			require.NoError(t, err)
			require.Equal(t, test.want, o.FeatureGates)
		})
	}
}

func TestParseFile(t *testing.T) {
	for arg, want := range map[string]image.File{
		"/bin/a=./a":    image.Regular("/bin/a", "./a"),
		"/bin/a=x=y":    image.Regular("/bin/a", "x=y"),
		"/bin/b=link:a": image.Symlink("/bin/b", "a"),
		"/tmp=dir:":     image.Directory("/tmp", 0o777|fs.ModeSticky),
	} {
		file, err := parseFile(arg)
		require.NoError(t, err, arg)
		require.Equal(t, want, file, arg)
	}
	for _, bad := range []string{"", "/a", "=b", "/a="} {
		_, err := parseFile(bad)
		require.ErrorContains(t, err, "want PATH=FILE", bad)
	}
}

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"restartrules.dev/cmd/kubectl-restartrules/internal/check"
)

// TestCheckForms holds each form of what `check` prints to a golden file. Into a file or a pipe none has colours.
func TestCheckForms(t *testing.T) {
	result := &check.Result{
		Findings: []check.Finding{{Code: check.WrongLabel, Severity: check.Error, Object: "Namespace/default", What: "What is seen",
			Why: "what follows", Fix: "kubectl label namespace default restartrules.dev/inject=enabled --overwrite"}},
		Notes:   []string{"something to know"},
		LeftOut: []check.LeftOut{{Check: "nodes", Needs: "list nodes"}, {Check: "what becomes of a Pod", Because: "it was refused"}},
	}
	var got strings.Builder
	for _, output := range []string{"text", "json", "yaml"} {
		cmd := &cobra.Command{}
		var out bytes.Buffer
		cmd.SetOut(&out)
		o := checkOptions{output: choice{value: output}}
		require.NoError(t, o.print(cmd, result))
		require.NotContains(t, out.String(), "\x1b")
		fmt.Fprintf(&got, "$ kubectl restartrules check -o %s\n%s\n", output, out.String())
	}
	golden := filepath.Join("testdata", "golden", "live-check.txt")
	if *updateGolden {
		require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/api"
)

// TestUpToDate wants the files in docs to be what the code makes.
func TestUpToDate(t *testing.T) {
	files, err := generate(filepath.Join("..", ".."))
	require.NoError(t, err)
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		require.NoError(t, err, "make docs writes it")
		require.True(t, bytes.Equal(want, got), "docs/%s is not what the code says: make docs", name)
	}
	pictures, err := filepath.Glob("../images/*.svg")
	require.NoError(t, err)
	require.Len(t, pictures, len(diagrams), "a picture in docs/images that nothing makes")
}

func TestReferenceHasEveryName(t *testing.T) {
	text, err := reference(filepath.Join("..", "..", "pkg", "api"))
	require.NoError(t, err)
	for _, name := range []string{api.InjectLabel, api.RulesAnnotation, api.EntryPointPrefix, api.AttemptPath, api.PlanEnv} {
		require.Contains(t, string(text), "| `"+name)
	}
	require.Contains(t, string(text), "| `restartrules.dev/prefer` | with the value `survive` keeps the Pod's own restartPolicy")
}

func TestCombinationsAreAllThere(t *testing.T) {
	text, err := combinations()
	require.NoError(t, err)
	for _, row := range []string{
		"| `Never` | `Restart` `In` | `Never` | succeeded | starts again in place | failed |",
		"| none | none | `Always` | starts again: kubelet |",
		"| `Never` | `TerminatePod` `NotIn` |",
		"| `Always` | `RestartAllContainers` `In` | any | starts again in place | all start again | starts again in place |",
	} {
		require.True(t, strings.Contains(string(text), row), row)
	}
}

// TestDiagrams wants well-formed pictures in which no text is wider than its box.
func TestDiagrams(t *testing.T) {
	for name, d := range diagrams {
		decoder := xml.NewDecoder(bytes.NewReader(d.svg()))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else {
				require.NoError(t, err, name)
			}
		}
		for _, b := range d.boxes {
			require.LessOrEqual(t, b.x+b.w, d.width, "%s: %s", name, b.text)
			require.LessOrEqual(t, b.y+b.h, d.height, "%s: %s", name, b.text)
			for line := range strings.Lines(b.text) {
				require.LessOrEqual(t, len([]rune(strings.TrimSpace(line)))*charWidth, b.w-8, "%s: %q is too wide", name, line)
			}
		}
	}
}

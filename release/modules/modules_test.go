package modules

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIdentify(t *testing.T) {
	const redistributions = "Redistributions of source code must retain the above\n// copyright notice\n" +
		"Redistributions in binary form must reproduce the above copyright notice\n"
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"three clauses": {redistributions + "may be used to endorse or promote products derived from this software without specific prior written permission", []string{"BSD-3-Clause"}},
		"two clauses":   {redistributions, []string{"BSD-2-Clause"}},
		"both of two": {"Apache License\n   Version 2.0, January 2004 TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION ... Permission is hereby granted, free of charge, to any person obtaining a copy of this software ... " +
			"The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software", []string{"Apache-2.0", "MIT"}},
		"none":  {"GNU GENERAL PUBLIC LICENSE", nil},
		"empty": {"", nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, identify(test.text)) })
	}
}

// TestLicenses: those of the module are found whatever their files are called, and a module without one is refused.
func TestLicenses(t *testing.T) {
	root := t.TempDir()
	cache := Cache{modules: root}
	m := Module{Path: "example.com/Upper/m", Version: "v1.0.0"}
	directory := filepath.Join(root, "example.com", "!upper", "m@v1.0.0")
	require.NoError(t, os.MkdirAll(directory, 0o755))
	_, err := cache.Licenses(m)
	require.ErrorContains(t, err, "example.com/Upper/m v1.0.0 has no licence that is known")

	const apache = "Apache License Version 2.0, January 2004 TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION"
	for file, text := range map[string]string{"License.md": apache, "NOTICE": "a notice", "license.go": "package m", "README": apache} {
		require.NoError(t, os.WriteFile(filepath.Join(directory, file), []byte(text), 0o644))
	}
	licenses, err := cache.Licenses(m)
	require.NoError(t, err)
	require.Equal(t, []License{{File: "License.md", Text: apache, IDs: []string{"Apache-2.0"}}, {File: "NOTICE", Text: "a notice"}}, licenses)

	text, err := cache.Text("own", []Module{m, {Path: m.Path, Version: m.Version}})
	require.NoError(t, err)
	require.Contains(t, text, "example.com/Upper/m v1.0.0 (NOTICE)")
	_, err = cache.Licenses(Module{Path: "example.com/none", Version: "v1.0.0"})
	require.ErrorContains(t, err, "sources of example.com/none v1.0.0")
}

func TestReadNotAProgram(t *testing.T) {
	file := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(file, []byte("text"), 0o644))
	_, err := Read(file)
	require.Error(t, err)
}

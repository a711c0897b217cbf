package pages

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Snippet is a YAML document that a page shows.
type Snippet struct {
	Page string
	// Line is where its block begins.
	Line int
	// Is says what it is: Manifest, or what it is a part of.
	Is     Claim
	Object map[string]any
}

// Claim is what a snippet says that it is, by its keys.
type Claim string

const (
	// Manifest is an object for an API server.
	Manifest Claim = "manifest"
	// PartOfPod has metadata and spec, and nothing else.
	PartOfPod Claim = "Pod"
	// PartOfContainer has fields of a container.
	PartOfContainer Claim = "container"
	// Rules is the document of the rules annotation.
	Rules Claim = "rules"
	// Kustomization is a kustomization.yaml, or a part of it.
	Kustomization Claim = "kustomization"
	// Registries is the file of --registries.
	Registries Claim = "registries"
	// Configuration is the file of --config.
	Configuration Claim = "configuration"
)

var keysOf = []struct {
	claim Claim
	keys  []string
}{
	{PartOfPod, []string{"metadata", "spec"}},
	{PartOfContainer, []string{"name", "image", "command", "args", "restartPolicy", "restartPolicyRules"}},
	{Rules, []string{"version", "containers", "initContainers", "restartAllContainers"}},
	{Kustomization, []string{"resources", "components", "configMapGenerator", "images", "patches"}},
	{Registries, []string{"registries"}},
}

// Snippets are the documents of the page's yaml blocks. One that claims to be nothing that is known is an error.
func (p *Page) Snippets() (snippets []Snippet, err error) {
	for i := range p.Blocks {
		b := &p.Blocks[i]
		if b.Language != "yaml" {
			continue
		}
		documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(b.Text())))
		for {
			text, err := documents.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", p.Path, b.Line, err)
			}
			s := Snippet{Page: p.Path, Line: b.Line}
			if err := yaml.UnmarshalStrict(text, &s.Object); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", p.Path, b.Line, err)
			}
			if len(s.Object) == 0 {
				continue // comments
			}
			if s.Is = claim(s.Object); s.Is == "" {
				return nil, fmt.Errorf("%s:%d: YAML with the keys %v is nothing that a test knows", p.Path, b.Line, slices.Sorted(maps.Keys(s.Object)))
			}
			snippets = append(snippets, s)
		}
	}
	return snippets, nil
}

func claim(object map[string]any) Claim {
	if version, found := object["apiVersion"].(string); found {
		switch {
		case strings.HasPrefix(version, "kustomize.config.k8s.io/"):
			return Kustomization
		case strings.Contains(version, "restartrules.dev/"):
			return Configuration
		default:
			return Manifest
		}
	}
	for _, known := range keysOf {
		all := true
		for key := range object {
			all = all && slices.Contains(known.keys, key)
		}
		if all {
			return known.claim
		}
	}
	return ""
}

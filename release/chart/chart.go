// Package chart writes what the Helm chart takes from the manifests: the objects themselves. So the two can't say
// different things; what the chart's values change in the objects is all that its templates have.
package chart

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"restartrules.dev/release/render"
)

// A part is a directory below the chart's files/, of a kustomization: the objects that it adds to those of the base, and
// the patches that make its objects of the base's.
type part struct {
	name string
	// source is a kustomization's directory below manifests/, component that of a component over the base.
	source, component string
	// valuesDo are kinds whose changes the chart's values make.
	valuesDo []string
}

var parts = []part{
	{name: "cert-manager", source: "overlays/cert-manager"},
	{name: "self-managed", source: "overlays/self-managed"},
	{name: "high-availability", component: "components/high-availability", valuesDo: []string{"Deployment"}},
	{name: "reports", component: "components/reports"},
	{name: "pull-secrets", component: "components/pull-secrets"},
	{name: "registries", component: "components/registries"},
	{name: "configuration", component: "components/configuration"},
	{name: "native", component: "components/native"},
	{name: "hints", component: "components/hints"},
	{name: "guard", component: "components/guard"},
	{name: "egress", component: "components/egress"},
	{name: "monitoring", component: "components/monitoring"},
}

// Files are the chart's files/, path to content, made from the manifests in the directory.
func Files(manifests string) (map[string][]byte, error) {
	base, err := render.Kustomize(filepath.Join(manifests, "base"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, o := range base {
		if err := add(files, "base", o, ".yaml", o.Object); err != nil {
			return nil, err
		}
	}
	for _, p := range parts {
		objects, err := p.objects(manifests)
		if err != nil {
			return nil, err
		}
		if err := p.add(files, objects, base); err != nil {
			return nil, fmt.Errorf("part %s of the chart: %w", p.name, err)
		}
	}
	return files, nil
}

func (p part) objects(manifests string) ([]unstructured.Unstructured, error) {
	if p.source != "" {
		return render.Kustomize(filepath.Join(manifests, p.source))
	}
	directory, err := os.MkdirTemp(manifests, ".component-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	k := render.Kustomization{Resources: []string{"../base"}, Components: []string{"../" + p.component}}
	text, err := k.YAML()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(directory, "kustomization.yaml"), text, 0o644); err != nil {
		return nil, err
	}
	return render.Kustomize(directory)
}

// add writes what the part has otherwise than the base.
func (p part) add(files map[string][]byte, objects, base []unstructured.Unstructured) error {
	in := map[string]unstructured.Unstructured{}
	for _, o := range base {
		in[render.Key(o)] = o
	}
	for _, o := range objects {
		before, there := in[render.Key(o)]
		delete(in, render.Key(o))
		content, suffix := o.Object, ".yaml"
		if there {
			if slices.Contains(p.valuesDo, o.GetKind()) {
				continue
			}
			var err error
			if content, err = patch(before.Object, o.Object); err != nil {
				return fmt.Errorf("%s: %w", render.Key(o), err)
			}
			if suffix = ".patch.yaml"; len(content) == 0 {
				continue
			}
		}
		if err := add(files, p.name, o, suffix, content); err != nil {
			return err
		}
	}
	for key := range in {
		return fmt.Errorf("there is no %s: a part can't take away what the base has", key)
	}
	return nil
}

// add writes content to the file that is the object's in the part.
func add(files map[string][]byte, part string, o unstructured.Unstructured, suffix string, content map[string]any) error {
	text, err := yaml.Marshal(content)
	if err != nil {
		return err
	}
	path := filepath.Join(part, strings.ToLower(o.GetKind())+"-"+strings.ReplaceAll(o.GetName(), ":", "-")+suffix)
	if files[path] != nil {
		return fmt.Errorf("%s: two objects have this file", path)
	}
	files[path] = text
	return nil
}

// Write brings files/ of the chart in the directory up to date.
func Write(directory string, files map[string][]byte) error {
	root := filepath.Join(directory, "files")
	stale, err := Read(directory)
	if err != nil {
		return err
	}
	for path, content := range files {
		if bytes.Equal(stale[path], content) {
			delete(stale, path)
			continue
		}
		delete(stale, path)
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, path), content, 0o644); err != nil {
			return err
		}
	}
	for path := range stale {
		if err := os.Remove(filepath.Join(root, path)); err != nil {
			return err
		}
	}
	return nil
}

// Read reads files/ of the chart in the directory.
func Read(directory string) (map[string][]byte, error) {
	files := map[string][]byte{}
	paths, err := filepath.Glob(filepath.Join(directory, "files", "*", "*.yaml"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		relative, err := filepath.Rel(filepath.Join(directory, "files"), path)
		if err != nil {
			return nil, err
		}
		files[relative] = content
	}
	return files, nil
}

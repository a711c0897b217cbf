// Package render renders the manifests and the chart of this repository, as `kubectl kustomize` and `helm template` do.
package render

import (
	"fmt"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// Kustomize renders the kustomization in the directory, in its order.
func Kustomize(directory string) ([]unstructured.Unstructured, error) {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), directory)
	if err != nil {
		return nil, fmt.Errorf("kustomization %s: %w", directory, err)
	}
	var objects []unstructured.Unstructured
	for _, r := range resources.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			return nil, err
		}
		var o unstructured.Unstructured
		if err := yaml.UnmarshalStrict(text, &o.Object); err != nil {
			return nil, fmt.Errorf("kustomization %s: %w", directory, err)
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// A Kustomization is what one is written of on the fly.
type Kustomization struct {
	// Resources and Components are directories, relative to the kustomization's own.
	Resources, Components []string
	Images                []Image
}

// An Image replaces the one called Name.
type Image struct {
	Name    string `json:"name"`
	NewName string `json:"newName"`
	Digest  string `json:"digest,omitempty"`
}

// YAML is the text of kustomization.yaml.
func (k Kustomization) YAML() ([]byte, error) {
	return yaml.Marshal(map[string]any{
		"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
		"resources": k.Resources, "components": k.Components, "images": k.Images,
	})
}

// Relative gives directories as a kustomization in the directory from names them.
func Relative(from string, directories ...string) ([]string, error) {
	var all []string
	for _, directory := range directories {
		relative, err := filepath.Rel(from, directory)
		if err != nil {
			return nil, err
		}
		all = append(all, relative)
	}
	return all, nil
}

// Key tells objects apart: kind, namespace and name.
func Key(o unstructured.Unstructured) string {
	return o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
}

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/Masterminds/semver/v3"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"sigs.k8s.io/yaml"

	"restartrules.dev/e2e/images/product"
	"restartrules.dev/release/oci"
	"restartrules.dev/release/render"
)

// overlays are what is rendered into one file each.
var overlays = []string{"cert-manager", "self-managed", "ha"}

// manifests writes restartrules-OVERLAY.yaml and the packed chart, which name the images by the digests that the index
// of each has. The images need not be pushed before, only made: the same binaries have the same digest.
func (r release) manifests() error {
	digests := map[string]string{}
	for _, name := range names() {
		reference, err := r.reference(name)
		if err != nil {
			return err
		}
		index, err := r.index(name)
		if err != nil {
			return err
		}
		digest, err := oci.Digest(reference, index)
		if err != nil {
			return err
		}
		digests[name] = digest.DigestStr()
	}
	for _, overlay := range overlays {
		text, err := r.rendered(filepath.Join(r.root, "manifests", "overlays", overlay), digests)
		if err != nil {
			return err
		}
		if err := write(r.out("restartrules-"+overlay+".yaml"), text); err != nil {
			return err
		}
	}
	return r.packChart(digests)
}

// rendered is the kustomization of the directory with our images by digest, one YAML document for each object.
func (r release) rendered(directory string, digests map[string]string) ([]byte, error) {
	if err := os.MkdirAll(r.out(), 0o755); err != nil {
		return nil, err
	}
	own, err := os.MkdirTemp(r.out(), "kustomization-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(own)
	resources, err := render.Relative(own, directory)
	if err != nil {
		return nil, err
	}
	k := render.Kustomization{Resources: resources}
	for _, name := range names() {
		k.Images = append(k.Images, render.Image{
			Name: product.Repository + "/" + name, NewName: r.registry + "/" + name, Digest: digests[name],
		})
	}
	text, err := k.YAML()
	if err != nil {
		return nil, err
	}
	if err := write(filepath.Join(own, "kustomization.yaml"), text); err != nil {
		return nil, err
	}
	objects, err := render.Kustomize(own)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, o := range objects {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "---\n%s", text)
	}
	return b.Bytes(), nil
}

// packChart writes the chart as an archive whose values name the images by digest.
func (r release) packChart(digests map[string]string) error {
	c, err := loader.Load(filepath.Join(r.root, "charts", "restartrules"))
	if err != nil {
		return err
	}
	c.Metadata.AppVersion = r.tag
	if version, err := semver.StrictNewVersion(strings.TrimPrefix(r.tag, "v")); err == nil {
		c.Metadata.Version = version.String()
	}
	for _, file := range c.Raw {
		if file.Name != chartutil.ValuesfileName {
			continue
		}
		text := file.Data
		for _, replace := range [][2]string{
			{"registry: localhost/restartrules", "registry: " + r.registry},
			{"tag: dev", "tag: " + r.tag},
			{`{name: webhook, digest: ""}`, fmt.Sprintf("{name: webhook, digest: %q}", digests[product.Webhook])},
			{`{name: watcher, digest: ""}`, fmt.Sprintf("{name: watcher, digest: %q}", digests[product.Watcher])},
		} {
			if bytes.Count(text, []byte(replace[0])) != 1 {
				return fmt.Errorf("values.yaml of the chart should have %q once", replace[0])
			}
			text = bytes.Replace(text, []byte(replace[0]), []byte(replace[1]), 1)
		}
		file.Data = text
	}
	_, err = chartutil.Save(c, r.out())
	return err
}

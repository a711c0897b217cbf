package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"restartrules.dev/e2e/cluster/image"
	"restartrules.dev/e2e/images/product"
	"restartrules.dev/release/bom"
	"restartrules.dev/release/modules"
	"restartrules.dev/release/oci"
)

// release is what the flags say.
type release struct {
	root, registry, tag string
	architectures       []string
}

// names of the images, in order.
func names() []string { return slices.Sorted(maps.Keys(product.Binaries())) }

// binaries is where those for the architecture are; licensesFile what the image called name has of licences.
func (r release) binaries(architecture string) string {
	return filepath.Join(r.root, "bin", "linux-"+architecture)
}

func (r release) licensesFile(architecture, name string) string {
	return filepath.Join(r.binaries(architecture), "licenses", name+".txt")
}

func (r release) out(elements ...string) string {
	return filepath.Join(append([]string{r.root, "bin", "release"}, elements...)...)
}

// reference is REGISTRY/NAME:TAG.
func (r release) reference(name string) (string, error) {
	if r.registry == "" {
		return "", errors.New("no registry: where do the images go? For example REGISTRY=registry.example.com/restartrules")
	}
	return r.registry + "/" + name + ":" + r.tag, nil
}

// index is the image called name for all architectures.
func (r release) index(name string) (v1.ImageIndex, error) {
	labels := map[string]string{
		"org.opencontainers.image.title":    "restartrules " + name,
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
	program, err := modules.Read(filepath.Join(r.binaries(r.architectures[0]), product.Binaries()[name][0]))
	if err != nil {
		return nil, fmt.Errorf("image %s: %w; make the binaries with `make release-binaries`", name, err)
	}
	if program.Revision != "" {
		labels["org.opencontainers.image.revision"] = program.Revision
	}
	return oci.Index(r.architectures, func(architecture string) (image.Image, error) {
		i, there := product.Images(r.binaries(architecture))[name]
		if !there {
			return image.Image{}, fmt.Errorf("there is no image %s", name)
		}
		i.Files = append(i.Files, image.Regular("/licenses.txt", r.licensesFile(architecture, name)))
		return i, nil
	}, labels)
}

func (r release) writeImages() error {
	for _, name := range names() {
		index, err := r.index(name)
		if err != nil {
			return err
		}
		if err := oci.WriteLayout(r.out("images", name), index, r.tag); err != nil {
			return err
		}
	}
	return nil
}

// push pushes all images and prints their names by digest, one a line.
func (r release) push(ctx context.Context, out io.Writer) error {
	for _, name := range names() {
		reference, err := r.reference(name)
		if err != nil {
			return err
		}
		index, err := r.index(name)
		if err != nil {
			return err
		}
		digest, err := oci.Push(ctx, reference, index)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, digest.Name())
	}
	return nil
}

// programs of the image called name, for one architecture.
func (r release) programs(architecture, name string) ([]modules.Program, error) {
	var programs []modules.Program
	for _, binary := range product.Binaries()[name] {
		p, err := modules.Read(filepath.Join(r.binaries(architecture), binary))
		if err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	return programs, nil
}

func (r release) sbom() error {
	return r.each(func(architecture, name string, programs []modules.Program, cache modules.Cache) error {
		var text bytes.Buffer
		if err := bom.Write(&text, bom.Image{Name: "restartrules/" + name, Version: r.tag, Programs: programs}, cache); err != nil {
			return err
		}
		return write(r.out("sbom", name+"-linux-"+architecture+".cdx.json"), text.Bytes())
	})
}

func (r release) licenses() error {
	own, err := os.ReadFile(filepath.Join(r.root, "LICENSE"))
	if err != nil {
		return err
	}
	return r.each(func(architecture, name string, programs []modules.Program, cache modules.Cache) error {
		text, err := cache.Text(string(own), modules.Union(programs...))
		if err != nil {
			return err
		}
		return write(r.licensesFile(architecture, name), []byte(text))
	})
}

// each calls do for each image and architecture.
func (r release) each(do func(architecture, name string, programs []modules.Program, cache modules.Cache) error) error {
	cache, err := modules.OpenCache()
	if err != nil {
		return err
	}
	for _, architecture := range r.architectures {
		for _, name := range names() {
			programs, err := r.programs(architecture, name)
			if err != nil {
				return err
			}
			if err := do(architecture, name, programs, cache); err != nil {
				return fmt.Errorf("image %s for %s: %w", name, architecture, err)
			}
		}
	}
	return nil
}

func write(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o644)
}

// Package bom writes what an image holds as a software bill of materials, CycloneDX in JSON.
package bom

import (
	"fmt"
	"io"
	"net/url"

	"github.com/CycloneDX/cyclonedx-go"

	"restartrules.dev/release/modules"
)

// An Image is what a bill is written of.
type Image struct {
	// Name is the image's, Version what it is tagged with.
	Name, Version string
	Programs      []modules.Program
}

// Write writes the bill. It has neither a time nor a serial number: it depends on the image alone.
func Write(w io.Writer, i Image, cache modules.Cache) error {
	root := cyclonedx.Component{
		BOMRef: "image/" + i.Name, Type: cyclonedx.ComponentTypeContainer, Name: i.Name, Version: i.Version,
		Licenses: &cyclonedx.Licenses{{License: &cyclonedx.License{ID: "Apache-2.0"}}},
	}
	var components []cyclonedx.Component
	var programs []string
	var dependencies []cyclonedx.Dependency
	for _, p := range i.Programs {
		ref := "program/" + p.Name
		p.Main.Version = i.Version // Go knows it only of what it has from a module proxy, or from a clean clone
		programs = append(programs, ref)
		components = append(components, cyclonedx.Component{
			BOMRef: ref, Type: cyclonedx.ComponentTypeApplication, Name: p.Name, Version: p.Main.Version,
			PackageURL: purl(p.Main), Licenses: root.Licenses,
		})
		var linked []string
		for _, m := range p.Modules {
			linked = append(linked, purl(m))
		}
		dependencies = append(dependencies, cyclonedx.Dependency{Ref: ref, Dependencies: &linked})
	}
	for _, m := range modules.Union(i.Programs...) {
		licenses, err := cache.Licenses(m)
		if err != nil {
			return err
		}
		c := cyclonedx.Component{
			BOMRef: purl(m), Type: cyclonedx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: purl(m),
			Licenses: &cyclonedx.Licenses{},
		}
		for _, id := range modules.IDs(licenses) {
			*c.Licenses = append(*c.Licenses, cyclonedx.LicenseChoice{License: &cyclonedx.License{ID: id}})
		}
		if m.Sum != "" {
			c.Properties = &[]cyclonedx.Property{{Name: "go:sum", Value: m.Sum}}
		}
		components = append(components, c)
	}
	b := cyclonedx.NewBOM()
	b.SerialNumber = ""
	b.Metadata = &cyclonedx.Metadata{Component: &root}
	b.Components = &components
	dependencies = append([]cyclonedx.Dependency{{Ref: root.BOMRef, Dependencies: &programs}}, dependencies...)
	b.Dependencies = &dependencies
	return cyclonedx.NewBOMEncoder(w, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(b, cyclonedx.SpecVersion1_6)
}

// purl is the package URL of a Go module.
func purl(m modules.Module) string {
	return fmt.Sprintf("pkg:golang/%s@%s", m.Path, url.PathEscape(m.Version))
}

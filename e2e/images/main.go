// Command images assembles the container images from the binaries in a directory, as archives that
// `docker load`, `kind load image-archive` and `ctr images import` read. It needs no Docker.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"restartrules.dev/e2e/cluster/image"
	"restartrules.dev/e2e/images/product"
)

func main() {
	bin := flag.String("bin", "bin", "directory of the binaries")
	out := flag.String("out", "bin/images", "directory for the archives")
	tests := flag.Bool("tests", false, "also the images that the examples and the tests use")
	flag.Parse()
	if err := run(*bin, *out, *tests); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(bin, out string, tests bool) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	binary := func(name string) image.File { return image.Regular("/"+name, filepath.Join(bin, name)) }
	images := map[string]image.Image{}
	for name, i := range product.Images(bin) {
		images[name+".tar"] = i
	}
	if tests {
		busybox, err := image.Busybox(context.Background())
		if errors.Is(err, exec.ErrNotFound) && os.Getenv("CLUSTER") == "existing" {
			fmt.Fprintln(os.Stderr, "images: without the image of the end-to-end tests:", err)
			tests = false
		} else if err != nil {
			return err
		}
		if tests {
			images["busybox.tar"], images["alpine.tar"], images["app.tar"] = testImages(busybox, binary("app"))
			images["named.tar"], images["scratch.tar"] = shapeImages(busybox, binary("app"))
		}
	}
	for name, i := range images {
		if err := i.WriteFile(filepath.Join(out, name)); err != nil {
			return err
		}
	}
	return nil
}

// shapeImages are the images of Pods of special shapes: one with a user by name and a PATH of its own, in
// which tool is, and one with a static program and nothing else.
func shapeImages(busybox []image.File, app image.File) (named, scratch image.Image) {
	source := func(name, file string) image.File { return image.Regular(name, filepath.Join("e2e/images", file)) }
	named = image.Image{Name: "localhost/restartrules/named:dev", User: "worker", Env: []string{"PATH=/opt/bin:/bin"}, Entrypoint: []string{"/app"},
		Files: append(slices.Clone(busybox), app, source("/etc/passwd", "passwd"), source("/etc/group", "group"), source("/opt/bin/tool", "tool"))}
	scratch = image.Image{Name: "localhost/restartrules/scratch:dev", Entrypoint: []string{"/app"}, Files: []image.File{app}}
	return named, scratch
}

// testImages are the images of the examples, and that of the end-to-end tests. What is called alpine is busybox and the file
// by which Alpine is known.
func testImages(busybox []image.File, app image.File) (forExamples, other, forTests image.Image) {
	shell := image.Image{Name: "busybox:stable", Cmd: []string{"sh"}, Env: []string{"PATH=/bin"}, Files: busybox}
	other = shell
	other.Name = "alpine:3"
	other.Files = append(slices.Clone(busybox), image.Regular("/etc/alpine-release", "e2e/images/alpine-release"))
	forTests = shell
	forTests.Name, forTests.Cmd, forTests.Entrypoint = "localhost/restartrules/app:dev", nil, []string{"/app"}
	forTests.Files = append(slices.Clone(busybox), app)
	return shell, other, forTests
}

// Command images assembles the container images from the binaries in a directory, as archives that
// `docker load`, `kind load image-archive` and `ctr images import` read. It needs no Docker.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"restartrules.dev/e2e/cluster/image"
)

// user is who the product's images run as.
const user = "65532:65532"

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
	images := map[string]image.Image{
		"webhook.tar": {Name: "localhost/restartrules/webhook:dev", User: user, Entrypoint: []string{"/webhook"}, Files: []image.File{binary("webhook")}},
		"watcher.tar": {Name: "localhost/restartrules/watcher:dev", User: user, Entrypoint: []string{"/watcher"}, Files: []image.File{binary("watcher"), binary("shim")}},
	}
	if tests {
		busybox, err := busyboxFiles()
		if errors.Is(err, exec.ErrNotFound) && os.Getenv("CLUSTER") == "existing" {
			fmt.Fprintln(os.Stderr, "images: without the image of the end-to-end tests:", err)
			tests = false
		} else if err != nil {
			return err
		}
		if tests {
			images["busybox.tar"], images["app.tar"] = testImages(busybox, binary("app"))
		}
	}
	for name, i := range images {
		if err := i.WriteFile(filepath.Join(out, name)); err != nil {
			return err
		}
	}
	return nil
}

// testImages are the image of the examples, and that of the end-to-end tests.
func testImages(busybox []image.File, app image.File) (forExamples, forTests image.Image) {
	return image.Image{Name: "busybox:stable", Cmd: []string{"sh"}, Env: []string{"PATH=/bin"}, Files: busybox},
		image.Image{Name: "localhost/restartrules/app:dev", Entrypoint: []string{"/app"}, Env: []string{"PATH=/bin"},
			Files: append(slices.Clone(busybox), app)}
}

// busyboxFiles is the distribution's static busybox with all its applets, which stands in for the
// image of that name where there is no registry.
func busyboxFiles() ([]image.File, error) {
	program, err := exec.LookPath("busybox")
	if err != nil {
		return nil, fmt.Errorf("%w: install the package busybox-static", err)
	}
	applets, err := exec.Command(program, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --list: %w", program, err)
	}
	files := []image.File{image.Regular("/bin/busybox", program), image.Directory("/tmp", 0o777|fs.ModeSticky)}
	for applet := range strings.FieldsSeq(string(applets)) {
		if applet != "busybox" {
			files = append(files, image.Symlink("/bin/"+applet, "busybox"))
		}
	}
	return files, nil
}

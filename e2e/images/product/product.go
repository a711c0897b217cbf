// Package product says what the images of the product hold, wherever they are assembled.
package product

import (
	"path/filepath"

	"restartrules.dev/e2e/cluster/image"
)

// user is who the product's images run as: nobody's user, as in the images called distroless.
const user = "65532:65532"

// Names of the images.
const (
	Webhook = "webhook"
	Watcher = "watcher"
)

// Repository is where the manifests expect the images, one below it for each name, and Tag as what.
const (
	Repository = "localhost/restartrules"
	Tag        = "dev"
)

// Binaries are the programs of each image. The first is its entry point.
func Binaries() map[string][]string {
	return map[string][]string{
		Webhook: {"webhook"},
		Watcher: {"watcher", "shim", "prober", "reporter"},
	}
}

// Images are the images, with the binaries of the directory bin.
func Images(bin string) map[string]image.Image {
	images := map[string]image.Image{}
	for name, binaries := range Binaries() {
		i := image.Image{Name: Repository + "/" + name + ":" + Tag, User: user, Entrypoint: []string{"/" + binaries[0]}}
		for _, binary := range binaries {
			i.Files = append(i.Files, image.Regular("/"+binary, filepath.Join(bin, binary)))
		}
		images[name] = i
	}
	return images
}

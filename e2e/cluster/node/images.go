package node

import (
	"context"
	"fmt"

	"restartrules.dev/e2e/cluster/build"
	"restartrules.dev/e2e/cluster/image"
)

// Images that every cluster has. No registry has them: Pods need imagePullPolicy IfNotPresent or Never.
const (
	PauseImage   = "localhost/restartrules/pause:dev"
	BusyboxImage = "localhost/restartrules/busybox:dev" // root, /bin/sh and every applet in /bin
)

// LoadImage imports an image archive, as docker save or package image write it, into the cluster.
func (c *Cluster) LoadImage(ctx context.Context, archive string) error {
	if _, err := c.ctr(ctx, "images", "import", archive); err != nil {
		return fmt.Errorf("load image archive %s into cluster %s: %w", archive, c.Name, err)
	}
	return nil
}

// loadDefaultImages builds the images that every cluster has and imports them.
func (c *Cluster) loadDefaultImages(ctx context.Context) error {
	pause, err := c.pauseImage(ctx)
	if err != nil {
		return err
	}
	busybox, err := busyboxImage(ctx)
	if err != nil {
		return err
	}
	for file, i := range map[string]image.Image{"pause.tar": pause, "busybox.tar": busybox} {
		archive := c.path("images", file)
		if err := i.WriteFile(archive); err != nil {
			return err
		}
		if err := c.LoadImage(ctx, archive); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) pauseImage(ctx context.Context) (image.Image, error) {
	program := c.path("images", "pause")
	if err := build.Program(ctx, "restartrules.dev/e2e/cluster/pause", program); err != nil {
		return image.Image{}, err
	}
	return image.Image{Name: PauseImage, User: "65535:65535", Entrypoint: []string{"/pause"}, Files: []image.File{image.Regular("/pause", program)}}, nil
}

func busyboxImage(ctx context.Context) (image.Image, error) {
	files, err := image.Busybox(ctx)
	if err != nil {
		return image.Image{}, err
	}
	return image.Image{Name: BusyboxImage, Cmd: []string{"/bin/sh"}, Env: []string{"PATH=/bin"}, Files: files}, nil
}

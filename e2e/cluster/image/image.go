// Package image assembles container images without Docker and without a registry.
package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"time"
)

// An Image is one layer of files and what a container runtime wants to know to start it.
type Image struct {
	Name         string // like localhost/restartrules/busybox:dev
	Architecture string // as in GOARCH; empty: this machine's
	User         string // uid[:gid]; empty: root
	Entrypoint   []string
	Cmd          []string
	Env          []string // KEY=value
	Files        []File
}

// A File is what Regular, Directory or Symlink make. Parent directories need not be named: they are made with mode 0755.
type File struct {
	path   string
	header tar.Header
	source string
}

// Regular is the file of the host called source. It can be read and executed by everybody.
func Regular(name, source string) File {
	return File{path: name, source: source, header: tar.Header{Typeflag: tar.TypeReg, Mode: 0o755}}
}

// Directory is an empty directory with mode's permission and sticky bits.
func Directory(name string, mode fs.FileMode) File {
	bits := int64(mode.Perm())
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return File{path: name, header: tar.Header{Typeflag: tar.TypeDir, Mode: bits}}
}

// Symlink is a symbolic link to target.
func Symlink(name, target string) File {
	return File{path: name, header: tar.Header{Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}}
}

// WriteFile writes the image to the file output as an archive that `docker load` and `ctr images import` read.
// The bytes depend on the image and the contents of its files alone. The image is held in memory meanwhile.
func (i Image) WriteFile(output string) error {
	file, err := os.Create(output)
	if err != nil {
		return fmt.Errorf("image %s: %w", i.Name, err)
	}
	defer file.Close()
	if err := i.Write(file); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("image %s: %w", i.Name, err)
	}
	return nil
}

// Write is WriteFile to a stream.
func (i Image) Write(w io.Writer) error {
	layer, err := i.Layer()
	if err != nil {
		return fmt.Errorf("image %s: %w", i.Name, err)
	}
	layerDigest := fmt.Sprintf("%x", sha256.Sum256(layer))
	config, err := i.Config("sha256:" + layerDigest)
	if err != nil {
		return fmt.Errorf("image %s: %w", i.Name, err)
	}
	configName, layerName := fmt.Sprintf("%x.json", sha256.Sum256(config)), layerDigest+"/layer.tar"
	manifest, err := json.Marshal([]map[string]any{{"Config": configName, "RepoTags": []string{i.Name}, "Layers": []string{layerName}}})
	if err != nil {
		return fmt.Errorf("image %s: %w", i.Name, err)
	}
	archive := tar.NewWriter(w)
	for _, part := range []struct {
		name string
		data []byte
	}{{configName, config}, {layerName, layer}, {"manifest.json", manifest}} {
		if err := add(archive, part.name, tar.Header{Typeflag: tar.TypeReg, Mode: 0o644}, part.data); err != nil {
			return fmt.Errorf("image %s: %w", i.Name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("image %s: %w", i.Name, err)
	}
	return nil
}

// Config is the image's configuration, in a form that is Docker's and OCI's. layer is the digest of Layer.
func (i Image) Config(layer string) ([]byte, error) {
	return json.Marshal(map[string]any{
		"architecture": cmp.Or(i.Architecture, runtime.GOARCH),
		"os":           "linux",
		"config":       map[string]any{"User": i.User, "Entrypoint": i.Entrypoint, "Cmd": i.Cmd, "Env": i.Env},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{layer}},
	})
}

// Layer is the image's only layer, a tar archive. Its bytes depend on the contents of the files alone.
func (i Image) Layer() ([]byte, error) {
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	made := map[string]bool{}
	for _, file := range i.Files {
		name := path.Clean("/" + file.path)[1:]
		if name == "" || made[name] {
			return nil, fmt.Errorf("file %q: it is there already", file.path)
		}
		for _, dir := range parents(name) {
			if !made[dir] {
				made[dir] = true
				if err := add(archive, dir, tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}, nil); err != nil {
					return nil, err
				}
			}
		}
		made[name] = true
		var data []byte
		if file.source != "" {
			var err error
			if data, err = os.ReadFile(file.source); err != nil {
				return nil, err
			}
		}
		if err := add(archive, name, file.header, data); err != nil {
			return nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

// parents are the directories above name, outermost first.
func parents(name string) []string {
	dir := path.Dir(name)
	if dir == "." {
		return nil
	}
	return append(parents(dir), dir)
}

func add(archive *tar.Writer, name string, header tar.Header, data []byte) error {
	header.Name, header.Size, header.ModTime = name, int64(len(data)), time.Unix(0, 0)
	if header.Typeflag == tar.TypeDir {
		header.Name += "/"
	}
	if err := archive.WriteHeader(&header); err != nil {
		return fmt.Errorf("file %s: %w", name, err)
	}
	_, err := archive.Write(data)
	return err
}

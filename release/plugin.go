package main

import (
	"fmt"
	"os"
	"path/filepath"

	"restartrules.dev/release/krew"
)

// plugin writes the archives of the kubectl plugin, and krew's manifest of them, to bin/release/plugin. The binaries are
// in bin/plugin/OS-ARCH; the archives will be below url.
func (r release) plugin(url string) error {
	directory := filepath.Join(r.root, "bin", "plugin")
	entries, err := os.ReadDir(directory)
	if err != nil {
		return fmt.Errorf("read the plugin's binaries: %w", err)
	}
	license, err := os.ReadFile(filepath.Join(r.root, "LICENSE"))
	if err != nil {
		return err
	}
	var archives []krew.Packed
	for _, entry := range entries {
		p, err := krew.ParsePlatform(entry.Name())
		if err != nil {
			return err
		}
		binary, err := os.ReadFile(filepath.Join(directory, entry.Name(), p.Binary()))
		if err != nil {
			return fmt.Errorf("read the plugin's binary: %w", err)
		}
		archive, err := krew.Pack(p, binary, license)
		if err != nil {
			return err
		}
		if err := write(r.out("plugin", p.Archive()), archive); err != nil {
			return err
		}
		archives = append(archives, krew.Packed{Platform: p, Archive: archive})
	}
	text, err := krew.Manifest(r.tag, url, archives)
	if err != nil {
		return err
	}
	return write(r.out("plugin", "plugin.yaml"), text)
}

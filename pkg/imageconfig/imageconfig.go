// Package imageconfig is what an image runs where a container doesn't say. It is pure.
package imageconfig

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Process is what a configuration names: ENTRYPOINT and CMD of a Dockerfile.
type Process struct {
	Entrypoint []string `json:"entrypoint,omitempty"`
	Cmd        []string `json:"cmd,omitempty"`
}

// Command is what runs in a container that has no command of its own, in front of its args if it has
// some (upstream: containerd, internal/cri/opts, WithProcessArgs).
func (p Process) Command(hasArgs bool) []string {
	if hasArgs {
		return p.Entrypoint
	}
	return slices.Concat(p.Entrypoint, p.Cmd)
}

// Platform is the Process of an image for one architecture, as in GOARCH. The operating system is Linux.
type Platform struct {
	Architecture string
	Process      Process
}

// Image is what is known of an image.
type Image struct {
	// Digest is that of the manifest or index which the reference means, as sha256:….
	Digest string
	// Platforms are those of an image for Linux, at least one, by architecture.
	Platforms []Platform
}

// Agreed is the command if all platforms have the same. See Process.Command.
func (i *Image) Agreed(hasArgs bool) (command []string, ok bool) {
	command = i.Platforms[0].Process.Command(hasArgs)
	for _, p := range i.Platforms[1:] {
		if !slices.Equal(command, p.Process.Command(hasArgs)) {
			return nil, false
		}
	}
	return command, true
}

// Parse reads an image's configuration, of OCI or Docker. The error says that it is none.
func Parse(text []byte) (architecture string, p Process, err error) {
	var config struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
		Config       *struct {
			Entrypoint []string `json:"Entrypoint"`
			Cmd        []string `json:"Cmd"`
		} `json:"config"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return "", Process{}, fmt.Errorf("the image's configuration is no such JSON: %w", err)
	}
	if config.Architecture == "" && config.OS == "" && config.Config == nil {
		return "", Process{}, errors.New("this is no image that can run: its configuration has no architecture and no config")
	}
	if config.OS != "" && config.OS != "linux" {
		return "", Process{}, fmt.Errorf("this is an image for %s, not for linux", config.OS)
	}
	if c := config.Config; c != nil {
		p = Process{Entrypoint: c.Entrypoint, Cmd: c.Cmd}
	}
	// As containerd has it: an ENTRYPOINT of one empty word is none.
	if len(p.Entrypoint) == 1 && p.Entrypoint[0] == "" {
		p.Entrypoint = nil
	}
	for _, word := range slices.Concat(p.Entrypoint, p.Cmd) {
		if strings.Contains(word, "\x00") {
			return "", Process{}, errors.New("the image's configuration has a zero byte in ENTRYPOINT or CMD")
		}
	}
	return config.Architecture, p, nil
}

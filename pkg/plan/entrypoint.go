package plan

import "errors"

// EntryPoint is what a container's image runs, for a container whose manifest has no command.
type EntryPoint struct {
	// Image is the image as its user wrote it, Digest what it meant when it was looked up; empty where the
	// annotation gave the command.
	Image  string `json:"image"`
	Digest string `json:"digest,omitempty"`
	// Pinned says that the container was given the image with the digest.
	Pinned bool `json:"pinned,omitempty"`
	// Command is what runs in front of the container's args; Platforms, by architecture, in its place where
	// the image's platforms differ.
	Command   []string            `json:"command,omitempty"`
	Platforms map[string][]string `json:"platforms,omitempty"`
}

func (e *EntryPoint) check() error {
	if e != nil && e.Image == "" {
		return errors.New("entryPoint: has no image")
	}
	return nil
}

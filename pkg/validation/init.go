package validation

import (
	"fmt"
	"path"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// inits are programs that end or misbehave unless they are process 1, by their usual paths.
var inits = map[string]string{
	"/init":                    "s6-overlay",
	"/sbin/init":               "systemd or another init system",
	"/usr/sbin/init":           "systemd or another init system",
	"/bin/init":                "an init system",
	"/bin/systemd":             "systemd",
	"/lib/systemd/systemd":     "systemd",
	"/usr/lib/systemd/systemd": "systemd",
}

// ProcessOne refuses a command, or an image's entry point, that is known to want to be process 1: behind a
// shim it never is, with or without a shared process namespace. at is where the command is from.
func ProcessOne(container string, command []string, at func() *field.Path) field.ErrorList {
	if len(command) == 0 {
		return nil
	}
	program := path.Clean(command[0])
	what, ok := inits[program]
	if !ok {
		return nil
	}
	return field.ErrorList{field.Forbidden(at(), fmt.Sprintf("container %q runs %s, by its name %s, which works as process 1 only, and behind the shim that applies the restart rules it is not: "+
		"write the command of the program itself, or leave out the rules; if it is something else, start it through another program, for example command: [env, %s]",
		container, program, what, program))}
}

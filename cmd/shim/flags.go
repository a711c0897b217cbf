//go:build linux

package main

import (
	"errors"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"restartrules.dev/pkg/backoff"
	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/supervise"
	"restartrules.dev/pkg/wire"
)

const (
	defaultDir = "/restartrules"
	// defaultTerminationMessage is what the API server fills in (upstream:
	// pkg/apis/core/v1/defaults.go, TerminationMessagePathDefault).
	defaultTerminationMessage = "/dev/termination-log"
	// defaultGrace is what Kubernetes gives a container to end (upstream: pkg/apis/core/v1/defaults.go,
	// DefaultTerminationGracePeriodSeconds).
	defaultGrace = 30 * time.Second
)

func runConfig(flags []flag, argv []string) (supervise.Config, error) {
	c := supervise.Config{Env: syscall.Environ(), Dir: defaultDir, TerminationMessage: defaultTerminationMessage, Backoff: backoff.Default()}
	var entry []string
	for _, f := range flags {
		var err error
		switch f.name {
		case "container":
			c.Container = f.value
		case "on-exit":
			c.Table, err = exittable.Parse(f.value)
		case "max-restarts":
			c.Total, err = exittable.ParseTotal(f.value)
		case "backoff":
			c.Backoff, err = backoff.Parse(f.value)
		case "seam":
			c.Seam, err = parseSeam(f.value)
		case "dir":
			c.Dir = f.value
		case "termination-message":
			c.TerminationMessage = f.value
		case "hold":
			c.Hold, err = time.ParseDuration(f.value)
		case "kill-timeout":
			c.KillTimeout, err = positive(f.value)
		case "pod":
			c.Role, err = parseRole(f.value)
		case "exec":
			var command supervise.Command
			command, err = parseCommand(f.value)
			c.Commands = append(c.Commands, command)
		case "entry":
			var words []string
			if words, err = parseEntry(f.value); words != nil {
				entry = words
			}
		default:
			err = errors.New("unknown flag")
		}
		if err != nil {
			return c, errors.New("--" + f.name + "=" + f.value + ": " + err.Error())
		}
	}
	if c.Argv = append(entry, argv...); len(c.Argv) == 0 {
		return c, errors.New("there is no command, and no --entry for this machine's architecture, " + runtime.GOARCH)
	}
	if c.Container == "" || c.Table == nil {
		return c, errors.New("--container and --on-exit are required")
	}
	if c.Role != supervise.Alone && c.Dir == "" {
		return c, errors.New("--pod needs --dir")
	}
	return c, nil
}

func parseSeam(text string) (supervise.SeamFormat, error) {
	switch text {
	case "text":
		return supervise.SeamText, nil
	case "json":
		return supervise.SeamJSON, nil
	case "off":
		return supervise.SeamOff, nil
	}
	return 0, errors.New("expected text, json or off")
}

func hookDir(flags []flag) (string, error) {
	dir := defaultDir
	for _, f := range flags {
		if f.name != "dir" {
			return "", errors.New("--" + f.name + ": unknown flag")
		}
		dir = f.value
	}
	return dir, nil
}

// questionFlags are those of restart-all, and of restart, which has one more: grace.
func questionFlags(flags []flag) (dir, reason string, grace time.Duration, err error) {
	dir, grace = defaultDir, defaultGrace
	for _, f := range flags {
		switch f.name {
		case "dir":
			dir = f.value
		case "reason":
			reason = f.value
		case "grace":
			if grace, err = time.ParseDuration(f.value); err != nil {
				return "", "", 0, errors.New("--grace=" + f.value + ": " + err.Error())
			}
		default:
			return "", "", 0, errors.New("--" + f.name + ": unknown flag")
		}
	}
	return dir, reason, grace, nil
}

func positive(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = errors.New("must be more than 0")
	}
	return d, err
}

func parseRole(text string) (supervise.Role, error) {
	switch text {
	case "member":
		return supervise.Member, nil
	case "twin":
		return supervise.Twin, nil
	case "own":
		return supervise.Own, nil
	}
	return 0, errors.New("expected member, twin or own")
}

// parseCommand reads NAME=QUOTED: the words are quoted as in Go, with one space between them.
func parseCommand(text string) (supervise.Command, error) {
	name, rest, _ := strings.Cut(text, "=")
	c := supervise.Command{Name: name}
	switch name {
	case wire.ExecLiveness, wire.ExecStartup, wire.ExecPostStart, wire.ExecPreStop:
	default:
		return c, errors.New("expected liveness, startup, postStart or preStop before the second =")
	}
	var err error
	c.Argv, err = parseWords(rest)
	return c, err
}

// parseEntry reads ARCHITECTURE=QUOTED: what the image of that architecture runs. It is nil for another
// machine's.
func parseEntry(text string) ([]string, error) {
	architecture, rest, _ := strings.Cut(text, "=")
	if rest == "" {
		return nil, nil // that image runs nothing but the container's args
	}
	words, err := parseWords(rest)
	if err != nil || architecture != runtime.GOARCH {
		return nil, err
	}
	return words, nil
}

// parseWords reads words quoted as in Go.
func parseWords(rest string) (words []string, err error) {
	for {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return nil, errors.New("expected words quoted as in Go, with one space between them")
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		words = append(words, word)
		if rest = rest[len(quoted):]; rest == "" {
			return words, nil
		}
		if rest[0] != ' ' {
			return nil, errors.New("expected a space behind " + quoted)
		}
		rest = rest[1:]
	}
}

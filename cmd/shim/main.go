//go:build linux

// One thread of Go code is enough, whatever the container's CPU limit; don't look it up.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command shim runs a container's command and restarts it in place by its exit table. It is copied
// into every injected Pod and runs in every wrapped container, so it links next to nothing; see
// docs/architecture.md for its flags.
package main

import (
	"errors"
	"strconv"
	"strings"
	"syscall"
	"time"

	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/supervise"
)

const usage = `usage: shim run --container=NAME --on-exit=TABLE [--max-restarts=N/end|N/linger]
                [--backoff=INITIAL/MAX/RESET|none] [--seam=text|json|off] [--dir=DIR]
                [--hold=DURATION] -- COMMAND [ARG...]
       shim hook [--dir=DIR] -- COMMAND [ARG...]
`

// usageCode is the exit code for arguments that make no sense: none that a shell or a container
// runtime gives for a command that can't be started.
const usageCode = 2

func main() {
	args, err := arguments()
	code := usageCode
	if err == nil {
		code, err = do(args[1:])
	}
	if err != nil {
		_, _ = syscall.Write(2, []byte("restartrules: shim: "+err.Error()+"\n"+usage))
	}
	syscall.Exit(code)
}

// do does what the arguments say and gives the exit code.
func do(args []string) (int, error) {
	verb, flags, argv, err := parse(args)
	if err != nil {
		return usageCode, err
	}
	switch verb {
	case "run":
		config, err := runConfig(flags, argv)
		if err != nil {
			return usageCode, err
		}
		return supervise.Run(config), nil
	case "hook":
		dir, err := hookDir(flags)
		if err != nil {
			return usageCode, err
		}
		return supervise.Hook(dir, argv, syscall.Environ()), nil
	}
	return usageCode, errors.New("unknown command " + strconv.Quote(verb))
}

type flag struct{ name, value string }

// parse splits the arguments into the verb, its flags, and the command behind "--".
func parse(args []string) (verb string, flags []flag, argv []string, err error) {
	if len(args) == 0 {
		return "", nil, nil, errors.New("expected run or hook")
	}
	for i, arg := range args[1:] {
		if arg == "--" {
			argv = args[i+2:]
			break
		}
		name, value, ok := strings.Cut(arg, "=")
		if !ok || !strings.HasPrefix(name, "--") {
			return "", nil, nil, errors.New(strconv.Quote(arg) + ": expected --flag=value, or -- before the command")
		}
		flags = append(flags, flag{name[2:], value})
	}
	if len(argv) == 0 {
		return "", nil, nil, errors.New("expected a command behind --")
	}
	return args[0], flags, argv, nil
}

const defaultDir = "/restartrules"

func runConfig(flags []flag, argv []string) (supervise.Config, error) {
	c := supervise.Config{Argv: argv, Env: syscall.Environ(), Dir: defaultDir, Backoff: supervise.DefaultBackoff()}
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
			c.Backoff, err = parseBackoff(f.value)
		case "seam":
			c.Seam, err = parseSeam(f.value)
		case "dir":
			c.Dir = f.value
		case "hold":
			c.Hold, err = time.ParseDuration(f.value)
		default:
			err = errors.New("unknown flag")
		}
		if err != nil {
			return c, errors.New("--" + f.name + "=" + f.value + ": " + err.Error())
		}
	}
	if c.Container == "" || c.Table == nil {
		return c, errors.New("--container and --on-exit are required")
	}
	return c, nil
}

func parseBackoff(text string) (supervise.Backoff, error) {
	if text == "none" {
		return supervise.Backoff{}, nil
	}
	parts := strings.Split(text, "/")
	if len(parts) != 3 {
		return supervise.Backoff{}, errors.New("expected none or INITIAL/MAX/RESET, for example 10s/5m/10m")
	}
	var d [3]time.Duration
	for i, part := range parts {
		var err error
		if d[i], err = time.ParseDuration(part); err != nil {
			return supervise.Backoff{}, err
		}
	}
	return supervise.Backoff{Initial: d[0], Max: d[1], Reset: d[2]}, nil
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

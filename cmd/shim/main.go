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
	"slices"
	"strconv"
	"strings"
	"syscall"

	_ "restartrules.dev/pkg/oneproc"
	"restartrules.dev/pkg/supervise"
	_ "restartrules.dev/pkg/sysmon"
)

const usage = `usage: shim run --container=NAME --on-exit=TABLE [--max-restarts=N/end|N/linger]
                [--backoff=INITIAL/MAX/RESET|none] [--seam=text|json|off] [--dir=DIR]
                [--termination-message=FILE] [--hold=DURATION] [--pod=member|twin|own] [--exec=NAME=QUOTED...]
                [--kill-timeout=DURATION] [--entry=ARCHITECTURE=QUOTED...] -- COMMAND [ARG...]
       shim hook [--dir=DIR] -- COMMAND [ARG...]
       shim restart-all [--reason=TEXT] [--dir=DIR]
       shim restart [--reason=TEXT] [--grace=DURATION] [--dir=DIR]
       shim started [--dir=DIR]
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
	case "restart-all":
		dir, reason, _, err := questionFlags(flags)
		if err != nil {
			return usageCode, err
		}
		return supervise.RestartAll(dir, reason), nil
	case "restart":
		dir, reason, grace, err := questionFlags(flags)
		if err != nil {
			return usageCode, err
		}
		return supervise.Restart(dir, reason, grace), nil
	case "started":
		dir, err := hookDir(flags)
		if err != nil {
			return usageCode, err
		}
		return supervise.HasStarted(dir), nil
	}
	return usageCode, errors.New("unknown command " + strconv.Quote(verb))
}

type flag struct{ name, value string }

// parse splits the arguments into the verb, its flags, and the command behind "--".
func parse(args []string) (verb string, flags []flag, argv []string, err error) {
	if len(args) == 0 {
		return "", nil, nil, errors.New("expected run, hook, restart-all, restart or started")
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
	entry := func(f flag) bool { return f.name == "entry" }
	if len(argv) == 0 && (args[0] == "hook" || args[0] == "run" && !slices.ContainsFunc(flags, entry)) {
		return "", nil, nil, errors.New("expected a command behind --")
	}
	return args[0], flags, argv, nil
}

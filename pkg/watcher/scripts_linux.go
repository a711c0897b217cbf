package watcher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"restartrules.dev/pkg/sysmon"
	"restartrules.dev/pkg/watcher/machine"
)

// Exit codes of a script that could not be started, as a shell has them.
const (
	codeNotExecutable = 126
	codeNotFound      = 127
)

// runScript runs, beside the loop, the script that stands for an init container. It is copied into the
// volume, for a ConfigMap's files can't be executed, and runs in the watcher's container: with its image,
// user and network, and without the volumes of the Pod.
func (d *pod) runScript(ctx context.Context, e machine.RunScript) {
	name, script := d.machine.Members[e.Member].Name, d.scripts[e.Member]
	d.beside(ctx, func() func() {
		code, err := d.volume.run(ctx, name, script)
		return func() {
			if err != nil {
				d.log.Error("the script can't be run", "container", name, "script", script, "error", err)
			}
			d.log.Info("the script has ended", "container", name, "exitCode", code)
			d.reports.replayed(name)
			d.step(machine.ScriptEnded{Member: e.Member, Gen: e.Gen, Code: code})
		}
	})
}

// run runs the script, with all that it starts, until it ends, and gives its exit code.
func (v Volume) run(ctx context.Context, name, script string) (code int, err error) {
	text, err := os.ReadFile(script)
	if err != nil {
		return codeNotFound, fmt.Errorf("%w: the ConfigMap needs a key of the init container's name", err)
	}
	dir := filepath.Join(v.Root, "scripts")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return codeNotExecutable, err
	}
	copied := filepath.Join(dir, name)
	if err := os.Remove(copied); err != nil && !os.IsNotExist(err) {
		return codeNotExecutable, err
	}
	if err := os.WriteFile(copied, text, 0o755); err != nil {
		return codeNotExecutable, err
	}
	command := exec.CommandContext(ctx, copied)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr // the watcher's log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	if err = start(command); err == nil {
		err = command.Wait()
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit):
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return exit.ExitCode(), nil
	case errors.Is(err, os.ErrNotExist):
		return codeNotFound, fmt.Errorf("%w: its interpreter is not in the watcher's image, which has no shell", err)
	default:
		return codeNotExecutable, err
	}
}

// start starts the command with the timer slack that the watcher got itself.
func start(command *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	sysmon.Restore()
	return command.Start()
}

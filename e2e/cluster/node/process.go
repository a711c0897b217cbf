package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long a component may take to end before it is killed.
const stopGrace = 10 * time.Second

// execTries is how often commandLine looks, a millisecond apart, at a process that seems to be in the middle of an
// exec: of a program that is in no cache, on a disk that is busy, that takes a while.
const execTries = 10_000

// start runs a program in the cluster's network namespace, in a session of its own so that it outlives us. Its
// output is appended to its log file.
func (c *Cluster) start(program string, args ...string) error {
	component := filepath.Base(program)
	log, err := os.OpenFile(c.LogFile(component), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", component, err)
	}
	defer log.Close()
	// Not `ip netns exec`: it mounts a /sys without cgroups. nsenter becomes the program, so the pid stays.
	cmd := exec.Command("nsenter", append([]string{"--net=" + c.netnsFile(), "--", program}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	// Nothing else of our environment: a proxy variable would make the API server ask the proxy for webhooks.
	// containerd finds its shim in PATH.
	cmd.Env = []string{"PATH=" + c.Binaries.Containerd + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", component, err)
	}
	pid := cmd.Process.Pid
	if err := cmd.Process.Release(); err != nil {
		return fmt.Errorf("start %s: %w", component, err)
	}
	if err := os.WriteFile(c.pidFile(component), []byte(strconv.Itoa(pid)), 0o644); err != nil {
		return fmt.Errorf("start %s: %w", component, err)
	}
	return nil
}

func (c *Cluster) pidFile(component string) string { return c.path("pid", component) }

// process returns the running process of a component, or nil. A pid that has been given to another process is not
// mistaken for it: our components have a path in the state directory among their arguments.
func (c *Cluster) process(component string) *os.Process {
	text, err := os.ReadFile(c.pidFile(component))
	if err != nil {
		return nil
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		return nil
	}
	// A pidfd: what is looked at now is what a signal will reach, whatever becomes of the number.
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil
	}
	if !c.owns(commandLine(pid), component) {
		_ = p.Release() // only frees the pidfd
		return nil
	}
	return p
}

func (c *Cluster) owns(args []string, component string) bool {
	program, state := false, false
	for _, arg := range args {
		program = program || filepath.Base(arg) == component
		state = state || strings.Contains(arg, c.dir+string(filepath.Separator))
	}
	return program && state
}

// commandLine is empty for a process that is gone or a zombie.
func commandLine(pid int) []string {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	for range execTries {
		text, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			return nil
		}
		if len(text) > 0 {
			return strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
		}
		// In the middle of an exec a process has a program and no arguments yet. A zombie has no program either.
		if _, err := os.Readlink(filepath.Join(dir, "exe")); err != nil {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// stop ends a component, by force after stopGrace, and returns when it is gone.
func (c *Cluster) stop(ctx context.Context, component string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*stopGrace)
	defer cancel()
	start, sent := time.Now(), syscall.Signal(0)
	err := poll(ctx, func() error {
		p := c.process(component)
		if p == nil {
			return nil
		}
		signal := syscall.SIGTERM
		if time.Since(start) > stopGrace {
			signal = syscall.SIGKILL
		}
		if signal != sent {
			sent = signal
			if err := p.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return err
			}
		}
		return errors.Join(fmt.Errorf("process %d still runs", p.Pid), p.Release())
	})
	if err != nil {
		return fmt.Errorf("stop %s: %w", component, err)
	}
	// Where this process has started it, it is our child and a zombie.
	if text, err := os.ReadFile(c.pidFile(component)); err == nil {
		if pid, err := strconv.Atoi(string(text)); err == nil && pid > 0 {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil) // ECHILD: it is not
		}
	}
	return os.RemoveAll(c.pidFile(component))
}

// checkAlive returns an error with the end of the log if a component does not run.
func (c *Cluster) checkAlive(component string) error {
	p := c.process(component)
	if p == nil {
		return fmt.Errorf("%s %w; the end of %s:\n%s", component, errEnded, c.LogFile(component), tail(c.LogFile(component), 5))
	}
	return p.Release()
}

func tail(file string, lines int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

package node

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// A requirement is something that the distribution has to provide.
type requirement struct {
	program string
	there   func() bool
	// names of the package for each of managers
	packages map[string]string
}

// managers are the package managers that we know the packages of, and the command that installs with them.
var managers = []struct{ name, install string }{
	{"apt-get", "apt-get install -y --no-install-recommends"},
	{"dnf", "dnf install -y"},
	{"zypper", "zypper install -y"},
	{"pacman", "pacman -S --noconfirm"},
	{"apk", "apk add"},
}

var requirements = []requirement{
	{"runc", inPath("runc"), map[string]string{"*": "runc"}},
	{"CNI plugins", hasCNIPlugins, map[string]string{"*": "containernetworking-plugins", "pacman": "cni-plugins", "apk": "cni-plugins", "zypper": "cni-plugins"}},
	{"ip", inPath("ip"), map[string]string{"*": "iproute2", "dnf": "iproute"}},
	{"nsenter", inPath("nsenter"), map[string]string{"*": "util-linux"}},
	{"a static busybox", hasStaticBusybox, map[string]string{"*": "busybox-static", "dnf": "busybox", "pacman": "busybox"}},
}

func inPath(program string) func() bool {
	return func() bool {
		_, err := exec.LookPath(program)
		return err == nil
	}
}

func hasCNIPlugins() bool {
	_, err := cniPlugins()
	return err == nil
}

// hasStaticBusybox reports whether there is a busybox that needs no shared library: it is all that is in its image.
func hasStaticBusybox() bool {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return false
	}
	file, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			return false
		}
	}
	return true
}

// InstallPackages installs what the distribution has to provide and is not there, if this is Debian or Ubuntu and the
// user is root. Otherwise the error says what to run.
func InstallPackages(ctx context.Context, out io.Writer) error {
	missing := missingRequirements()
	if len(missing) == 0 {
		return nil
	}
	manager := ""
	for _, m := range managers {
		if inPath(m.name)() {
			manager = m.name
			break
		}
	}
	install := installCommand(manager, missing)
	if manager != "apt-get" || os.Geteuid() != 0 {
		return fmt.Errorf("missing: %s; %s", programs(missing), install)
	}
	fmt.Fprintf(out, "missing: %s; %s\n", programs(missing), install)
	args := strings.Fields(strings.TrimPrefix(install, "run: "))
	first := apt(ctx, args)
	if first == nil {
		return stillMissing()
	}
	// The package lists are old, or were never there.
	if err := apt(ctx, []string{"apt-get", "update"}); err != nil {
		return errors.Join(first, err)
	}
	if err := apt(ctx, args); err != nil {
		return err
	}
	return stillMissing()
}

func apt(ctx context.Context, args []string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, text)
	}
	return nil
}

func missingRequirements() []requirement {
	var missing []requirement
	for _, r := range requirements {
		if !r.there() {
			missing = append(missing, r)
		}
	}
	return missing
}

func stillMissing() error {
	if missing := missingRequirements(); len(missing) > 0 {
		return fmt.Errorf("still missing after the installation: %s; is it in PATH (%s)?", programs(missing), os.Getenv("PATH"))
	}
	return nil
}

func programs(requirements []requirement) string {
	var names []string
	for _, r := range requirements {
		names = append(names, r.program)
	}
	return strings.Join(names, ", ")
}

// installCommand says how to install what is missing.
func installCommand(manager string, missing []requirement) string {
	for _, m := range managers {
		if m.name != manager {
			continue
		}
		command := "run: " + m.install
		for _, r := range missing {
			name, ok := r.packages[manager]
			if !ok {
				name = r.packages["*"]
			}
			command += " " + name
		}
		return command
	}
	return "install them with the distribution's package manager"
}

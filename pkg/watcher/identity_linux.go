package watcher

import (
	"os"
	"strconv"
	"strings"

	"restartrules.dev/pkg/watcher/journal"
)

// identity is that of the running kernel and of the Pod's sandbox: the namespaces that all containers
// of a Pod share and no other sandbox has, and, where there is one, the start of the sandbox's own
// process. (The numbers of namespaces are used again, but not with the same start.)
func identity(members int) journal.Identity {
	id := journal.Identity{Members: members}
	if b, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		id.Boot = strings.TrimSpace(string(b))
	}
	var parts []string
	for _, namespace := range []string{"ipc", "net", "uts"} {
		if link, err := os.Readlink("/proc/self/ns/" + namespace); err == nil {
			parts = append(parts, link)
		}
	}
	if sharedProcessNamespace() {
		parts = append(parts, strconv.FormatInt(startTime(1), 10))
	}
	id.Sandbox = strings.Join(parts, ",")
	return id
}

// sharedProcessNamespace says whether PID 1 is the sandbox's: the watcher's own shim, this process's
// parent, would be it otherwise.
func sharedProcessNamespace() bool { return os.Getppid() != 1 && os.Getpid() != 1 }

// startTime is when a process started, in clock ticks since boot; 0 if it can't be read.
func startTime(pid int) int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	// pid (comm) state ppid …: the 22nd field, the 20th behind comm.
	text := string(b)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return 0
	}
	n, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

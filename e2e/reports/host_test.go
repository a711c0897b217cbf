//go:build e2e

package reports

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// processes are those of the Pod's containers, by their arguments, as the node sees them.
func (p *pod) processes() map[int][]string {
	found := map[int][]string{}
	groups, _ := filepath.Glob("/proc/[0-9]*/cgroup") // the pattern is one
	for _, group := range groups {
		text, err := os.ReadFile(group)
		if err != nil || !strings.Contains(string(text), "pod"+p.uid) {
			continue // gone, or another's
		}
		dir := filepath.Dir(group)
		pid, err := strconv.Atoi(filepath.Base(dir))
		command, errCommand := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err == nil && errCommand == nil && len(command) > 0 {
			found[pid] = strings.Split(strings.TrimRight(string(command), "\x00"), "\x00")
		}
	}
	return found
}

// process is the node's pid of the process with these first arguments; 0: there is none.
func (p *pod) process(args ...string) int {
	for pid, command := range p.processes() {
		if len(command) >= len(args) && strings.Join(command[:len(args)], " ") == strings.Join(args, " ") {
			return pid
		}
	}
	return 0
}

func toJSON(v any) string {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

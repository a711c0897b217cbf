package inject

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"restartrules.dev/pkg/manifest"
)

// killsInit says which of the container's commands looks as if it signals process 1, or "". It reads a
// command as far as it is a kill, or a shell's script given with -c; what scripts in the image do it
// can't know.
func killsInit(c *manifest.Container) string {
	words := c.Command
	if len(c.Args) > 0 {
		words = slices.Concat(c.Command, c.Args)
	}
	if signalsInit(words) {
		return "its command"
	}
	for _, hook := range []struct {
		what    string
		handler *corev1.LifecycleHandler
	}{{"its postStart hook", c.PostStart()}, {"its preStop hook", c.PreStop()}} {
		if h := hook.handler; h != nil && h.Exec != nil && signalsInit(h.Exec.Command) {
			return hook.what
		}
	}
	for _, probe := range []struct {
		what string
		raw  manifest.Raw
	}{{"its livenessProbe", c.LivenessProbe}, {"its readinessProbe", c.ReadinessProbe}, {"its startupProbe", c.StartupProbe}} {
		if signalsInit(execOf(probe.raw)) {
			return probe.what
		}
	}
	return ""
}

// execOf is the command of an exec probe, or nil.
func execOf(probe manifest.Raw) []string {
	if probe == nil {
		return nil
	}
	var p struct {
		Exec *corev1.ExecAction `json:"exec"`
	}
	if json.Unmarshal(probe, &p) != nil || p.Exec == nil {
		return nil
	}
	return p.Exec.Command
}

// shells run the word behind an option with a "c" as a script.
var shells = []string{"sh", "ash", "bash", "dash", "ksh", "mksh", "zsh"}

// signalsInit reports whether a command, its words as the kernel gets them, signals process 1.
func signalsInit(words []string) bool {
	for i, word := range words {
		switch name := path.Base(word); {
		case name == "kill" && onlyWrappers(words[:i]):
			return killOf(words[i+1:])
		case name == "eval" && onlyWrappers(words[:i]):
			return scriptSignalsInit(strings.Join(words[i+1:], " "))
		case name == "trap" && onlyWrappers(words[:i]):
			return len(words) > i+1 && scriptSignalsInit(words[i+1])
		case slices.Contains(shells, name):
			return scriptSignalsInit(scriptOf(words[i+1:]))
		}
	}
	return false
}

// wrappers run the command behind them. They are also what a shell allows in front of a command.
var wrappers = []string{"busybox", "builtin", "command", "do", "doas", "dumb-init", "else", "env", "exec", "if", "nice", "nohup",
	"setsid", "sudo", "then", "time", "timeout", "tini", "until", "while", "!", "--"}

// onlyWrappers reports whether the command behind these words is run: they are wrappers, their options
// and numbers, and assignments.
func onlyWrappers(words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool {
		return !slices.Contains(wrappers, path.Base(word)) && !strings.HasPrefix(word, "-") && !strings.Contains(word, "=") &&
			strings.Trim(word, "0123456789smhd.") != ""
	})
}

// scriptOf is the script among a shell's arguments, or "".
func scriptOf(args []string) string {
	for len(args) > 1 {
		option := args[0]
		args = args[1:]
		switch {
		case len(option) < 2 || option[0] != '-' && option[0] != '+' || option == "--":
			return ""
		case strings.HasPrefix(option, "--"):
		case strings.HasSuffix(option, "o"): // as in -euo pipefail
			args = args[1:]
		case strings.Contains(option, "c"):
			return args[0]
		}
	}
	return ""
}

// killOf reports whether kill with these arguments signals process 1.
func killOf(args []string) bool {
	for len(args) > 0 {
		arg := args[0]
		switch {
		case arg == "-l" || arg == "-L" || arg == "--list" || arg == "--table":
			return false
		case arg == "--":
			return slices.Contains(args[1:], "1")
		case arg == "-s" || arg == "-n" || arg == "-q" || arg == "--signal" || arg == "--queue":
			args = args[min(2, len(args)):]
		case strings.HasPrefix(arg, "-"):
			args = args[1:]
		default:
			return slices.Contains(args, "1")
		}
	}
	return false
}

// scriptSignalsInit reports whether one of a shell script's commands signals process 1.
func scriptSignalsInit(script string) bool {
	return slices.ContainsFunc(commandsOf(script), signalsInit)
}

// commandsOf takes a shell script apart, roughly: into commands, and those into words without their
// quotes. What substitutions run are commands, too.
func commandsOf(script string) (commands [][]string) {
	var words []string
	var word strings.Builder
	started := false // the word is there even if it is empty, as "" is
	endWord := func() {
		if started {
			words = append(words, word.String())
		}
		word.Reset()
		started = false
	}
	endCommand := func() {
		endWord()
		if len(words) > 0 {
			commands = append(commands, words)
		}
		words = nil
	}
	for i := 0; i < len(script); i++ {
		switch c := script[i]; c {
		case ' ', '\t', '\r':
			endWord()
		case '\n', ';', '&', '|', '(', ')', '`':
			endCommand()
		case '{', '}':
			if started {
				word.WriteByte(c)
				continue
			}
			endCommand()
		case '#':
			if started {
				word.WriteByte(c)
				continue
			}
			for i+1 < len(script) && script[i+1] != '\n' {
				i++
			}
		case '\\':
			if i++; i < len(script) && script[i] != '\n' {
				word.WriteByte(script[i])
				started = true
			}
		case '\'', '"':
			end := closing(script[i+1:], c)
			quoted := script[i+1 : i+1+end]
			if c == '"' && strings.ContainsAny(quoted, "$`") {
				commands = append(commands, substitutions(quoted)...)
			}
			word.WriteString(quoted)
			started = true
			i += end + 1
		default:
			word.WriteByte(c)
			started = true
		}
	}
	endCommand()
	return commands
}

// closing is where the quote ends.
func closing(text string, quote byte) int {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == quote:
			return i
		case text[i] == '\\' && quote == '"':
			i++
		}
	}
	return len(text)
}

// substitutions are the commands that a text in double quotes runs.
func substitutions(text string) (commands [][]string) {
	for {
		_, rest, found := strings.Cut(text, "$(")
		if !found {
			break
		}
		inner, behind, _ := strings.Cut(rest, ")")
		commands = append(commands, commandsOf(inner)...)
		text = behind
	}
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			commands = append(commands, commandsOf(part)...)
		}
	}
	return commands
}

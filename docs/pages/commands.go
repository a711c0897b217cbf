package pages

import (
	"regexp"
	"slices"
	"strings"
)

// Command is a command that a page shows.
type Command struct {
	Page    string
	Line    int
	Section string
	// Text is what is typed, with the lines that continue it, without the prompt and a comment behind it.
	Text string
	// Inline says that it is in the midst of a sentence, or in a table.
	Inline bool
	// Shown is what the page shows of what the command says, line by line.
	Shown []string
}

// mention is a command without what it is to be about.
var mention = regexp.MustCompile(`^(kubectl|helm|go|git|cmctl)( [a-z-]+){1,2}( --?[a-z-]+)*$`)

// IsMention reports whether a sentence speaks of the command, and nobody is to type it.
func (c *Command) IsMention() bool { return c.Inline && mention.MatchString(c.Text) }

// programs are what a command begins with where no prompt says that it is one.
var programs = []string{
	"apt", "aws", "az", "bash", "brew", "cat", "cd", "chmod", "chown", "cmctl", "cosign", "cp", "crictl", "ctr", "curl", "docker", "etcdctl", "export",
	"gcloud", "git", "go", "grep", "gunzip", "helm", "install", "istioctl", "jq", "kind", "kubeadm", "kubectl", "kustomize", "ln", "make", "mkdir", "minikube",
	"mv", "npm", "openssl", "pip", "podman", "promtool", "python", "rm", "scp", "sed", "sh", "skopeo", "source", "ssh", "sudo", "systemctl", "tar", "test",
	"touch", "until", "watch", "wget", "yq",
}

var (
	assignments = regexp.MustCompile(`^([A-Z_]+=\S* )+`)
	comment     = regexp.MustCompile(`\s{2,}# .*$`)
	inSpan      = regexp.MustCompile("`([^`]+)`")
)

const prompt = "$ "

// Commands are the commands of the page: in blocks without a language, in "console", "sh", "bash" and "shell" blocks, and
// in prose those between backquotes that have arguments. Without a prompt only programs that are known are commands.
func (p *Page) Commands() (commands []Command) {
	for i := range p.Blocks {
		b := &p.Blocks[i]
		if slices.Contains([]string{"", "console", "sh", "bash", "shell"}, b.Language) {
			commands = append(commands, p.inBlock(b)...)
		}
	}
	section := ""
	for i, line := range p.Prose {
		if strings.HasPrefix(line, "#") {
			section = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
		for _, m := range inSpan.FindAllStringSubmatch(line, -1) {
			text := m[1]
			if strings.HasPrefix(line, "|") {
				text = strings.ReplaceAll(text, `\|`, "|")
			}
			if isCommand(text) && strings.Contains(strings.TrimSpace(text), " ") {
				commands = append(commands, Command{Page: p.Path, Line: i + 1, Section: section, Text: text, Inline: true})
			}
		}
	}
	return commands
}

func (p *Page) inBlock(b *Block) (commands []Command) {
	prompts := b.Language == "console" || slices.ContainsFunc(b.Lines, func(line string) bool { return strings.HasPrefix(line, prompt) })
	var last *Command
	for i := 0; i < len(b.Lines); i++ {
		line := b.Lines[i]
		text, found := strings.CutPrefix(line, prompt)
		if prompts && !found || !prompts && !isCommand(line) {
			if last != nil && prompts {
				last.Shown = append(last.Shown, line)
			}
			continue
		}
		first := b.Line + i
		for strings.HasSuffix(text, `\`) && i+1 < len(b.Lines) {
			i++
			text += "\n" + strings.TrimPrefix(b.Lines[i], "> ")
		}
		commands = append(commands, Command{Page: p.Path, Line: first, Section: b.Section, Text: comment.ReplaceAllString(text, "")})
		last = &commands[len(commands)-1]
	}
	return commands
}

func isCommand(line string) bool {
	first, rest, _ := strings.Cut(assignments.ReplaceAllString(line, ""), " ")
	// YAML says "command: [...]", and "install:" is no command.
	return slices.Contains(programs, first) && !strings.HasPrefix(rest, "=")
}

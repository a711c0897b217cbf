//go:build e2e

package docs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/docs/pages"
)

const (
	root = "../.."
	// longest is how long a command may run: one of them builds.
	longest = 8 * time.Minute
	// patience is how long what a page shows may be waited for.
	patience  = 90 * time.Second
	lookAgain = 300 * time.Millisecond
)

// session is a shell in which the commands of a page are typed, one after the other.
type session struct {
	t *testing.T
	// environment is a file with what the shell exports.
	environment string
	// files are those that the page shows with cat, and where they are.
	files map[string]string
	// words are those in commands that stand for a name, and the names.
	words map[string]string
}

func newSession(t *testing.T, exports string) *session {
	t.Helper()
	s := &session{t: t, environment: filepath.Join(t.TempDir(), "environment"), files: map[string]string{}}
	require.NoError(t, os.WriteFile(s.environment, []byte(exports), 0o600))
	return s
}

// all types the commands of a page that are run here, of these sections if there are any.
func (s *session) all(page string, sections ...string) {
	s.t.Helper()
	p, err := pages.Read(root, page)
	require.NoError(s.t, err)
	typed := 0
	for _, c := range p.Commands() {
		run := pages.RunOf(&c)
		if c.IsMention() || run == nil || run.By != pages.Here {
			continue
		}
		for _, section := range append([]string{}, sections...) {
			if c.Section == section {
				s.command(&c)
				typed++
			}
		}
		if len(sections) == 0 {
			s.command(&c)
			typed++
		}
	}
	require.NotZero(s.t, typed, "%s: no commands in %q", page, sections)
}

// command types a command until it says what the page shows. One that changes something succeeds once only, so it is not
// typed again after that unless the page is wrong.
func (s *session) command(c *pages.Command) {
	s.t.Helper()
	if name, found := strings.CutPrefix(c.Text, "cat "); found && len(c.Shown) > 0 {
		path := filepath.Join(s.t.TempDir(), filepath.Base(name))
		require.NoError(s.t, os.WriteFile(path, []byte(strings.Join(c.Shown, "\n")+"\n"), 0o600))
		s.files[name] = path
		return
	}
	text := c.Text
	for name, path := range s.files {
		text = strings.ReplaceAll(text, "-f "+name, "-f "+path)
	}
	text = s.named(text)
	shown := make([]string, len(c.Shown))
	for i, line := range c.Shown {
		shown[i] = s.named(line)
	}
	s.t.Logf("%s:%d: %s", c.Page, c.Line, text)
	if strings.Contains(text, " port-forward ") {
		s.background(text)
		return
	}
	var deadline <-chan time.Time
	for {
		ctx, cancel := context.WithTimeout(s.t.Context(), longest)
		out, err := s.shell(ctx, text)
		cancel()
		missing := missing(shown, out)
		// What shows an error ends with one.
		if missing == "" && (err == nil || len(shown) > 0) {
			return
		}
		if deadline == nil {
			deadline = time.After(patience)
		}
		select {
		case <-deadline:
			require.Fail(s.t, "the page is wrong", "%s:%d: %s\nerror: %v\nit does not say: %s\nit says:\n%s", c.Page, c.Line, text, err, missing, out)
		case <-time.After(lookAgain):
		}
	}
}

// named is the text with names in place of the words that stand for them.
func (s *session) named(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(word string) string {
		if name, found := s.words[word]; found {
			return name
		}
		return word
	})
}

// placeholder is what may stand for a name: capitals, or the Secret that another kind of certificates has.
var placeholder = regexp.MustCompile(`\b[A-Z]{3,}\b|\brestartrules-webhook-tls\b`)

// background types a command that goes on until the page is done.
func (s *session) background(text string) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.shell(ctx, text)
	}()
	s.t.Cleanup(func() { cancel(); <-done })
}

func (s *session) shell(ctx context.Context, text string) (string, error) {
	script := fmt.Sprintf("set -o pipefail; . %[1]s\n%[2]s\ncode=$?; export -p >%[1]s; exit $code", s.environment, text)
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = root
	// What the shell has started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// missing is the first shown line that the output doesn't have; it may have more. The order is not looked at: a container's
// log is of two streams, which come as they like. An ellipsis stands for anything.
func missing(shown []string, out string) string {
	lines := strings.Split(out, "\n")
	for _, want := range shown {
		if strings.TrimSpace(want) == "" {
			continue
		}
		pattern := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(shape(want)), "…", ".*") + "$")
		at := slices.IndexFunc(lines, func(line string) bool { return pattern.MatchString(shape(line)) })
		if at < 0 {
			return want
		}
		lines = slices.Delete(lines, at, at+1)
	}
	return ""
}

var (
	blanks = regexp.MustCompile(`\s+`)
	// changing is what is another each time: how long ago, and identifiers. The wait of a restart is not.
	changing = regexp.MustCompile(`wait=\S+|\b(\d+[dhms])+\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b|Alpine \S+|[A-Z][a-z]{2} [ \d]?\d \d\d:\d\d:\d\d \d{4}`)
)

// shape is a line without what is another each time.
func shape(line string) string {
	line = changing.ReplaceAllStringFunc(line, func(found string) string {
		if strings.HasPrefix(found, "wait=") {
			return found
		}
		return "*"
	})
	return strings.TrimSpace(blanks.ReplaceAllString(line, " "))
}

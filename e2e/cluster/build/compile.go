package build

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// progressInterval is how often a build says that it is still at work.
const progressInterval = 10 * time.Second

// compile makes the wrapper module of c in work and the binaries in work/bin.
func compile(ctx context.Context, work string, c component, out io.Writer) error {
	bin := filepath.Join(work, "bin") + string(filepath.Separator)
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	start := time.Now()
	fmt.Fprintf(out, "building %s %s: downloading\n", c.name, c.version)
	upstream, err := download(ctx, work, c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, "go.mod"), []byte(wrapper(c, upstream)), 0o644); err != nil {
		return err
	}
	if c.main != "" {
		if err := os.WriteFile(filepath.Join(work, "main.go"), []byte(c.main), 0o644); err != nil {
			return err
		}
	}
	args := []string{"build", "-v", "-mod=mod", "-trimpath", "-buildvcs=false", "-tags", c.tags, "-ldflags", c.ldflags, "-o", bin + c.output}
	cmd := exec.CommandContext(ctx, "go", append(args, c.packages...)...)
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if err := runWithProgress(cmd, fmt.Sprintf("building %s %s", c.name, c.version), out); err != nil {
		return err
	}
	fmt.Fprintf(out, "built %s %s in %v\n", c.name, c.version, time.Since(start).Round(time.Second))
	return nil
}

// download gets c's module and returns its go.mod.
func download(ctx context.Context, work string, c component) (moduleFile, error) {
	var module struct{ GoMod string }
	var file moduleFile
	text, err := goOutput(ctx, work, "mod", "download", "-json", c.module+"@"+c.version)
	if err != nil {
		return file, err
	}
	if err := json.Unmarshal([]byte(text), &module); err != nil {
		return file, fmt.Errorf("output of go mod download: %w", err)
	}
	if text, err = goOutput(ctx, work, "mod", "edit", "-json", module.GoMod); err != nil {
		return file, err
	}
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		return file, fmt.Errorf("output of go mod edit: %w", err)
	}
	return file, nil
}

// Program builds one command of this module without cgo into the file output, so that it runs in any image.
// The working directory must be inside the module.
func Program(ctx context.Context, pkg, output string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", output, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, text)
	}
	return nil
}

func goOutput(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	text, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		// `go mod download -json` writes its error to stdout.
		return "", fmt.Errorf("go %s: %w\n%s%s", strings.Join(args, " "), err, exit.Stderr, text)
	}
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(text)), nil
}

// runWithProgress runs a `go build -v` and writes a line to out every progressInterval.
func runWithProgress(cmd *exec.Cmd, what string, out io.Writer) error {
	var output packageLog
	cmd.Stdout, cmd.Stderr = &output, &output
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("go build: %w\n%s", err, output.tail(20))
			}
			return nil
		case <-ticker.C:
			fmt.Fprintf(out, "%s: %v, %d packages, %s\n", what, time.Since(start).Round(time.Second), output.lines(), output.tail(1))
		}
	}
}

// packageLog collects the output of go build -v: the name of each package when its compilation begins.
type packageLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *packageLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *packageLog) lines() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.text.Bytes(), []byte("\n"))
}

func (l *packageLog) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(l.text.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

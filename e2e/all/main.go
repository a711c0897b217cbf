// Command all runs everything that must pass: `make test`.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// part is one part of the tests.
type part struct {
	name string
	// commands run one after the other, until one fails. "make" is the make that runs this.
	commands [][]string
	// again has the tests of a command that failed run a second time: they are of real processes or on a cluster, where
	// a machine that stands still for a moment can be the reason. The summary lists them. Each command is one go test then: what
	// comes after one that failed would not have run; nor would what comes after a panic, so then nothing runs again.
	again bool
	// lacks says what of this machine keeps the part from running and what it takes; nil or empty:
	// nothing does.
	lacks func() (reason, needed string)
}

var parts = []part{
	{name: "lint", commands: [][]string{{"make", "lint"}}},
	{name: "unit tests", commands: [][]string{{"make", "test-unit", "TESTFLAGS=-v"}}, again: true},
	{name: "unit tests under the race detector", commands: [][]string{{"make", "test-race"}}, again: true, lacks: lacksCompiler},
	{name: "differential tests", commands: [][]string{{"make", "test-differential"}}},
	{name: "manifests, chart, images", commands: [][]string{{"make", "test-release"}, {"make", "test-monitoring"}}},
	{name: "integration tests", commands: [][]string{{"go", "run", "./e2e/cluster", "build"}, {"make", "test-integration"}}, lacks: lacksLinux},
	{name: "registries that fail", commands: [][]string{{"make", "test-lookup"}}, again: true, lacks: lacksLinux},
	// A number of runs: with a duration, go test fails on a busy machine when the time is up in the
	// middle of a run ("context deadline exceeded").
	{name: "fuzzing, 2,000 runs each", commands: [][]string{{"make", "fuzz", "FUZZTIME=2000x"}}},
	{name: "end-to-end tests", commands: [][]string{{"make", "test-node"}, {"make", "test-e2e"}}, again: true, lacks: lacksCluster},
	{name: "end-to-end tests, the core on a second version", commands: [][]string{{"make", "test-second"}}, again: true, lacks: lacksCluster},
	{name: "restarts of all containers, side by side", commands: [][]string{{"make", "test-restartall", "NATIVE=cached"}}, again: true, lacks: lacksCluster},
	{name: "reports", commands: [][]string{{"make", "test-reports-api"}, {"make", "test-reports"}}, again: true, lacks: lacksCluster},
	// make test-chaos has the two long ones, too: 200 kills of each, at every step.
	{name: "what restarts of whole Pods survive", commands: [][]string{{"make", "test-chaos", "SKIP=AtEveryWriteOfTheJournal|AtEveryReport"}}, lacks: lacksCluster},
	{name: "stopping is total, 10 runs each", commands: [][]string{{"make", "test-total", "RUNS=10"}}, lacks: lacksCluster},
	// Each tool and each kind of certificate once. make test-installs has all four, and certificates that come from
	// elsewhere; make test-load the load, make test-releases an upgrade and back.
	{name: "installations, certificates, removal", commands: [][]string{{"make", "test-installs", "SKIP=TestLoad|TestReleases|TestOtherCertificates|TestInstalls/kustomize,_self-managed|TestInstalls/Helm,_cert-manager"}}, again: true, lacks: lacksCluster},
	{name: "versions and kinds, side by side", commands: [][]string{{"make", "test-matrix"}}, again: true, lacks: lacksCluster},
}

// leftOut are tests that are not compiled on this system: they are missing in parts that run.
func leftOut() []string {
	if runtime.GOOS == "linux" {
		return nil
	}
	return []string{"unit tests and lint of the shim and the watcher: they exist on Linux only, this is " + runtime.GOOS + "; needed: Linux"}
}

// A compiler that is missing on Linux is no reason there: the part fails, and Go says what it misses.
func lacksCompiler() (reason, needed string) {
	if runtime.GOOS == "linux" && os.Geteuid() == 0 {
		return "", ""
	}
	compiler, err := exec.Command("go", "env", "CC").Output()
	if fields := strings.Fields(string(compiler)); err == nil && len(fields) > 0 {
		if _, err = exec.LookPath(fields[0]); err == nil {
			return "", ""
		}
	}
	return "there is no C compiler", "gcc or clang, which Go's race detector links with"
}

func lacksLinux() (reason, needed string) {
	if runtime.GOOS == "linux" || os.Getenv("RESTARTRULES_BINARIES") != "" {
		return "", ""
	}
	return "kube-apiserver is built for Linux only, this is " + runtime.GOOS,
		"Linux, or RESTARTRULES_BINARIES=DIR with kube-apiserver, etcd and kubectl for this system"
}

func lacksCluster() (reason, needed string) {
	switch {
	case os.Getenv("CLUSTER") == "existing":
		return "", ""
	case runtime.GOOS != "linux":
		reason = "the cluster from source runs on Linux only, this is " + runtime.GOOS
	case os.Geteuid() != 0:
		reason = "the cluster from source makes network namespaces, cgroups and mounts, and this is not root"
	default:
		return "", ""
	}
	return reason, "root on Linux, or CLUSTER=existing with KUBECONFIG and LOAD_IMAGE (see Makefile)"
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Stdout, parts, leftOut())
	stop()
	os.Exit(code)
}

// run runs the parts and returns the exit code. The last line of what it writes to out is the summary.
func run(ctx context.Context, out io.Writer, parts []part, left []string) int {
	began := time.Now()
	var failed, again []string
	passed, broken := 0, 0
	for _, p := range parts {
		if p.lacks != nil {
			if reason, needed := p.lacks(); reason != "" {
				left = append(left, p.name+": "+reason+"; needed: "+needed)
				continue
			}
		}
		fmt.Fprintf(out, "\n==> %s\n", p.name)
		start := time.Now()
		lines, err := p.run(ctx, out)
		for _, skipped := range lines.skipped {
			left = append(left, p.name+": "+skipped)
		}
		if len(lines.again) > 0 {
			again = append(append(again, p.name), quoted(lines.again)...)
		}
		if err != nil {
			failed = append(failed, p.name+": "+err.Error())
			failed = append(failed, quoted(lines.why)...)
			failed = append(failed, quoted(lines.last)...)
			broken++
			fmt.Fprintf(out, "==> %s: FAILED after %s: %v\n", p.name, since(start), err)
			continue
		}
		passed++
		fmt.Fprintf(out, "==> %s: passed in %s\n", p.name, since(start))
	}
	fmt.Fprintf(out, "\nall in %s\n", since(began))
	list(out, "failed", failed)
	if len(again) > 0 {
		list(out, "failed once, to be looked into", again)
	}
	list(out, "left out", left)
	fmt.Fprintf(out, "%d passed, %d failed\n", passed, broken)
	if broken > 0 {
		return 1
	}
	return 0
}

// mostAgain is of how many tests that failed the machine may be the reason.
const mostAgain = 3

func quoted(lines []string) (all []string) {
	for _, line := range lines {
		all = append(all, "  | "+line)
	}
	return all
}

// run streams the output of the part's commands, and returns what counts of it.
func (p part) run(ctx context.Context, out io.Writer) (*testOutput, error) {
	lines := &testOutput{out: out}
	for _, c := range p.commands {
		if err := ctx.Err(); err != nil {
			return lines, fmt.Errorf("%s: interrupted", strings.Join(c, " "))
		}
		lines.failed, lines.why = nil, nil
		err := execute(ctx, c, lines)
		if n := len(lines.failed); err != nil && p.again && !lines.broken && n > 0 && n <= mostAgain {
			fmt.Fprintf(out, "==> %s: %v; once more: %s\n", strings.Join(c, " "), err, strings.Join(lines.failed, ", "))
			only := append(slices.Clone(c), "RUN=^("+strings.Join(lines.failed, "|")+")$$")
			lines.again = append(lines.again, lines.why...)
			lines.failed, lines.why = nil, nil
			err = execute(ctx, only, lines)
		}
		if err != nil {
			return lines, fmt.Errorf("%s: %w", strings.Join(c, " "), err)
		}
	}
	return lines, nil
}

func execute(ctx context.Context, command []string, out io.Writer) error {
	name := command[0]
	if name == "make" {
		name = cmp.Or(os.Getenv("MAKE"), name)
	}
	cmd := exec.CommandContext(ctx, name, command[1:]...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd.Run()
}

func list(out io.Writer, title string, lines []string) {
	if len(lines) == 0 {
		fmt.Fprintf(out, "%s: nothing\n", title)
		return
	}
	fmt.Fprintf(out, "%s:\n", title)
	for _, line := range lines {
		fmt.Fprintf(out, "  %s\n", line)
	}
}

func since(start time.Time) time.Duration { return time.Since(start).Round(100 * time.Millisecond) }

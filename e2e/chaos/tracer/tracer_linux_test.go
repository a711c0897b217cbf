package tracer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Where it is set this binary is the traced program: it writes entry after entry into that file.
const fileEnv, childEnv = "TRACER_TEST_FILE", "TRACER_TEST_CHILD"

func TestMain(m *testing.M) {
	if file := os.Getenv(fileEnv); file != "" {
		writeEntries(file)
		return
	}
	os.Exit(m.Run())
}

// writeEntries waits for a line on stdin, writes ten entries, each from another goroutine, renames the file,
// and says so.
func writeEntries(name string) {
	fmt.Println(os.Getpid())
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // or the end of it
	if os.Getenv(childEnv) != "" {
		child := exec.Command(os.Args[0])
		child.Env = []string{fileEnv + "=" + name}
		fmt.Println(child.Run())
		return
	}
	file, err := os.Create(name)
	for i := 0; i < 10 && err == nil; i++ {
		done := make(chan error)
		go func() {
			_, err := file.WriteAt([]byte(fmt.Sprintf("entry %d\n", i)), int64(8*i))
			done <- err
		}()
		err = <-done
	}
	if err == nil {
		err = os.Rename(name, name+".renamed")
	}
	fmt.Println("end", err)
}

// program is the traced program, ready. A shell started it: a process is not told of the end of a child that it traces.
type program struct {
	pid  int
	file string
	in   io.Writer
	out  *bufio.Reader
}

func startProgram(t *testing.T, env ...string) *program {
	shell := exec.Command("sh", "-c", `"$0"; echo "code $?"`, os.Args[0])
	p := &program{file: filepath.Join(t.TempDir(), "entries")}
	shell.Env = append(env, fileEnv+"="+p.file)
	in, err := shell.StdinPipe()
	require.NoError(t, err)
	out, err := shell.StdoutPipe()
	require.NoError(t, err)
	p.in, p.out = in, bufio.NewReader(out)
	require.NoError(t, shell.Start())
	p.pid, err = strconv.Atoi(strings.TrimSpace(p.line(t)))
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = in.Close() // which ends it, if it still waits
		require.NoError(t, shell.Wait())
	})
	return p
}

func (p *program) line(t *testing.T) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	require.NoError(t, err)
	return line
}

// trace traces the program while it runs, to its end or that of the context.
func (p *program) trace(t *testing.T, ctx context.Context, o Options, judge func(*Call) Verdict) error {
	o.Attached = func() { _, _ = p.in.Write([]byte("\n")) }
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return Trace(ctx, []int{p.pid}, o, judge)
}

func TestKillsInFrontOfAWriteAndBehindIt(t *testing.T) {
	for _, entry := range []bool{true, false} {
		t.Run(fmt.Sprint(entry), func(t *testing.T) {
			p := startProgram(t)
			require.NoError(t, p.trace(t, t.Context(), Options{}, func(c *Call) Verdict {
				if b, ok := c.Written(); ok && string(b) == "entry 4\n" && c.Entry == entry {
					return Kill
				}
				return Continue
			}))
			require.Equal(t, "code 137\n", p.line(t))
			written, err := os.ReadFile(p.file)
			require.NoError(t, err)
			last := map[bool]string{true: "entry 3\n", false: "entry 4\n"}[entry]
			require.True(t, strings.HasSuffix(string(written), last), "%q", written)
		})
	}
}

func TestHasACallFail(t *testing.T) {
	p := startProgram(t)
	var result int64
	err := p.trace(t, t.Context(), Options{}, func(c *Call) Verdict {
		if b, ok := c.Written(); ok && string(b) == "entry 4\n" {
			if c.Entry {
				return Fail(unix.ENOSPC)
			}
			result = c.Result
		}
		return Continue
	})
	if errors.Is(err, ErrCantFail) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.Contains(t, p.line(t), "no space left on device")
	require.Equal(t, -int64(unix.ENOSPC), result)
	require.Equal(t, "code 0\n", p.line(t))
}

func TestSeesARename(t *testing.T) {
	p := startProgram(t)
	require.NoError(t, p.trace(t, t.Context(), Options{}, func(c *Call) Verdict {
		if to, ok := c.Renamed(); ok && c.Entry && to == p.file+".renamed" {
			return Kill
		}
		return Continue
	}))
	require.Equal(t, "code 137\n", p.line(t))
	require.FileExists(t, p.file)
}

func TestFollowsAChildAndKillsOnlyThat(t *testing.T) {
	p := startProgram(t, childEnv+"=1")
	require.NoError(t, p.trace(t, t.Context(), Options{Follow: true}, func(c *Call) Verdict {
		if b, ok := c.Written(); ok && string(b) == "entry 4\n" {
			return Kill
		}
		return Continue
	}))
	require.Equal(t, "signal: killed\n", p.line(t))
	require.Equal(t, "code 0\n", p.line(t))
}

func TestLetsTheProcessGoOnAtTheEndOfTheContext(t *testing.T) {
	p := startProgram(t)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, p.trace(t, ctx, Options{}, func(c *Call) Verdict {
		if b, ok := c.Written(); ok && string(b) == "entry 4\n" {
			cancel()
		}
		return Continue
	}))
	require.Equal(t, "end <nil>\n", p.line(t))
	require.Equal(t, "code 0\n", p.line(t))
}

func TestLetsABlockedProcessGoOn(t *testing.T) {
	p := startProgram(t)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, Trace(ctx, []int{p.pid}, Options{Attached: cancel}, func(c *Call) Verdict { return Continue }))
	_, err := p.in.Write([]byte("\n"))
	require.NoError(t, err)
	require.Equal(t, "end <nil>\n", p.line(t))
	require.Equal(t, "code 0\n", p.line(t))
}

func TestSaysThatThereIsNoSuchProcess(t *testing.T) {
	c := exec.Command("true")
	require.NoError(t, c.Run())
	err := Trace(t.Context(), []int{c.Process.Pid}, Options{}, func(*Call) Verdict { return Continue })
	require.ErrorIs(t, err, unix.ESRCH)
}

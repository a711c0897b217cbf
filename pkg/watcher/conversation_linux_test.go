package watcher

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/wire"
)

var updateGolden = flag.Bool("update", false, "write the golden files")

// recorder stands between the shims of a Pod and the watcher, passes on what they say, and writes it down.
type recorder struct {
	t        *testing.T
	mutex    sync.Mutex
	sections []string            // in the order in which they are to be printed
	lines    map[string][]string // by section
	all      sync.WaitGroup
}

// between makes a directory like that of a container, whose socket leads to the container's by way of the
// recorder. Every connection but the first, which is the shim's, has a section of its own, called by next.
func (r *recorder) between(v Volume, container string, next ...string) (dir string) {
	dir = filepath.Join(r.t.TempDir(), container)
	require.NoError(r.t, os.Mkdir(dir, 0o755))
	require.NoError(r.t, os.Symlink(filepath.Join(v.Root, "attempts", container), filepath.Join(dir, "attempt")))
	require.NoError(r.t, os.Symlink(filepath.Join(v.directory(container), wire.MarkName), filepath.Join(dir, wire.MarkName)))
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(dir, wire.SocketName), Net: "unixpacket"})
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = listener.Close() })
	r.all.Go(func() {
		for sections := append([]string{container}, next...); len(sections) > 0; {
			shim, err := listener.AcceptUnix()
			if err != nil {
				return
			}
			watcher, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: filepath.Join(v.directory(container), wire.SocketName), Net: "unixpacket"})
			if err != nil { // the watcher does not listen yet: the shim comes again
				_ = shim.Close()
				continue
			}
			section := sections[0]
			sections = sections[1:]
			r.all.Go(func() { r.pass(section, "<", shim, watcher) })
			r.all.Go(func() { r.pass(section, ">", watcher, shim) })
		}
	})
	return dir
}

var varying = regexp.MustCompile(`\b(pid|micros|wait)=[1-9][0-9]*`)

func (r *recorder) pass(section, direction string, from, to *net.UnixConn) {
	defer to.Close()
	buffer := make([]byte, wire.MaxMessage)
	for {
		n, err := from.Read(buffer)
		if err != nil || n == 0 {
			return
		}
		r.mutex.Lock()
		r.lines[section] = append(r.lines[section], direction+" "+varying.ReplaceAllString(string(buffer[:n]), "$1=N"))
		r.mutex.Unlock()
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (r *recorder) said(section, line string) func() bool {
	return func() bool {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		return slices.ContainsFunc(r.lines[section], func(l string) bool { return strings.HasPrefix(l, line) })
	}
}

// only is what one side of a conversation said. What the two sides say at the same time has no order.
func only(direction string, lines []string) (list []string) {
	for _, line := range lines {
		if strings.HasPrefix(line, direction) {
			list = append(list, line)
		}
	}
	return list
}

// TestConversation holds the messages of a Pod's life to the golden file: real shims and the watcher, through
// a rule's restart of the whole Pod, one on demand, one of a container, and the first word of its deletion.
func TestConversation(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record")
	setup := withTwin("setup", "/bin/sh", "-c", "echo setup >>"+record)
	trainer := member("trainer", "0-87:end,88:all/0,89-255:end", true, "/bin/sh", "-c",
		"echo trainer >>"+record+"; [ $(grep -c trainer "+record+") = 1 ] && exit 88; exec sleep 1000")
	peer := member("peer", "0-255:end", false, "/bin/sleep", "1000")
	p := newIdlePod(t, "none", setup[0], trainer, peer, setup[1])
	r := &recorder{t: t, lines: map[string][]string{}, sections: []string{"setup-replay", "trainer", "peer", "shim restart-all", "shim restart", "preStop hook"}}
	t.Cleanup(r.all.Wait) // when the listeners are closed
	dirs := map[string]string{
		"setup-replay": r.between(p.volume, "setup-replay"),
		"trainer":      r.between(p.volume, "trainer"),
		"peer":         r.between(p.volume, "peer", "shim restart-all", "shim restart", "preStop hook"),
	}
	defer p.serve()()
	// One after the other, and the one that ends first last: then there is one order only.
	p.startIn(peer, dirs["peer"])
	p.eventually("peer is new", r.said("peer", "< state gen=0 is=new"))
	p.startIn(setup[1], dirs["setup-replay"])
	p.eventually("the twin is new", r.said("setup-replay", "< state gen=0 is=new"))
	p.eventually("peer runs", r.said("peer", "< state gen=0 is=running"))
	p.startIn(trainer, dirs["trainer"])
	p.eventually("it has restarted", r.said("trainer", "< started attempt=2"))
	p.eventually("peer, too", r.said("peer", "< started attempt=2"))
	p.eventually("and it is logged", func() bool { return len(p.finished()) == 1 })

	shim := func(args ...string) string {
		out, err := exec.Command(shimBinary, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	require.Contains(t, shim("restart-all", "--dir="+dirs["peer"], "--reason=new data"), "accepted")
	p.eventually("it has restarted again", r.said("trainer", "< started attempt=3"))
	p.eventually("peer, too", r.said("peer", "< started attempt=3"))
	p.eventually("and it is logged", func() bool { return len(p.finished()) == 2 })

	require.Contains(t, shim("restart", "--dir="+dirs["peer"], "--reason=once more"), "accepted")
	p.eventually("peer has restarted alone", r.said("peer", "< started attempt=4"))

	shim("hook", "--dir="+dirs["peer"], "--", "/bin/true")
	p.eventually("the hook was answered", r.said("preStop hook", "> ok"))

	golden := filepath.Join("testdata", "conversation.txt")
	if *updateGolden {
		var b bytes.Buffer
		for _, section := range r.sections {
			fmt.Fprintf(&b, "# %s\n%s\n\n", section, strings.Join(r.lines[section], "\n"))
		}
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, bytes.TrimSuffix(b.Bytes(), []byte("\n")), 0o644))
	}
	text, err := os.ReadFile(golden)
	require.NoError(t, err)
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "protocol.md"))
	require.NoError(t, err)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for part := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		section, want, _ := strings.Cut(strings.TrimPrefix(part, "# "), "\n")
		if section == "trainer" {
			require.Contains(t, string(docs), "\n```\n"+want+"\n```\n", "docs/protocol.md shows it")
		}
		for _, direction := range []string{"<", ">"} {
			require.Equal(t, only(direction, strings.Split(want, "\n")), only(direction, r.lines[section]), section)
		}
		for line := range strings.SplitSeq(want, "\n") {
			_, err := wire.Parse([]byte(strings.ReplaceAll(line[2:], "=N", "=1")))
			require.NoError(t, err)
		}
	}
}

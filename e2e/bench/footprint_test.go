//go:build e2e

package bench

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/bench/results"
	"restartrules.dev/pkg/wire"
)

const (
	// idleTime is how long wake-ups are counted.
	idleTime = 10 * time.Second
	// calm is how long a process is left alone before it is measured.
	calm = 3 * time.Second
	// shims is how many are measured, and busyShims how many that have restarted their program 5,000 times, each busyReadings
	// times, a hundred restarts between two.
	shims, busyShims, busyReadings = 200, 10, 20
)

// memory is what a process has in memory, in MB of 1,000 KB.
type memory struct{ rss, pss, private float64 }

func memoryOf(t *testing.T, pid int) memory {
	t.Helper()
	kb := func(key string) float64 {
		text := strings.TrimSuffix(valueOf(t, fmt.Sprintf("/proc/%d/smaps_rollup", pid), key), " kB")
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		require.NoError(t, err)
		return v / 1000
	}
	return memory{rss: kb("Rss"), pss: kb("Pss"), private: kb("Anonymous")}
}

// switchesOf are the context switches of all threads of a process since their starts.
func switchesOf(t *testing.T, pid int) (count, threads float64) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	require.NoError(t, err)
	for _, task := range tasks {
		for _, key := range []string{"voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"} {
			n, err := strconv.ParseFloat(valueOf(t, task, key), 64)
			require.NoError(t, err)
			count += n
		}
	}
	return count, float64(len(tasks))
}

// kin are processes of one kind, under the name of their series.
type kin struct {
	name string
	pids []int
	// inPods: each is the only one of its Pod. What it shares with those of other Pods, of the same image, counts in full, as in
	// a node's only Pod: so its PSS is its RSS.
	inPods bool
}

// measureKin adds what processes are at rest, all at the same time.
func measureKin(t *testing.T, p *results.Part, all ...kin) {
	t.Helper()
	time.Sleep(calm)
	before := map[int]float64{}
	for _, k := range all {
		for _, pid := range k.pids {
			m := memoryOf(t, pid)
			if k.inPods {
				m.pss = m.rss
			}
			p.Add("footprint/"+k.name+"/pss", m.pss)
			p.Add("footprint/"+k.name+"/private", m.private)
			before[pid], _ = switchesOf(t, pid)
		}
	}
	time.Sleep(idleTime)
	for _, k := range all {
		for _, pid := range k.pids {
			after, threads := switchesOf(t, pid)
			p.Add("footprint/"+k.name+"/threads", threads)
			p.Add("footprint/"+k.name+"/wakeups", after-before[pid])
		}
	}
	merge(p)
}

// sizeOf adds the size of a file, in MB.
func sizeOf(t *testing.T, p *results.Part, name, path string) {
	t.Helper()
	info, err := os.Stat(path) // through links
	require.NoError(t, err)
	p.Add("footprint/"+name+"/size", float64(info.Size())/1e6)
}

// copied is a copy of a file: an inode of its own, so that nothing of it is shared.
func copied(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	to := filepath.Join(t.TempDir(), filepath.Base(path))
	require.NoError(t, os.WriteFile(to, text, 0o755))
	return to
}

// peers are what Debian has, and how it supervises a program.
var peers = []struct {
	subject, binary string
	argv            func(t *testing.T, binary, dir string, program []string) []string
}{
	{"tini", "tini", behindDashes}, {"tini-static", "tini-static", behindDashes}, {"dumb-init", "dumb-init", behindDashes},
	{"s6", "s6-supervise", serviceDirectory}, {"runit", "runsv", serviceDirectory},
}

func behindDashes(_ *testing.T, binary, _ string, program []string) []string {
	return append([]string{binary, "--"}, program...)
}

// serviceDirectory has the program in a script named run.
func serviceDirectory(t *testing.T, binary, dir string, program []string) []string {
	service := filepath.Join(dir, "service")
	require.NoError(t, os.Mkdir(service, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(service, "run"), []byte("#!/bin/sh\nexec "+strings.Join(program, " ")+"\n"), 0o755))
	return []string{binary, service}
}

// measureFootprint measures the shim and what there is beside it, without a cluster.
func measureFootprint(t *testing.T, p *results.Part) {
	shim := theShim(t)
	binary := absolute(t, "bin", "shim")
	sizeOf(t, p, "shim", binary)
	sizeOf(t, p, "watcher", absolute(t, "bin", "watcher"))
	sizeOf(t, p, "watcher reporting", absolute(t, "bin", "reporter"))

	// Each has a file of its own, or shares one with three others: what shims have in memory is the same whether there
	// are few or many, so all are measured at once.
	var alone, four, busy []int
	for i, shared := 0, ""; i < times(shims); i++ {
		alone = append(alone, waiting(t, shimOf(shim, copied(t, binary))))
		if i%4 == 0 {
			shared = copied(t, binary)
		}
		four = append(four, waiting(t, shimOf(shim, shared)))
	}
	repeat(t, times(busyShims), func(int) { busy = append(busy, restarted(t, p, shimOf(shim, copied(t, binary)), 5000)) })
	all := []kin{{name: "shim", pids: alone}, {name: "shim of 4", pids: four}, {name: "shim after 5,000", pids: busy}}
	if c, why := theCProgram(t); why == "" {
		sizeOf(t, p, "c", c)
		all = append(all, kin{name: "c", pids: []int{waiting(t, underC(c))}})
	} else {
		p.Miss("footprint/c", "%s", why)
	}
	for _, peer := range peers {
		path, err := exec.LookPath(peer.binary)
		if err != nil {
			p.Miss("footprint/"+peer.subject, "not installed")
			continue
		}
		sizeOf(t, p, peer.subject, path)
		all = append(all, kin{name: peer.subject, pids: []int{waiting(t, supervisor{peer.subject, func(dir string, _ bool, program ...string) []string {
			return peer.argv(t, path, dir, program)
		}})}})
	}
	measureKin(t, p, all...)
}

// shimOf is the shim, run from another file.
func shimOf(shim supervisor, binary string) supervisor {
	return supervisor{shim.name, func(dir string, again bool, program ...string) []string {
		return append([]string{binary}, shim.argv(dir, again, program...)[1:]...)
	}}
}

// merge makes one series of those of the same name.
func merge(p *results.Part) {
	var merged []results.Series
	at := map[string]int{}
	for _, s := range p.Series {
		if i, ok := at[s.Name]; ok {
			merged[i].Values = append(merged[i].Values, s.Values...)
			merged[i].Took += s.Took
			continue
		}
		at[s.Name] = len(merged)
		merged = append(merged, s)
	}
	p.Series = merged
}

// listen is as a watcher that has nothing to say, until the test is over. A shim that has none looks for it every few
// seconds.
func listen(t *testing.T, dir string) {
	t.Helper()
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(dir, wire.SocketName), Net: "unixpacket"})
	require.NoError(t, err)
	var held sync.WaitGroup
	held.Go(func() {
		var all []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			all = append(all, conn)
		}
		for _, conn := range all {
			conn.Close()
		}
	})
	t.Cleanup(func() {
		listener.Close()
		held.Wait()
	})
}

// waiting is a supervisor whose program waits, until the test is over.
func waiting(t *testing.T, s supervisor) (pid int) {
	t.Helper()
	dir := programsDir(t)
	listen(t, dir)
	cmd, stop := launch(t, s, dir, false, "peer")
	t.Cleanup(stop)
	stampsIn(t, dir, 1)
	return cmd.Process.Pid
}

// restarted is a supervisor that has restarted its program so often, and then has one that waits: the program is exchanged
// for another. What it has in memory meanwhile, all readings but that at rest, is added to the part.
func restarted(t *testing.T, p *results.Part, s supervisor, count int) (pid int) {
	t.Helper()
	dir := programsDir(t)
	listen(t, dir)
	program := filepath.Join(dir, "changes")
	require.NoError(t, os.Link(filepath.Join(dir, "task"), program))
	cmd, stop := launch(t, s, dir, true, "changes")
	t.Cleanup(stop)
	stampsIn(t, dir, 2*count)
	for i := 1; i < busyReadings; i++ {
		m := memoryOf(t, cmd.Process.Pid)
		p.Add("footprint/shim after 5,000/pss", m.pss)
		p.Add("footprint/shim after 5,000/private", m.private)
		stampsIn(t, dir, 2*(count+100*i))
	}
	next := filepath.Join(dir, "next")
	require.NoError(t, os.Link(filepath.Join(dir, "peer"), next))
	require.NoError(t, os.Rename(next, program))
	require.Eventually(t, func() bool {
		before, err := readStamps(filepath.Join(dir, "stamps"))
		require.NoError(t, err)
		time.Sleep(100 * time.Millisecond)
		after, err := readStamps(filepath.Join(dir, "stamps"))
		require.NoError(t, err)
		return len(before) == len(after)
	}, patience, time.Millisecond)
	return cmd.Process.Pid
}

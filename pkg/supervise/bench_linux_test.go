package supervise_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/pkg/wire"
)

// BenchmarkRestart measures what an in-place restart takes: from the last moment of a process to the
// first instruction of the next, back-off excluded. The seam line and the attempt file are written,
// as in a Pod.
func BenchmarkRestart(b *testing.B) {
	program := stampProgram(b)
	dir := b.TempDir()
	require.NoError(b, os.Mkdir(filepath.Join(dir, "attempt"), 0o755))
	cmd := exec.Command(shimBinary, "run", "--container=bench", restart42, noBackoff, "--dir="+dir, "--", program)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	var gaps []float64
	var record [32]byte
	var before stamps
	for i := 0; i <= b.N; i++ {
		_, err := io.ReadFull(out, record[:])
		require.NoError(b, err)
		now := parseStamps(record[:])
		if i > 0 {
			gaps = append(gaps, float64(now.first-before.last)/1000)
		}
		before = now
	}
	reportMemory(b, cmd.Process.Pid)
	require.NoError(b, cmd.Process.Kill())
	_ = cmd.Wait()
	reportPercentiles(b, gaps)
}

// BenchmarkStart measures what the shim adds to a container's start: from its own exec to the
// first instruction of the command.
func BenchmarkStart(b *testing.B) {
	program := stampProgram(b)
	dir := b.TempDir()
	require.NoError(b, os.Mkdir(filepath.Join(dir, "attempt"), 0o755))
	var with, without []float64
	for b.Loop() {
		with = append(with, startUp(b, shimBinary, "run", "--container=bench", endAlways, "--dir="+dir, "--", program))
		without = append(without, startUp(b, program))
	}
	slices.Sort(with)
	slices.Sort(without)
	b.ReportMetric(with[len(with)/2]-without[len(without)/2], "µs-added-p50")
	b.ReportMetric(0, "ns/op")
}

// startUp is the time in microseconds from just before the start to the command's first instruction.
func startUp(b *testing.B, name string, args ...string) float64 {
	before := wire.Now()
	out, err := exec.Command(name, args...).Output()
	require.Error(b, err) // the program exits 42
	return float64(parseStamps(out).first-before) / 1000
}

func reportPercentiles(b *testing.B, micros []float64) {
	slices.Sort(micros)
	at := func(p float64) float64 { return micros[min(len(micros)-1, int(p*float64(len(micros))))] }
	b.ReportMetric(at(0.50), "µs-p50")
	b.ReportMetric(at(0.99), "µs-p99")
	b.ReportMetric(0, "ns/op")
}

func reportMemory(b *testing.B, pid int) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	require.NoError(b, err)
	for line := range strings.SplitSeq(string(rollup), "\n") {
		var kb float64
		for name, unit := range map[string]string{"Pss:": "KB-PSS", "Anonymous:": "KB-anonymous"} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				_, err := fmt.Sscan(rest, &kb)
				require.NoError(b, err)
				b.ReportMetric(kb, unit)
			}
		}
	}
}

// BenchmarkStopAndRun measures a shim's part in a restart of the whole Pod: from sending stop to
// parked, and from sending run to running.
func BenchmarkStopAndRun(b *testing.B) {
	dir := b.TempDir()
	require.NoError(b, os.Mkdir(filepath.Join(dir, "attempt"), 0o755))
	path := filepath.Join(dir, wire.SocketName)
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	require.NoError(b, err)
	defer listener.Close()
	cmd := exec.Command(shimBinary, "run", "--container=bench", "--pod=member", endAlways, "--dir="+dir, "--", pauseProgram(b))
	require.NoError(b, cmd.Start())
	connection, err := listener.AcceptUnix()
	require.NoError(b, err)
	defer connection.Close()
	buffer := make([]byte, wire.MaxMessage)
	until := func(is wire.Is) {
		for {
			n, err := connection.Read(buffer)
			require.NoError(b, err)
			m, err := wire.Parse(buffer[:n])
			require.NoError(b, err)
			if m.Verb == wire.State && m.Is == is {
				return
			}
		}
	}
	tell := func(m wire.Message) int64 {
		at := wire.Now()
		_, err := connection.Write(m.Append(nil))
		require.NoError(b, err)
		return at
	}
	until(wire.IsNew)
	tell(wire.Message{Verb: wire.Run})
	until(wire.IsRunning)
	var stopping, starting []float64
	for gen := 1; gen <= b.N; gen++ {
		at := tell(wire.Message{Verb: wire.Stop, Gen: gen, Grace: 2000})
		until(wire.IsParked)
		stopping = append(stopping, float64(wire.Now()-at)/1000)
		at = tell(wire.Message{Verb: wire.Run, Gen: gen})
		until(wire.IsRunning)
		starting = append(starting, float64(wire.Now()-at)/1000)
	}
	reportMemory(b, cmd.Process.Pid)
	require.NoError(b, cmd.Process.Kill())
	_ = cmd.Wait()
	slices.Sort(stopping)
	slices.Sort(starting)
	b.ReportMetric(stopping[len(stopping)/2], "µs-parked-p50")
	b.ReportMetric(stopping[len(stopping)*99/100], "µs-parked-p99")
	b.ReportMetric(starting[len(starting)/2], "µs-running-p50")
	b.ReportMetric(starting[len(starting)*99/100], "µs-running-p99")
	b.ReportMetric(0, "ns/op")
}

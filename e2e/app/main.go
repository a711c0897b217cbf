//go:build linux

// Command app is the application of the e2e tests' Pods. It keeps a record of every start and end in
// an append-only file, so that a test can tell what ran when, whatever Kubernetes and the shim say.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"restartrules.dev/e2e/record"
)

type app struct {
	record *os.File
}

func main() {
	began := now()
	path := flag.String("record", "", "the record, appended to")
	runs := flag.String("run", "0", "how long to run, 0: until told to stop; comma-separated as -exit")
	after := flag.String("after", "", "names of records, comma-separated: -run begins when each of them has a start")
	exits := flag.String("exit", "0", "exit codes, comma-separated: of the first start, the second …; the last one repeats")
	onTerm := flag.Int("on-term", 143, "exit code on SIGTERM; -1: go on")
	termDelay := flag.Duration("term-delay", 0, "how long the end takes after SIGTERM")
	listen := flag.String("listen", "", "address to serve HTTP on; GET /quit exits with -quit, GET /records/NAME succeeds if that file is beside the record")
	peer := flag.String("peer", "", "address to connect to; when the connection is lost exits with -quit at once")
	quit := flag.Int("quit", 42, "exit code on SIGUSR1, GET /quit and when the peer is gone")
	agent := flag.Int("agent", 0, "serve the other containers' probes on this port, as Istio's proxy does")
	obey := flag.Bool("obey", false, "exit with the code in the file that record.ExitFile names, as soon as it is there")
	alone := flag.String("alone", "", "names of records, comma-separated: no other start that keeps one of them may run; one that does is recorded as \"overlap\"")
	flag.Parse()

	a := app{}
	if *path != "" {
		var err error
		if a.record, err = os.OpenFile(*path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(120)
		}
	}
	// Who sees the start in the record may send signals.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGUSR1)
	starts := a.starts()
	a.write(record.Event{Event: "start", At: began})
	if *alone != "" {
		a.checkAlone(strings.Split(*alone, ","))
	}
	if err := a.serve(starts); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(120)
	}
	code, err := strconv.Atoi(nth(*exits, starts))
	run, errRun := time.ParseDuration(nth(*runs, starts))
	if err = errors.Join(err, errRun); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(120)
	}
	fmt.Printf("start %d\n", starts+1)

	quitting := make(chan struct{}, 1)
	if *listen != "" {
		http.HandleFunc("/quit", func(w http.ResponseWriter, r *http.Request) { quitting <- struct{}{} })
		http.Handle("/records/", http.StripPrefix("/records/", http.FileServer(http.Dir(filepath.Dir(*path)))))
		go func() { fmt.Fprintln(os.Stderr, http.ListenAndServe(*listen, nil)) }()
	}
	if *agent != 0 {
		go func() { fmt.Fprintln(os.Stderr, asAgent(*agent)) }()
	}
	if *peer != "" {
		go func() {
			a.lose(*peer)
			a.exit(*quit)
		}()
	}
	var told atomic.Bool
	if *obey {
		go func() { a.exit(a.obey(record.ExitFile(*path, starts+1), &told)) }()
	}
	over := make(chan struct{})
	if run > 0 {
		go func() {
			a.awaitStarts(*after)
			time.Sleep(run - time.Duration(now()-began))
			close(over)
		}()
	}
	for {
		select {
		case <-over:
			a.exit(code)
		case <-quitting:
			a.exit(*quit)
		case s := <-signals:
			if s == syscall.SIGUSR1 {
				a.exit(*quit)
			}
			a.write(record.Event{Event: "term", At: now()})
			if *onTerm >= 0 && !told.Load() {
				time.Sleep(*termDelay)
				a.exit(*onTerm)
			}
		}
	}
}

// starts counts the starts in the record so far.
func (a app) starts() int {
	if a.record == nil {
		return 0
	}
	b, err := os.ReadFile(a.record.Name())
	if err != nil {
		return 0
	}
	return strings.Count(string(b), `"event":"start"`)
}

func (a app) write(e record.Event) {
	if a.record == nil {
		return
	}
	e.PID = os.Getpid()
	b, err := json.Marshal(e)
	if err == nil {
		_, err = a.record.Write(append(b, '\n'))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func (a app) exit(code int) {
	a.write(record.Event{Event: "end", At: now(), Code: code})
	os.Exit(code)
}

// checkAlone locks its own record, for as long as the process lives, and looks whether one of the others is locked.
func (a app) checkAlone(names []string) {
	if err := syscall.Flock(int(a.record.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		a.write(record.Event{Event: record.Overlap, At: now(), With: filepath.Base(a.record.Name())})
	}
	for _, name := range names {
		other, err := os.Open(filepath.Join(filepath.Dir(a.record.Name()), name))
		if err != nil || name == filepath.Base(a.record.Name()) {
			continue // it was never started
		}
		if err := syscall.Flock(int(other.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
			a.write(record.Event{Event: record.Overlap, At: now(), With: name})
		}
		_ = other.Close() // which unlocks
	}
}

// lose connects to the peer, as soon as it is there, and returns when the connection is lost.
func (a app) lose(peer string) {
	for {
		connection, err := net.Dial("tcp", peer)
		if err == nil {
			a.write(record.Event{Event: "connected", At: now()})
			_, _ = io.Copy(io.Discard, connection)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// obey returns the exit code that the file says when the application is to exit with it, see record.ExitFile.
func (a app) obey(file string, told *atomic.Bool) int {
	words := strings.Fields(await(file))
	if len(words) == 2 {
		told.Store(true)
		a.write(record.Event{Event: "told", At: now()})
		await(filepath.Join(filepath.Dir(file), words[1]))
	}
	code, err := strconv.Atoi(words[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 120
	}
	return code
}

// awaitStarts returns when each of the records, which are beside its own, has a start.
func (a app) awaitStarts(names string) {
	if names == "" {
		return
	}
	for _, name := range strings.Split(names, ",") {
		for !strings.Contains(await(filepath.Join(filepath.Dir(a.record.Name()), name)), `"event":"start"`) {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// await returns what is in the file, once it is there.
func await(file string) string {
	for ; ; time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(file); err == nil {
			return string(text)
		}
	}
}

// nth is the item of a comma-separated list for this start; the last one repeats.
func nth(list string, starts int) string {
	items := strings.Split(list, ",")
	return items[min(starts, len(items)-1)]
}

func now() int64 {
	var ts syscall.Timespec
	_, _, _ = syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

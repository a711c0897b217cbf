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
	"strconv"
	"strings"
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
	exits := flag.String("exit", "0", "exit codes, comma-separated: of the first start, the second …; the last one repeats")
	onTerm := flag.Int("on-term", 143, "exit code on SIGTERM; -1: go on")
	termDelay := flag.Duration("term-delay", 0, "how long the end takes after SIGTERM")
	listen := flag.String("listen", "", "address to serve HTTP on; GET /quit exits with -quit")
	peer := flag.String("peer", "", "address to connect to; when the connection is lost exits with -quit at once")
	quit := flag.Int("quit", 42, "exit code on SIGUSR1, GET /quit and when the peer is gone")
	flag.Parse()

	a := app{}
	if *path != "" {
		var err error
		if a.record, err = os.OpenFile(*path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(120)
		}
	}
	starts := a.starts()
	a.write(record.Event{Event: "start", At: began})
	code, err := strconv.Atoi(nth(*exits, starts))
	run, errRun := time.ParseDuration(nth(*runs, starts))
	if err = errors.Join(err, errRun); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(120)
	}
	fmt.Printf("start %d\n", starts+1)

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGUSR1)
	quitting := make(chan struct{}, 1)
	if *listen != "" {
		http.HandleFunc("/quit", func(w http.ResponseWriter, r *http.Request) { quitting <- struct{}{} })
		go func() { fmt.Fprintln(os.Stderr, http.ListenAndServe(*listen, nil)) }()
	}
	if *peer != "" {
		go func() {
			a.lose(*peer)
			a.exit(*quit)
		}()
	}
	var over <-chan time.Time
	if run > 0 {
		over = time.After(run - time.Duration(now()-began))
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
			if *onTerm >= 0 {
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

package watcher

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/exittable"
	"restartrules.dev/pkg/plan"
	"restartrules.dev/pkg/report"
	"restartrules.dev/pkg/report/outbox"
	"restartrules.dev/pkg/watcher/machine"
	"restartrules.dev/pkg/wire"
)

// reporterPath is the reporter in the watcher's image: a process of its own, so that the watcher links no
// HTTP.
const reporterPath = "/reporter"

// BookName is the file in the volume with what was known when the watcher was killed.
const BookName = "status.json"

// reports tells the webhook what becomes of the Pod. It belongs to the Pod's loop, and is nil where there is
// nobody to tell. Nothing of it is done while a restart is under way.
type reports struct {
	book *report.Book
	pod  report.Pod
	out  *outbox.Outbox
	path string
	log  *slog.Logger
	// stuck is the process that was last seen to outlive SIGKILL.
	stuck *report.Stuck
	// unsaved says that the book could not be written, which was logged.
	unsaved bool
}

func newReports(v Volume, p *plan.Plan, log *slog.Logger, told outbox.Told) *reports {
	url := os.Getenv(api.ReportURLEnv)
	if url == "" {
		return nil
	}
	r := &reports{log: log, path: filepath.Join(v.Root, BookName), out: outbox.New(log, told, reporterPath, "--url="+url)}
	r.pod = report.Pod{Namespace: os.Getenv(api.PodNamespaceEnv), Name: os.Getenv(api.PodNameEnv), UID: os.Getenv(api.PodUIDEnv)}
	text, err := os.ReadFile(r.path)
	if err == nil {
		r.book, err = report.Reopen(text, counted(p), p.RestartAll != nil, time.Now())
	} else {
		r.book = report.NewBook(counted(p), p.RestartAll != nil, time.Now())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("restarts are counted from now on", "error", err)
	}
	return r
}

// counted are the containers whose restarts in place are counted.
func counted(p *plan.Plan) map[string]report.Container {
	containers := map[string]report.Container{}
	for i := range p.Containers {
		c := &p.Containers[i]
		if !c.Wrapped && c.InitScript == "" {
			continue
		}
		known := report.Container{Counts: c.Name}
		if c.TwinOf != "" {
			known = report.Container{Counts: c.TwinOf, Twin: true}
		}
		if total, err := exittable.ParseTotal(c.MaxRestarts); err == nil {
			known.MaxRestarts = int(total.Max)
		}
		containers[c.Name] = known
	}
	return containers
}

// publish has the latest delivered, if there is anything new.
func (d *pod) publish() {
	r := d.reports
	if r == nil {
		return
	}
	if d.machine != nil {
		r.book.Enter(d.state.Phase.String(), d.state.Restarting(), time.Now())
	}
	if !r.book.Changed() {
		return
	}
	r.save()
	if text, id := r.encode(); text != nil {
		r.out.Put(text, id)
	}
}

func (r *reports) encode() ([]byte, int) {
	latest := r.book.Report(r.pod)
	text, err := latest.Encode()
	if err != nil {
		r.log.Error("there is something that can't be reported", "error", err)
		return nil, 0
	}
	return text, latest.Status.LastID()
}

// save keeps what is known for a watcher that comes after this one. It need not survive the node.
func (r *reports) save() {
	text, err := r.book.Save()
	if err == nil {
		if err = os.WriteFile(r.path+".new", text, 0o644); err == nil {
			err = os.Rename(r.path+".new", r.path)
		}
	}
	if err != nil && !r.unsaved {
		r.log.Warn("if the watcher is killed restarts are counted anew", "error", err)
	}
	r.unsaved = err != nil
}

// told notes that the webhook was told everything up to that ID.
func (d *pod) told(ctx context.Context, id int, first bool) {
	d.pass(ctx, happening{call: func() {
		d.reports.book.Told(id)
		// A restart may have begun, which waits for no file.
		d.later = append(d.later, func() {
			d.reports.save()
			if text, _ := d.reports.encode(); first && text != nil {
				d.reports.out.Again(text)
			}
		})
	}})
}

// exited notes what a shim reports.
func (r *reports) exited(s *shim, m wire.Message) {
	switch {
	case r == nil:
	case m.Action == wire.ActionRestart:
		r.book.Exited(s.plan.Name, m.Attempt, time.Duration(m.Wait)*time.Microsecond, time.Now())
	default:
		r.book.Ended(s.plan.Name, time.Now())
	}
}

// started notes a start; cause is the restart of the container that it ends, or nil.
func (r *reports) started(s *shim, m wire.Message, cause *report.Restart) {
	if r != nil {
		r.book.Started(s.plan.Name, m.Attempt, cause, time.Now())
	}
}

func (r *reports) pause(paused string) {
	if r != nil {
		r.book.Pause(paused, time.Now())
	}
}

func (r *reports) lost(container string) {
	if r != nil {
		r.book.Lost(container, time.Now())
	}
}

func (r *reports) replayed(container string) {
	if r != nil {
		r.book.Replayed(container, time.Now())
	}
}

// outlived notes a process that outlives SIGKILL, or has not ended yet.
func (r *reports) outlived(container string, pid int, name string) {
	if r != nil {
		r.stuck = &report.Stuck{Container: container, PID: pid, Name: name}
	}
}

// tell notes what the machine tells people. record is the state's when it did, source the container.
func (r *reports) tell(effect machine.Effect, record *machine.Record, source string) {
	if r == nil {
		return
	}
	switch e := effect.(type) {
	case machine.Began:
		r.stuck = nil
		r.book.Began(restartOf(record, source), record.Gen, e.Wait, time.Now())
	case machine.Finished:
		r.stuck = nil
		r.book.Finished(e.Took, time.Now())
	case machine.Failed:
		r.book.GaveUp(e.Why, r.stuck, time.Now())
	}
}

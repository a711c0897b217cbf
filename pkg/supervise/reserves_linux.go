package supervise

import (
	"runtime"
	"sync"
	"time"
)

// makeReserves makes beforehand what the runtime makes when it needs it, dying if it can't: threads, when the command
// has used up the container's limit of processes, and a file for its timers, when there are no more files. That is when a
// shim is needed. What was made once is kept. It returns within a millisecond or two.
func makeReserves() {
	time.AfterFunc(time.Hour, func() {}).Stop() // the first timer makes the file
	var locked, unlocked sync.WaitGroup
	// What the Go runtime may want at most beside its own two and one each for the goroutines that may be in a
	// system call (the main one, the link's, the signals'): one for each P, one for the timers, one for the
	// timers' goroutine.
	spare := runtime.GOMAXPROCS(0) + 2
	locked.Add(spare)
	release := make(chan struct{})
	for range spare {
		unlocked.Go(func() {
			runtime.LockOSThread()
			locked.Done()
			<-release
			runtime.UnlockOSThread()
		})
	}
	locked.Wait()
	close(release)
	unlocked.Wait()
}

package supervise

import (
	"runtime"
	"sync"
	"time"
)

// makeThreads makes threads beforehand. The runtime makes them when it needs them, and dies if it can't:
// when the command has used up the container's limit of processes, which is when a shim is needed.
// Threads that were made once are kept. It returns within a millisecond or two.
//
// With the first timer the runtime makes a file for it, too, and dies if there is none to be had.
func makeThreads() {
	time.AfterFunc(time.Hour, func() {}).Stop()
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

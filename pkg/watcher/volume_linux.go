package watcher

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"restartrules.dev/pkg/api"
	"restartrules.dev/pkg/wire"
)

// Volume is the volume that the watcher shares with the Pod's wrapped containers. Its layout is in
// docs/architecture.md.
type Volume struct {
	// Root is where the whole volume is mounted.
	Root string
	// Containers are the names of the wrapped containers.
	Containers []string
	// Control is where the volume is mounted that tells whether the Pod is to be paused; empty: at its usual place.
	Control string
}

func (v Volume) directory(container string) string {
	return filepath.Join(v.Root, api.ContainersDir, container)
}

// MarkPod says to every container that the whole Pod is being stopped.
func (v Volume) MarkPod() error {
	return v.locked(func() error {
		mark := wire.Mark{Kind: wire.Pod, At: wire.Now()}
		for _, container := range v.Containers {
			if err := wire.WriteMark(v.directory(container), mark); err != nil {
				return fmt.Errorf("mark container %q: %w", container, err)
			}
		}
		return nil
	})
}

// MarkPeers says to every other container that this one was told to stop. What is known to be a
// deletion of the Pod stays one.
func (v Volume) MarkPeers(stopping string) error {
	return v.locked(func() error {
		mark := wire.Mark{Kind: wire.Peer, At: wire.Now()}
		for _, container := range v.Containers {
			dir := v.directory(container)
			if container == stopping || wire.ReadMark(dir).Kind == wire.Pod {
				continue
			}
			if err := wire.WriteMark(dir, mark); err != nil {
				return fmt.Errorf("mark container %q: %w", container, err)
			}
		}
		return nil
	})
}

// deleting says whether the Pod is known to be deleted: by a mark that is younger than the watcher's
// container, whose start clears the older ones at about this time.
func (v Volume) deleting() bool {
	const tick = int64(10 * time.Millisecond) // of startTime, USER_HZ being 100 wherever Linux runs
	since := startTime(os.Getppid()) * tick
	for _, container := range v.Containers {
		if mark := wire.ReadMark(v.directory(container)); mark.Kind == wire.Pod && mark.At > since {
			return true
		}
	}
	return false
}

// TellDeletion tells the watcher that the Pod is being deleted, a bounded time. The marks say it, too.
func (v Volume) TellDeletion() error {
	socket, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: filepath.Join(v.Root, wire.SocketName), Net: "unixpacket"})
	if err != nil {
		return err
	}
	defer socket.Close()
	if err := socket.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := socket.Write(wire.Message{Verb: wire.Stopping}.Append(nil)); err != nil {
		return err
	}
	_, err = socket.Read(make([]byte, wire.MaxMessage))
	return err
}

// clearMarks removes all marks: a container's start is not part of a deletion.
func (v Volume) clearMarks() error {
	return v.locked(func() error {
		for _, container := range v.Containers {
			if err := wire.ClearMark(v.directory(container)); err != nil {
				return fmt.Errorf("clear the mark of container %q: %w", container, err)
			}
		}
		return nil
	})
}

// locked runs f while no other process of the watcher's container writes marks.
func (v Volume) locked(f func() error) error {
	root, err := os.Open(v.Root)
	if err != nil {
		return fmt.Errorf("open the shared volume: %w", err)
	}
	defer root.Close() // which unlocks
	for {
		err = syscall.Flock(int(root.Fd()), syscall.LOCK_EX)
		if err == nil {
			return f()
		}
		if err != syscall.EINTR {
			return fmt.Errorf("lock %s: %w", v.Root, err)
		}
	}
}

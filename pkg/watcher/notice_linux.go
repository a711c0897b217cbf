package watcher

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// What dnotify is asked for (Linux: include/uapi/linux/fcntl.h).
const dnModify, dnCreate, dnRename, dnMultishot = 0x2, 0x4, 0x10, 0x80000000

// notice has the kernel say when something in the directory changes: the channel gets a value then, and for other
// reasons, too. It is dnotify, the older brother of inotify, which has no limit by user. The error says that the kernel
// doesn't say it of this directory. Of file systems that others change, as those that a virtual machine shares with its
// host, it doesn't say all.
func notice(directory string) (changes <-chan os.Signal, stop func(), err error) {
	d, err := os.Open(directory)
	if err != nil {
		return nil, nil, err
	}
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGIO)
	stop = func() {
		d.Close()
		signal.Stop(heard)
	}
	if _, err := unix.FcntlInt(d.Fd(), unix.F_NOTIFY, dnModify|dnCreate|dnRename|dnMultishot); err != nil {
		stop()
		return nil, nil, err
	}
	return heard, stop, nil
}

package wire

import "syscall"

// PausedName is the file in a container's directory that says that the Pod is paused: no rule acts, and the
// next exit is followed by what the file says. The watcher writes it.
const PausedName = "paused"

// PausedLength is more than the longest content of the file.
const PausedLength = 16

// Paused is what follows an exit in a Pod that is paused.
type Paused string

const (
	// NotPaused: the container's rules decide.
	NotPaused Paused = ""
	// PausedAlways and PausedOnFailure restart the container in place, as the kubelet would under that
	// restartPolicy: the Pod has another one.
	PausedAlways    Paused = "Always"
	PausedOnFailure Paused = "OnFailure"
	// PausedEnd ends the container, and leaves to the kubelet whether it starts again.
	PausedEnd Paused = "End"
)

// ParsePaused reads the content of the file. What makes no sense is NotPaused. It leaves no garbage.
func ParsePaused(b []byte) Paused {
	switch string(b) {
	case string(PausedAlways):
		return PausedAlways
	case string(PausedOnFailure):
		return PausedOnFailure
	case string(PausedEnd):
		return PausedEnd
	}
	return NotPaused
}

// Restarts says whether an exit with that code is followed by a restart in place.
func (p Paused) Restarts(code int) bool {
	return p == PausedAlways || p == PausedOnFailure && code != 0
}

// ReadPaused reads the file in dir. No file is NotPaused.
func ReadPaused(dir string) Paused {
	fd, err := syscall.Open(dir+"/"+PausedName, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return NotPaused
	}
	defer syscall.Close(fd)
	var b [PausedLength]byte
	n, err := syscall.Read(fd, b[:])
	if err != nil || n <= 0 {
		return NotPaused
	}
	return ParsePaused(b[:n])
}

// WritePaused puts the file into dir, whole or not at all, or removes it. Writers in one process at a time.
func WritePaused(dir string, p Paused) error {
	if p == NotPaused {
		return unlink(dir + "/" + PausedName)
	}
	return write(dir+"/"+PausedName, string(p))
}

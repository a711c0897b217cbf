package supervise

import (
	"bytes"
	"strconv"

	"restartrules.dev/pkg/supervise/fixedpath"
)

// attemptFile tells the command which start this is and how the last one ended. It also carries the
// count over a restart of the whole container by the kubelet.
//
//	{"version":"v1","container":"trainer","attempt":3,"lastExitCode":42,"lastReason":"Error"}
//
// lastExitCode and lastReason are absent at the first start. Once the command has ended for good,
// exitCode holds its code. The rest of the file, up to its fixed length, is spaces.
type attemptFile struct {
	name      string // for messages
	path      fixedpath.Path
	container string
	buffer    []byte
}

// attemptFileLength is more than the longest content, with a container name of 63 characters.
const attemptFileLength = 256

func newAttemptFile(dir, container string) attemptFile {
	name := dir + "/attempt/" + container + ".json"
	return attemptFile{name: name, path: fixedpath.New(name), container: container, buffer: make([]byte, 0, attemptFileLength)}
}

// Reasons, as in a container's status. The third is what the kubelet writes, with code 137, for a
// container whose end nobody saw (pkg/kubelet/kubelet_pods.go).
const (
	reasonCompleted = "Completed"
	reasonError     = "Error"
	reasonUnknown   = "ContainerStatusUnknown"
	// reasonRestartingAll is natively in the status of a container that was stopped because the whole
	// Pod is restarted.
	reasonRestartingAll = "RestartingAllContainers"
)

func reasonOf(code int) string {
	if code == 0 {
		return reasonCompleted
	}
	return reasonError
}

// last is how the previous attempt ended; attempt 0: there was none.
type last struct {
	attempt int
	code    int
	reason  string
}

// previous reads what an earlier shim of this container left.
func (f attemptFile) previous() last {
	var buffer [2 * attemptFileLength]byte
	text := f.path.Read(buffer[:])
	attempt, ok := number(text, `"attempt":`)
	if !ok || attempt < 1 {
		return last{}
	}
	if code, ok := number(text, `"exitCode":`); ok {
		return last{attempt: attempt, code: code, reason: reasonOf(code)}
	}
	return last{attempt: attempt, code: 137, reason: reasonUnknown}
}

// number reads the integer behind the key, in a file that we wrote. The application may have
// written over it; then there is no number.
func number(b []byte, key string) (int, bool) {
	_, rest, found := bytes.Cut(b, []byte(key))
	if !found {
		return 0, false
	}
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(string(rest[:end]))
	return n, err == nil
}

// starting writes the file for the attempt about to start.
func (f attemptFile) starting(attempt int, prev last) error {
	return f.write(f.head(attempt, prev))
}

// ended adds the exit code with which the container ends.
func (f attemptFile) ended(attempt int, prev last, code int) error {
	b := append(f.head(attempt, prev), `,"exitCode":`...)
	return f.write(strconv.AppendInt(b, int64(code), 10))
}

func (f attemptFile) head(attempt int, prev last) []byte {
	b := append(f.buffer[:0], `{"version":"v1","container":`...)
	b = strconv.AppendQuote(b, f.container)
	b = append(b, `,"attempt":`...)
	b = strconv.AppendInt(b, int64(attempt), 10)
	if prev.attempt > 0 {
		b = append(b, `,"lastExitCode":`...)
		b = strconv.AppendInt(b, int64(prev.code), 10)
		b = append(b, `,"lastReason":"`...)
		b = append(b, prev.reason...)
		b = append(b, '"')
	}
	return b
}

func (f attemptFile) write(b []byte) error {
	if f.name == "" {
		return nil
	}
	b = append(b, '}')
	for len(b) < attemptFileLength-1 {
		b = append(b, ' ')
	}
	return f.path.Overwrite(append(b, '\n'))
}

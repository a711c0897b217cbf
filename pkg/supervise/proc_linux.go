package supervise

import (
	"bytes"
	"strconv"
	"syscall"

	"restartrules.dev/pkg/supervise/fixedpath"
)

// readFile reads a file of /proc or /sys into the buffer; nothing if it can't.
func readFile(buffer []byte, path string) []byte { return fixedpath.New(path).Read(buffer) }

// processes lists the process ids in /proc.
func processes() []int {
	fd, err := syscall.Open("/proc", syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	var pids []int
	var names []string
	buffer := make([]byte, 8192)
	for {
		n, err := syscall.ReadDirent(fd, buffer)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return pids
		}
		_, _, names = syscall.ParseDirent(buffer[:n], -1, names[:0])
		for _, name := range names {
			if pid, err := strconv.Atoi(name); err == nil {
				pids = append(pids, pid)
			}
		}
	}
}

type stat struct {
	state  byte
	parent int
}

// procStat reads the state and the parent of a process; zero if there is none.
func procStat(pid int) stat {
	var buffer [512]byte
	b := readFile(buffer[:], "/proc/"+strconv.Itoa(pid)+"/stat")
	// pid (comm) state ppid …, where comm may hold anything, parentheses too.
	at := bytes.LastIndexByte(b, ')')
	if at < 0 || at+4 > len(b) {
		return stat{}
	}
	parent, _, _ := bytes.Cut(b[at+4:], []byte(" "))
	n, err := strconv.Atoi(string(parent))
	if err != nil {
		return stat{}
	}
	return stat{state: b[at+2], parent: n}
}

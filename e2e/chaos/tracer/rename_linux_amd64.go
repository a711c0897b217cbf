package tracer

import "golang.org/x/sys/unix"

// Renamed is the new name that a rename gives; ok is false if it is another call.
func (c *Call) Renamed() (to string, ok bool) {
	switch c.Number {
	case unix.SYS_RENAME:
		return c.path(c.Args[1]), true
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		return c.path(c.Args[3]), true
	}
	return "", false
}

package journal

import (
	"bytes"
	"cmp"
	"errors"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"time"

	"restartrules.dev/pkg/watcher/machine"
)

// Entry is one entry.
type Entry struct {
	// Seq counts the entries from 1.
	Seq uint64
	// At is when it was written, on the clock of wire.Now.
	At int64
	machine.Record
}

// maxWhy is how much of Record.Why is kept, in bytes of its quoted form.
const maxWhy = 160

// entryLength is enough for the longest entry of a Pod with that many members: 16 numbers of at most 20
// digits with their names, and 3 bytes a member.
func entryLength(members int) int { return (700 + 3*members + 63) / 64 * 64 }

func pad(b []byte, length int) []byte {
	for len(b) < length-1 {
		b = append(b, ' ')
	}
	return append(b[:length-1], '\n')
}

// appendEntry appends the entry's line: key=value pairs, their checksum, spaces up to the length.
func appendEntry(b []byte, e Entry, length int) []byte {
	number := func(key string, n int64) {
		b = append(b, key...)
		b = append(b, '=')
		b = strconv.AppendInt(b, n, 10)
		b = append(b, ' ')
	}
	number("seq", int64(e.Seq))
	number("at", e.At)
	number("phase", int64(e.Phase))
	number("gen", int64(e.Gen))
	number("source", int64(e.Source))
	number("code", int64(e.Code))
	number("rule", int64(e.Rule))
	number("then", int64(e.Then))
	number("step", int64(e.Step))
	number("began", e.Began)
	number("due", e.Due)
	number("finished", e.Finished)
	number("delay", int64(e.Delay))
	b = append(b, "members="...)
	for _, m := range e.Members {
		b = append(b, hex[flags(m)], hex[m.Code>>4], hex[m.Code&15])
	}
	b = append(b, " why="...)
	why := e.Why
	for len(strconv.Quote(why)) > maxWhy {
		why = why[:len(why)*3/4]
	}
	b = strconv.AppendQuote(b, why)
	sum := crc32.ChecksumIEEE(b)
	b = append(b, " sum="...)
	b = strconv.AppendUint(b, uint64(sum), 16)
	return pad(b, length)
}

const hex = "0123456789abcdef"

func flags(m machine.Memory) (f byte) {
	for i, flag := range [...]bool{m.Seen, m.Alive, m.Over, m.Released} {
		if flag {
			f |= 1 << i
		}
	}
	return f
}

// parseAll reads the entries that are valid, ordered by their sequence numbers.
func parseAll(text []byte, length, members int) []Entry {
	var entries []Entry
	for ; len(text) >= length; text = text[length:] {
		if e, err := parse(text[:length], members); err == nil {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	return entries
}

var errNoEntry = errors.New("not a journal entry")

// parse reads one entry.
func parse(line []byte, members int) (e Entry, err error) {
	at := bytes.LastIndex(line, []byte(" sum="))
	if at < 0 {
		return e, errNoEntry
	}
	sum, err := strconv.ParseUint(strings.TrimRight(string(line[at+5:]), " \n"), 16, 32)
	if err != nil || uint32(sum) != crc32.ChecksumIEEE(line[:at]) {
		return e, errNoEntry
	}
	text := string(line[:at])
	var n [13]int64
	for i, key := range [...]string{"seq", "at", "phase", "gen", "source", "code", "rule", "then", "step", "began", "due", "finished", "delay"} {
		rest, ok := strings.CutPrefix(text, key+"=")
		if !ok {
			return e, errNoEntry
		}
		var value string
		value, text, _ = strings.Cut(rest, " ")
		if n[i], err = strconv.ParseInt(value, 10, 64); err != nil {
			return e, errNoEntry
		}
	}
	if n[2] < 0 || n[2] > int64(machine.Terminating) || n[8] < 0 || n[8] > int64(members) || n[4] < -1 || n[4] >= int64(members) {
		return e, errNoEntry
	}
	e = Entry{Seq: uint64(n[0]), At: n[1], Record: machine.Record{Phase: machine.Phase(n[2]), Gen: int(n[3]), Source: int(n[4]),
		Code: int(n[5]), Rule: int(n[6]), Then: machine.Then(n[7]), Step: int(n[8]), Began: n[9], Due: n[10], Finished: n[11], Delay: time.Duration(n[12])}}
	list, why, ok := strings.Cut(strings.TrimPrefix(text, "members="), " why=")
	if !ok || len(list) != 3*members {
		return e, errNoEntry
	}
	for ; len(list) > 0; list = list[3:] {
		value, err := strconv.ParseUint(list[:3], 16, 16)
		if err != nil {
			return e, errNoEntry
		}
		f := value >> 8
		e.Members = append(e.Members, machine.Memory{Seen: f&1 != 0, Alive: f&2 != 0, Over: f&4 != 0, Released: f&8 != 0, Code: uint8(value)})
	}
	if e.Why, err = strconv.Unquote(why); err != nil {
		return e, errNoEntry
	}
	return e, nil
}

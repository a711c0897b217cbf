// Package journal keeps what the watcher has to know when it was killed: the machine's Record, one
// entry for each change. It survives the watcher, not the node: there is no fsync.
//
// The file has a fixed length. A header is followed by a ring of entries of fixed length, the newest
// valid one of which counts. An entry is written by one write call in place of the oldest: the page
// cache takes it whole, or, if the process is killed before, not at all; a checksum tells half an entry
// of a full disk. So there is no rename in the way of a restart, and the volume doesn't grow.
package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"restartrules.dev/pkg/watcher/machine"
)

// Entries is how many entries the ring holds.
const Entries = 128

// Journal is the file, open. It is for one goroutine.
type Journal struct {
	file    *os.File
	members int
	length  int
	next    uint64 // sequence number of the next entry
	buffer  []byte
	// failed says that the last write failed, so that only the first failure is told.
	failed bool
}

// Identity is what a journal belongs to. A volume outlives the node's kernel and the Pod's sandbox, and
// with another of these nothing that the journal says still holds.
type Identity struct {
	Boot, Sandbox string
	// Members is how many members the Pod has.
	Members int
}

func (id Identity) header(length int) []byte {
	text := fmt.Sprintf("restartrules journal v1 members=%d boot=%s sandbox=%s", id.Members, id.Boot, id.Sandbox)
	return pad([]byte(text), length)
}

// Open opens the journal at path, or makes it. The record is the newest, nil if the journal is new or
// of another identity; void says that it was the latter. If the file can't be made or read, the
// Journal is usable all the same, but remembers nothing; the error says why.
func Open(path string, id Identity) (j *Journal, record *machine.Record, void bool, err error) {
	j = &Journal{members: id.Members, length: entryLength(id.Members), next: 1}
	j.buffer = make([]byte, 0, j.length)
	header := id.header(j.length)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		var text []byte
		text, err = io.ReadAll(file)
		switch {
		case err != nil:
		case len(text) != j.length*(Entries+1) || !bytes.Equal(text[:j.length], header):
			void = true
		default:
			j.file = file
			entries := parseAll(text[j.length:], j.length, j.members)
			if len(entries) == 0 {
				return j, nil, false, nil
			}
			last := entries[len(entries)-1]
			j.next = last.Seq + 1
			return j, &last.Record, false, nil
		}
		err = errors.Join(err, file.Close())
	} else if os.IsNotExist(err) {
		err = nil
	}
	if err == nil {
		j.file, err = create(path, header, j.length)
	}
	if err != nil {
		err = fmt.Errorf("journal: %w; a restart that is under way is not resumed if the watcher is killed", err)
	}
	return j, nil, void, err
}

// create makes an empty journal, whole or not at all.
func create(path string, header []byte, length int) (*os.File, error) {
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	text := append(bytes.Clone(header), bytes.Repeat(pad(nil, length), Entries)...)
	if err := os.WriteFile(temporary, text, 0o644); err != nil {
		return nil, err
	}
	if err := os.Rename(temporary, path); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR, 0)
}

// Write adds the record. It returns an error only for the first of several failures in a row.
func (j *Journal) Write(r *machine.Record, now int64) error {
	if j.file == nil {
		return nil // Open said so
	}
	j.buffer = appendEntry(j.buffer[:0], Entry{Seq: j.next, At: now, Record: *r}, j.length)
	_, err := j.file.WriteAt(j.buffer, int64(j.length)*int64(1+j.next%Entries))
	first := err != nil && !j.failed
	j.failed = err != nil
	if err != nil {
		if first {
			return fmt.Errorf("journal: %w", err)
		}
		return nil
	}
	j.next++
	return nil
}

// Close closes the file.
func (j *Journal) Close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

// Read gives the entries of the journal at path, the oldest first, whatever it belongs to.
func Read(path string) ([]Entry, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	members := 0
	if _, err := fmt.Sscanf(string(text[:min(len(text), 100)]), "restartrules journal v1 members=%d", &members); err != nil || members < 0 || members > 10_000 {
		return nil, fmt.Errorf("%s: is no journal", path)
	}
	length := entryLength(members)
	return parseAll(text[min(length, len(text)):], length, members), nil
}

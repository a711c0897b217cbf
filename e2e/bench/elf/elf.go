// Package elf makes programs of a hundred bytes or so: whatever a compiler makes takes longer to start than
// what is measured with them.
package elf

import (
	"bytes"
	"encoding/binary"
)

// Program is an executable file, for Linux on amd64, of this machine code, which is entered at its start.
func Program(code []byte) []byte {
	const base, headers = 0x400000, 64 + 56
	var b bytes.Buffer
	b.WriteString("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	for _, v := range []any{
		uint16(2), uint16(62), uint32(1), uint64(base + headers), uint64(64), uint64(0), uint32(0), // executable, x86-64
		uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), // one segment, read and execute
		uint64(headers + len(code)), uint64(headers + len(code)), uint64(4096),
	} {
		_ = binary.Write(&b, binary.LittleEndian, v) // to memory
	}
	return append(b.Bytes(), code...)
}

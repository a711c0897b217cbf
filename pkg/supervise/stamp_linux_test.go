package supervise_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"restartrules.dev/e2e/bench/elf"
)

// stampProgram writes the smallest program there can be to a file: its first act is to read
// CLOCK_MONOTONIC, then it sleeps a millisecond, reads the clock again, writes both times to
// stdout and exits 42. Anything bigger would be most of what is measured.
func stampProgram(tb testing.TB) string {
	if runtime.GOARCH != "amd64" {
		tb.Skip("the stamp program is machine code for amd64")
	}
	code := []byte{
		0x48, 0x83, 0xec, 0x30, //             sub rsp, 48
		0xbf, 1, 0, 0, 0, //                   mov edi, CLOCK_MONOTONIC
		0x48, 0x89, 0xe6, //                   mov rsi, rsp
		0xb8, 228, 0, 0, 0, 0x0f, 0x05, //     clock_gettime
		0x48, 0xc7, 0x44, 0x24, 0x20, 0, 0, 0, 0, //          mov qword [rsp+32], 0
		0x48, 0xc7, 0x44, 0x24, 0x28, 0x40, 0x42, 0x0f, 0, // mov qword [rsp+40], 1000000
		0x48, 0x8d, 0x7c, 0x24, 0x20, //       lea rdi, [rsp+32]
		0x31, 0xf6, //                         xor esi, esi
		0xb8, 35, 0, 0, 0, 0x0f, 0x05, //      nanosleep
		0xbf, 1, 0, 0, 0, //                   mov edi, CLOCK_MONOTONIC
		0x48, 0x8d, 0x74, 0x24, 0x10, //       lea rsi, [rsp+16]
		0xb8, 228, 0, 0, 0, 0x0f, 0x05, //     clock_gettime
		0xbf, 1, 0, 0, 0, //                   mov edi, 1
		0x48, 0x89, 0xe6, //                   mov rsi, rsp
		0xba, 32, 0, 0, 0, //                  mov edx, 32
		0xb8, 1, 0, 0, 0, 0x0f, 0x05, //       write
		0xbf, 42, 0, 0, 0, //                  mov edi, 42
		0xb8, 60, 0, 0, 0, 0x0f, 0x05, //      exit
	}
	return elfProgram(tb, "stamp", code)
}

// pauseProgram writes the smallest program that waits for a signal.
func pauseProgram(tb testing.TB) string {
	if runtime.GOARCH != "amd64" {
		tb.Skip("the pause program is machine code for amd64")
	}
	return elfProgram(tb, "pause", []byte{
		0xb8, 34, 0, 0, 0, 0x0f, 0x05, // pause
		0xeb, 0xf7, //                    again
	})
}

// elfProgram writes a program of this machine code to a file.
func elfProgram(tb testing.TB, name string, code []byte) string {
	path := filepath.Join(tb.TempDir(), name)
	require.NoError(tb, os.WriteFile(path, elf.Program(code), 0o755))
	return path
}

// stamps are the first and the last moment of one run of the stamp program, in nanoseconds.
type stamps struct{ first, last int64 }

func parseStamps(b []byte) stamps {
	at := func(i int) int64 {
		return int64(binary.LittleEndian.Uint64(b[i:]))*1e9 + int64(binary.LittleEndian.Uint64(b[i+8:]))
	}
	return stamps{at(0), at(16)}
}

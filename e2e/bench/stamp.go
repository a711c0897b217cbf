// Package bench measures what the goals are about, side by side with what a user would have instead. `make bench` runs it.
package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	"restartrules.dev/e2e/bench/elf"
)

// programs are the smallest programs there can be: the first act of each is to read CLOCK_MONOTONIC,
// then it appends the time to the file that its argument names. Anything bigger would be a good part of
// what is measured. They are machine code for amd64.
var programs = map[string][]byte{
	// init ends with 0.
	"init": {
		0x31, 0xff, //                          xor edi, edi
		0xb8, 60, 0, 0, 0, 0x0f, 0x05, //       exit
	},
	// peer waits for a signal.
	"peer": {
		0xb8, 34, 0, 0, 0, 0x0f, 0x05, //       pause
		0xeb, 0xf7, //                          again
	},
	// source sleeps for 20 ms, appends the time again, and ends with 88; brief for 2 ms.
	"source": sleeper(20_000_000),
	"brief":  sleeper(2_000_000),
	// task appends the time again and ends with 88, at once.
	"task": sleeper(0),
	// catcher appends the time at which it gets a SIGUSR1, each time.
	"catcher": {
		0x48, 0xc7, 0x44, 0x24, 0x20, 0, 0x02, 0, 0, //         mov qword [rsp+32], the set of SIGUSR1
		0x31, 0xff, //                          xor edi, edi (SIG_BLOCK)
		0x48, 0x8d, 0x74, 0x24, 0x20, //        lea rsi, [rsp+32]
		0x31, 0xd2, //                          xor edx, edx
		0x41, 0xba, 8, 0, 0, 0, //              mov r10d, 8
		0xb8, 14, 0, 0, 0, 0x0f, 0x05, //       rt_sigprocmask
		0x48, 0x8d, 0x7c, 0x24, 0x20, //        again: lea rdi, [rsp+32]
		0x31, 0xf6, //                          xor esi, esi
		0x31, 0xd2, //                          xor edx, edx
		0x41, 0xba, 8, 0, 0, 0, //              mov r10d, 8
		0xb8, 128, 0, 0, 0, 0x0f, 0x05, //      rt_sigtimedwait
		0xbf, 1, 0, 0, 0, //                    mov edi, CLOCK_MONOTONIC
		0x48, 0x89, 0xe6, //                    mov rsi, rsp
		0xb8, 228, 0, 0, 0, 0x0f, 0x05, //      clock_gettime
		0x89, 0xdf, //                          mov edi, ebx
		0x48, 0x89, 0xe6, //                    mov rsi, rsp
		0xba, 16, 0, 0, 0, //                   mov edx, 16
		0xb8, 1, 0, 0, 0, 0x0f, 0x05, //        write
		0xeb, 0xc8, //                          again
	},
}

// sleeper sleeps, appends the time again, and ends with 88.
func sleeper(nanoseconds uint32) []byte {
	code := []byte{
		0x48, 0xc7, 0x44, 0x24, 0x20, 0, 0, 0, 0, //             mov qword [rsp+32], 0
		0x48, 0xc7, 0x44, 0x24, 0x28, 0, 0, 0, 0, //             mov qword [rsp+40], nanoseconds
		0x48, 0x8d, 0x7c, 0x24, 0x20, //        lea rdi, [rsp+32]
		0x31, 0xf6, //                          xor esi, esi
		0xb8, 35, 0, 0, 0, 0x0f, 0x05, //       nanosleep
		0xbf, 1, 0, 0, 0, //                    mov edi, CLOCK_MONOTONIC
		0x48, 0x8d, 0x74, 0x24, 0x10, //        lea rsi, [rsp+16]
		0xb8, 228, 0, 0, 0, 0x0f, 0x05, //      clock_gettime
		0x89, 0xdf, //                          mov edi, ebx
		0x48, 0x8d, 0x74, 0x24, 0x10, //        lea rsi, [rsp+16]
		0xba, 16, 0, 0, 0, //                   mov edx, 16
		0xb8, 1, 0, 0, 0, 0x0f, 0x05, //        write
		0xbf, 88, 0, 0, 0, //                   mov edi, 88
		0xb8, 60, 0, 0, 0, 0x0f, 0x05, //       exit
	}
	const sleep = 9
	if nanoseconds == 0 {
		return code[sleep+9+5+2+7:]
	}
	binary.LittleEndian.PutUint32(code[sleep+5:], nanoseconds)
	return code
}

// stampStart is how each of them begins.
var stampStart = []byte{
	0x48, 0x83, 0xec, 0x40, //              sub rsp, 64
	0xbf, 1, 0, 0, 0, //                    mov edi, CLOCK_MONOTONIC
	0x48, 0x89, 0xe6, //                    mov rsi, rsp
	0xb8, 228, 0, 0, 0, 0x0f, 0x05, //      clock_gettime
	0x48, 0x8b, 0x7c, 0x24, 0x50, //        mov rdi, [rsp+80] (the argument)
	0xbe, 0x41, 0x04, 0, 0, //              mov esi, O_WRONLY|O_CREAT|O_APPEND
	0xba, 0xb6, 0x01, 0, 0, //              mov edx, 0666
	0xb8, 2, 0, 0, 0, 0x0f, 0x05, //        open
	0x89, 0xc3, //                          mov ebx, eax
	0x89, 0xdf, //                          mov edi, ebx
	0x48, 0x89, 0xe6, //                    mov rsi, rsp
	0xba, 16, 0, 0, 0, //                   mov edx, 16
	0xb8, 1, 0, 0, 0, 0x0f, 0x05, //        write
}

// writePrograms puts the programs into the directory.
func writePrograms(dir string) error {
	for name, tail := range programs {
		code := append(bytes.Clone(stampStart), tail...)
		if err := os.WriteFile(filepath.Join(dir, name), elf.Program(code), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// readStamps reads the times that a program has written, in nanoseconds.
func readStamps(path string) ([]int64, error) {
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("read stamps: %w", err)
	}
	var stamps []int64
	for ; len(b) >= 16; b = b[16:] {
		stamps = append(stamps, int64(binary.LittleEndian.Uint64(b))*1e9+int64(binary.LittleEndian.Uint64(b[8:])))
	}
	return stamps, nil
}

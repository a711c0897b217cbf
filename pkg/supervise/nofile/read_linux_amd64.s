#include "textflag.h"

// func read(limit *[2]uint64)
TEXT ·read(SB), NOSPLIT, $0-8
	XORL DI, DI          // this process
	MOVQ $7, SI          // RLIMIT_NOFILE
	XORL DX, DX
	MOVQ limit+0(FP), R10
	MOVQ $302, AX        // prlimit64
	SYSCALL
	RET

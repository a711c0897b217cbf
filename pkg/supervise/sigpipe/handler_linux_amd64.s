#include "textflag.h"

// func handlerAddress() uintptr
TEXT ·handlerAddress(SB), NOSPLIT, $0-8
	LEAQ ·handler(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// The kernel calls this on the signal stack as handler(signal DI, siginfo SI, context DX). It may
// use the registers that C functions may, and returns to the kernel's restorer.
TEXT ·handler(SB), NOSPLIT|NOFRAME, $0-0
	// Faults (si_code > 0 with a Go handler before ours) and signals that this process sent
	// itself (the Go runtime preempting a goroutine, a broken pipe) are the Go runtime's.
	MOVL 8(SI), AX
	TESTL AX, AX
	JG   kernel
	MOVL 16(SI), AX
	CMPL AX, ·selfPID(SB)
	JEQ  chain
record:
	MOVLQSX ·pipeFD(SB), DI
	MOVQ $24, DX
	MOVQ $1, AX // write
	SYSCALL
	RET
kernel:
	// Raised by the kernel: SIGILL(4) SIGTRAP(5) SIGABRT(6) SIGBUS(7) SIGFPE(8) SIGSEGV(11)
	// SIGSYS(31) are faults; the others (a terminal's SIGHUP, say) are news like any.
	MOVQ DI, CX
	MOVQ $0x800009f0, AX
	BTQ  CX, AX
	JCC  record
chain:
	LEAQ ·next(SB), AX
	MOVQ (AX)(DI*8), AX
	TESTQ AX, AX
	JEQ  done
	JMP  AX
done:
	RET

#include "textflag.h"

// func handlerAddress() uintptr
TEXT ·handlerAddress(SB), NOSPLIT, $0-8
	MOVD $·handler(SB), R0
	MOVD R0, ret+0(FP)
	RET

// The kernel calls this on the signal stack as handler(signal R0, siginfo R1, context R2), with the
// link register set to the trampoline that ends the signal. See the amd64 version for the why.
TEXT ·handler(SB), NOSPLIT|NOFRAME, $0-0
	MOVW 8(R1), R9
	CMPW $0, R9
	BGT  kernel
	MOVW 16(R1), R9
	MOVW ·selfPID(SB), R10
	CMPW R10, R9
	BEQ  chain
record:
	MOVW ·pipeFD(SB), R0
	MOVD $24, R2
	MOVD $64, R8 // write
	SVC
	RET
kernel:
	MOVD $0x800009f0, R9
	LSR  R0, R9, R9
	TBZ  $0, R9, record
chain:
	MOVD $·next(SB), R9
	LSL  $3, R0, R10
	ADD  R10, R9, R9
	MOVD (R9), R9
	CBZ  R9, done
	JMP  (R9)
done:
	RET

#include "textflag.h"

// func entry()
TEXT ·entry(SB), NOSPLIT|NOFRAME, $0
	MOVQ $157, AX // prctl
	MOVQ $30, DI  // PR_GET_TIMERSLACK
	SYSCALL
	CMPQ AX, $0
	JLE  begin // the kernel doesn't say
	MOVQ AX, ·original(SB)
	MOVQ $157, AX
	MOVQ $29, DI // PR_SET_TIMERSLACK
	MOVQ $1000000, SI
	SYSCALL

begin:
	JMP _rt0_amd64_linux(SB)

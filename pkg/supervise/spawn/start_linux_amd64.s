#include "textflag.h"

// Nothing here touches the stack between clone and execve: the child has the parent's.
// The kernel keeps all registers but AX, CX and R11.

// func start(s *state)
TEXT ·start(SB), NOSPLIT, $0-8
	MOVQ s+0(FP), R12

	// Block all signals: a handler must not run in the child.
	MOVQ $2, DI          // SIG_SETMASK
	LEAQ 64(R12), SI     // all
	LEAQ 72(R12), DX     // mask
	MOVQ $8, R10
	MOVQ $14, AX         // rt_sigprocmask
	SYSCALL

	MOVQ $0x4111, DI     // CLONE_VFORK | CLONE_VM | SIGCHLD
	XORL SI, SI
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	MOVQ $56, AX         // clone
	SYSCALL
	TESTQ AX, AX
	JEQ  child
	MOVQ AX, 48(R12)     // pid

	MOVQ $2, DI
	LEAQ 72(R12), SI
	XORL DX, DX
	MOVQ $8, R10
	MOVQ $14, AX
	SYSCALL
	RET

child:
	// Handlers are those of the parent's program until execve: away with them before signals come.
	MOVQ $1, R13
next:
	MOVQ 40(R12), AX     // caught
	MOVQ R13, CX
	DECQ CX
	BTQ  CX, AX
	JCC  skip
	MOVQ R13, DI
	LEAQ 80(R12), SI     // zero
	XORL DX, DX
	MOVQ $8, R10
	MOVQ $13, AX         // rt_sigaction
	SYSCALL
skip:
	INCQ R13
	CMPQ R13, $64
	JLE  next

	CMPQ 24(R12), $0     // session
	JEQ  group
	MOVQ $112, AX        // setsid
	SYSCALL
	JMP  death
group:
	XORL DI, DI
	XORL SI, SI
	MOVQ $109, AX        // setpgid
	SYSCALL
	MOVQ $39, AX         // getpid
	SYSCALL
	MOVQ AX, 112(R12)
	XORL DI, DI
	MOVQ $0x5410, SI     // TIOCSPGRP
	LEAQ 112(R12), DX
	MOVQ $16, AX         // ioctl; SIGTTOU is blocked
	SYSCALL
	XORL DI, DI
	MOVQ $0x5402, SI     // TCSETS
	MOVQ 120(R12), DX    // terminal
	MOVQ $16, AX         // ioctl
	SYSCALL
death:
	MOVQ $1, DI          // PR_SET_PDEATHSIG
	MOVQ $9, SI          // SIGKILL
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	MOVQ $157, AX        // prctl
	SYSCALL
	MOVQ $110, AX        // getppid
	SYSCALL
	CMPQ AX, 32(R12)     // parent
	JNE  gone            // it died just before

	MOVQ $2, DI
	LEAQ 72(R12), SI
	XORL DX, DX
	MOVQ $8, R10
	MOVQ $14, AX         // rt_sigprocmask
	SYSCALL

	MOVQ 128(R12), DI    // files
	TESTQ DI, DI
	JEQ  paths
	XORL SI, SI
	MOVQ $33, AX         // dup2
	SYSCALL
	MOVQ $1, SI
	MOVQ $33, AX
	SYSCALL
	MOVQ $2, SI
	MOVQ $33, AX
	SYSCALL
paths:
	MOVQ 0(R12), R13     // paths
	MOVQ $2, R15         // ENOENT, unless something says more
try:
	MOVQ (R13), DI
	TESTQ DI, DI
	JEQ  exit
	ADDQ $8, R13
	MOVQ 8(R12), SI      // argv
	MOVQ 16(R12), DX     // env
	MOVQ $59, AX         // execve
	SYSCALL
	NEGQ AX
	CMPQ AX, $2          // ENOENT
	JEQ  try
	CMPQ AX, $20         // ENOTDIR
	JEQ  try
	MOVQ AX, R15
	CMPQ AX, $13         // EACCES: a later directory may have one that can be executed
	JEQ  try
exit:
	MOVQ R15, 56(R12)    // errno
gone:
	MOVQ $127, DI
	MOVQ $60, AX         // exit
	SYSCALL
	INT  $3

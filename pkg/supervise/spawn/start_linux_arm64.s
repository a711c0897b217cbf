#include "textflag.h"

// See the amd64 version for the why. The kernel keeps all registers but R0.

// func start(s *state)
TEXT ·start(SB), NOSPLIT, $0-8
	MOVD s+0(FP), R12

	MOVD $2, R0          // SIG_SETMASK
	ADD  $64, R12, R1    // all
	ADD  $72, R12, R2    // mask
	MOVD $8, R3
	MOVD $135, R8        // rt_sigprocmask
	SVC

	MOVD $0x4111, R0     // CLONE_VFORK | CLONE_VM | SIGCHLD
	MOVD ZR, R1
	MOVD ZR, R2
	MOVD ZR, R3
	MOVD ZR, R4
	MOVD $220, R8        // clone
	SVC
	CBZ  R0, child
	MOVD R0, 48(R12)     // pid

	MOVD $2, R0
	ADD  $72, R12, R1
	MOVD ZR, R2
	MOVD $8, R3
	MOVD $135, R8
	SVC
	RET

child:
	MOVD $1, R13
next:
	MOVD 40(R12), R9     // caught
	SUB  $1, R13, R10
	LSR  R10, R9, R9
	TBZ  $0, R9, skip
	MOVD R13, R0
	ADD  $80, R12, R1    // zero
	MOVD ZR, R2
	MOVD $8, R3
	MOVD $134, R8        // rt_sigaction
	SVC
skip:
	ADD  $1, R13
	CMP  $64, R13
	BLE  next

	MOVD 24(R12), R9     // session
	CBZ  R9, group
	MOVD $157, R8        // setsid
	SVC
	B    death
group:
	MOVD ZR, R0
	MOVD ZR, R1
	MOVD $154, R8        // setpgid
	SVC
	MOVD $172, R8        // getpid
	SVC
	MOVD R0, 112(R12)
	MOVD ZR, R0
	MOVD $0x5410, R1     // TIOCSPGRP
	ADD  $112, R12, R2
	MOVD $29, R8         // ioctl
	SVC
	MOVD ZR, R0
	MOVD $0x5402, R1     // TCSETS
	MOVD 120(R12), R2    // terminal
	MOVD $29, R8         // ioctl
	SVC
death:
	MOVD $1, R0          // PR_SET_PDEATHSIG
	MOVD $9, R1          // SIGKILL
	MOVD ZR, R2
	MOVD ZR, R3
	MOVD ZR, R4
	MOVD $167, R8        // prctl
	SVC
	MOVD $173, R8        // getppid
	SVC
	MOVD 32(R12), R9     // parent
	CMP  R0, R9
	BNE  gone

	MOVD $2, R0
	ADD  $72, R12, R1
	MOVD ZR, R2
	MOVD $8, R3
	MOVD $135, R8        // rt_sigprocmask
	SVC

	MOVD 128(R12), R9    // files
	CBZ  R9, paths
	MOVD $24, R8         // dup3
	MOVD R9, R0
	MOVD ZR, R1
	MOVD ZR, R2
	SVC
	MOVD R9, R0
	MOVD $1, R1
	SVC
	MOVD R9, R0
	MOVD $2, R1
	SVC
paths:
	MOVD 0(R12), R13     // paths
	MOVD $2, R14         // ENOENT
try:
	MOVD (R13), R0
	CBZ  R0, exit
	ADD  $8, R13
	MOVD 8(R12), R1      // argv
	MOVD 16(R12), R2     // env
	MOVD $221, R8        // execve
	SVC
	NEG  R0, R0
	CMP  $2, R0          // ENOENT
	BEQ  try
	CMP  $20, R0         // ENOTDIR
	BEQ  try
	MOVD R0, R14
	CMP  $13, R0         // EACCES
	BEQ  try
exit:
	MOVD R14, 56(R12)    // errno
gone:
	MOVD $127, R0
	MOVD $93, R8         // exit
	SVC
	BRK  $0

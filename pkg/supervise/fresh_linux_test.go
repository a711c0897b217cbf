package supervise_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// line is a line of docs/fresh.md, in shell. $dir is a directory of the test's own, $tool this test
// binary, see freshTool.
type line struct {
	// given is done where the runtime would do it: before the shim is started.
	given string
	// see prints the thing as one line.
	see string
	// spoil changes it. It may replace the shell: exec … "$0" spoiled.
	spoil string
	// inherited says that the next attempt sees what was changed.
	inherited bool
}

var lines = map[string]line{
	"working directory":           {see: `pwd -P`, spoil: `cd /`},
	"working directory, replaced": {see: `[ . -ef "$dir/work" ] && echo same || echo other`, spoil: `mv "$dir/work" "$dir/old"; mkdir "$dir/work"`},
	"working directory, removed":  {see: `[ . -ef "$dir/work" ] && echo same || echo other`, spoil: `rmdir "$dir/work"`},
	"umask":                       {given: `umask 027`, see: `umask`, spoil: `umask 0`},
	"rlimits": {given: `ulimit -S -n 1000; ulimit -S -s 4096`, see: `tr -s ' \n' ' ' < /proc/$$/limits; echo`,
		spoil: `ulimit -n 500; ulimit -S -s 2048; ulimit -c 0; ulimit -f 1000`},
	"signal dispositions": {given: `trap '' HUP`, see: `echo $(grep -E 'SigIgn|SigCgt' /proc/$$/status)`, spoil: `trap '' TERM INT PIPE USR2; trap : CHLD`},
	"oom_score_adj":       {given: `echo 300 > /proc/$$/oom_score_adj`, see: `cat /proc/$$/oom_score_adj`, spoil: `echo 700 > /proc/$$/oom_score_adj`},
	"file descriptors":    {see: `ls /proc/$$/fd > "$dir/list"; echo $(cat "$dir/list")`, spoil: `exec 7> "$dir/file" 8< /dev/null`},
	"file descriptor flags": {see: `echo $(grep -h flags /proc/$$/fdinfo/0 /proc/$$/fdinfo/1 /proc/$$/fdinfo/2)`,
		spoil: `FRESH_TOOL=flags "$tool"`},
	"pipe capacity":     {see: `FRESH_TOOL=capacity "$tool"`, spoil: `FRESH_TOOL=shrink "$tool"`},
	"nice":              {given: `renice -n 3 -p $$ > /dev/null`, see: `nice`, spoil: `renice -n 9 -p $$ > /dev/null`},
	"ioprio":            {given: `ionice -c 2 -n 5 -p $$`, see: `ionice -p $$`, spoil: `ionice -c 3 -p $$`},
	"scheduling policy": {see: `echo $(chrt -p $$ | sed 's/^.*: //')`, spoil: `chrt --batch -p 0 $$`},
	"CPU affinity":      {see: `taskset -p $$ | sed 's/.*: //'`, spoil: `taskset -p 1 $$ > /dev/null`},
	"timer slack":       {see: `cat /proc/$$/timerslack_ns`, spoil: `echo 70000 > /proc/$$/timerslack_ns`},
	"personality":       {see: `cat /proc/$$/personality`, spoil: `exec setarch --addr-no-randomize /bin/sh "$0" spoiled`},
	"privileges": {see: `echo $(grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/$$/status)`,
		spoil: `exec setpriv --no-new-privs --bounding-set -all --groups 1 /bin/sh "$0" spoiled`},
	"termination message": {see: `[ -s "$dir/message" ] && echo written || echo empty`, spoil: `echo written > "$dir/message"`},
	"environment":         {given: `export GIVEN=1`, see: `echo $(env | grep -E 'GIVEN|MORE|PATH')`, spoil: `export MORE=1 GIVEN=2; PATH=$PATH:/more`},

	"root filesystem":     {see: `cat "$dir/written" 2> /dev/null || echo none`, spoil: `echo written > "$dir/written"`, inherited: true},
	"POSIX shared memory": {see: `cat "/dev/shm/$name" 2> /dev/null || echo none`, spoil: `echo written > "/dev/shm/$name"`, inherited: true},
	"System V IPC": {see: `ipcs -m -i "$(cat "$dir/segment" 2> /dev/null)" > /dev/null 2>&1 && echo segment || echo none`,
		spoil: `ipcmk -M 4096 | sed 's/[^0-9]//g' > "$dir/segment"`, inherited: true},
	"standard input": {see: `cat "$dir/rest" 2> /dev/null || echo unread`, spoil: `read first; echo "$first" > "$dir/rest"`, inherited: true},
}

const freshScript = `
dir=%q tool=%q name=%q
see() { %s
}
[ "$1" = look ] && { see; exit 0; }
[ "$1" = spoiled ] && { see; exit 42; }
[ -e "$dir/again" ] && { see; exit 0; }
see
: > "$dir/again"
%s
see
exit 42
`

// TestFresh lets the first attempt spoil something and the second one look. What the first one gets
// is what it would get of the container runtime, without the shim.
func TestFresh(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: some things can only be spoiled by root")
	}
	tool, err := os.Executable()
	require.NoError(t, err)
	for name, line := range lines {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			work := filepath.Join(dir, "work")
			require.NoError(t, os.Mkdir(work, 0o755))
			unique := strings.ReplaceAll(filepath.Base(filepath.Dir(dir)), "/", "")
			t.Cleanup(func() {
				_ = os.Remove("/dev/shm/" + unique)
				if id, err := os.ReadFile(filepath.Join(dir, "segment")); err == nil {
					require.NoError(t, exec.Command("ipcrm", "-m", strings.TrimSpace(string(id))).Run())
				}
			})
			script := filepath.Join(dir, "script")
			require.NoError(t, os.WriteFile(script, fmt.Appendf(nil, freshScript, dir, tool, unique, line.see, line.spoil), 0o755))

			s := start(t, []string{restart42, noBackoff, "--seam=off", "--termination-message=" + filepath.Join(dir, "message")}, []string{"/bin/sh", script}, pipeStdin(t), func(cmd *exec.Cmd) {
				cmd.Dir = work
				cmd.Path = "/bin/sh"
				cmd.Args = append([]string{"sh", "-c", line.given + "\n/bin/sh " + script + ` look; exec "$@"`, "sh"}, cmd.Args...)
			})
			s.send("first\nsecond\n")
			seen, code := s.wait()
			require.Zero(t, code, "%s %s", seen, s.stderr)
			require.Len(t, seen, 4, s.stderr.String())
			native, first, spoiled, second := seen[0], seen[1], seen[2], seen[3]
			require.Equal(t, native, first, "without the shim and with it")
			require.NotEqual(t, first, spoiled, "nothing was spoiled, so the test shows nothing")
			if line.inherited {
				require.Equal(t, spoiled, second)
			} else {
				require.Equal(t, first, second)
			}
		})
	}
}

// Nobody can spoil it: a leader of a session can't leave it.
func TestFreshSession(t *testing.T) {
	again := filepath.Join(t.TempDir(), "again")
	s := start(t, []string{restart42, noBackoff, "--seam=off"}, sh(`
		read pid comm state parent group session terminal rest < /proc/$$/stat
		echo $pid $group $session $terminal
		[ -e `+again+` ] && exit 0; : > `+again+`; exit 42`))
	seen, code := s.wait()
	require.Zero(t, code)
	require.Len(t, seen, 2)
	require.NotEqual(t, seen[0], seen[1])
	for _, text := range seen {
		id := strings.Fields(text)
		require.Equal(t, []string{id[0], id[0], id[0], "0"}, id, "process, group, session, terminal")
	}
}

// Here the command is the tool: a shell sets no timer and clears its mask.
func TestFreshTimersAndSignalMask(t *testing.T) {
	tool, err := os.Executable()
	require.NoError(t, err)
	again := filepath.Join(t.TempDir(), "again")
	s := start(t, []string{restart42, noBackoff, "--seam=off"}, []string{tool}, func(cmd *exec.Cmd) {
		cmd.Env = append(os.Environ(), "FRESH_TOOL=timer", "AGAIN="+again)
	})
	seen, code := s.wait()
	require.Zero(t, code, s.stderr.String())
	const fresh, spoiled = "timer=0 mask=0", "timer=3600 mask=4800"
	require.Equal(t, []string{fresh, spoiled, fresh}, seen)
}

func TestFreshTerminal(t *testing.T) {
	tool, err := os.Executable()
	require.NoError(t, err)
	for name, line := range map[string]line{
		"attributes": {see: `stty -g`, spoil: `stty raw -echo -isig min 0 time 5 intr ^A`},
		"foreground": {see: `read pid comm state parent group session terminal foreground rest < /proc/$$/stat; echo $((foreground - pid))`,
			spoil: `FRESH_TOOL=foreground "$tool"`},
		"controlling terminal": {see: `read pid comm state parent group session terminal rest < /proc/$$/stat; 
			(: < /dev/tty) 2> /dev/null && echo $terminal open || echo $terminal closed`,
			spoil: `FRESH_TOOL=leave exec "$tool" /bin/sh "$0" spoiled`},
		"window size": {see: `stty size`, spoil: `stty rows 7 columns 70`, inherited: true},
		"file descriptor flags": {see: `echo $(grep -h flags /proc/$$/fdinfo/0 /proc/$$/fdinfo/1 /proc/$$/fdinfo/2)`,
			spoil: `FRESH_TOOL=flags "$tool"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			script := filepath.Join(dir, "script")
			require.NoError(t, os.WriteFile(script, fmt.Appendf(nil, freshScript, dir, tool, "", line.see, line.spoil), 0o755))
			ours, theirs := openTerminal(t)
			start(t, []string{restart42, noBackoff, "--seam=off"}, []string{"/bin/sh", script}, func(cmd *exec.Cmd) {
				cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
				cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
			})
			// The screen has no end: this process has the other end open, too.
			require.NoError(t, ours.SetReadDeadline(time.Now().Add(deadline)))
			screen := bufio.NewScanner(ours)
			next := func() string {
				require.True(t, screen.Scan(), "%v", screen.Err())
				return strings.TrimSpace(screen.Text())
			}
			first, spoiled, second := next(), next(), next()
			require.NotEqual(t, first, spoiled, "nothing was spoiled, so the test shows nothing")
			if line.inherited {
				require.Equal(t, spoiled, second)
			} else {
				require.Equal(t, first, second)
			}
		})
	}
}

// freshTool does what a shell can't.
func init() {
	tool := os.Getenv("FRESH_TOOL")
	if tool == "" {
		return
	}
	check := func(errno syscall.Errno) {
		if errno != 0 {
			fmt.Fprintln(os.Stderr, tool, errno)
			os.Exit(1)
		}
	}
	fcntl := func(fd, command, argument uintptr) uintptr {
		result, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, fd, command, argument)
		check(errno)
		return result
	}
	const setPipeSize, getPipeSize = 1031, 1032
	os.Unsetenv("FRESH_TOOL")
	switch tool {
	case "flags":
		for fd := range uintptr(3) {
			fcntl(fd, syscall.F_SETFL, syscall.O_NONBLOCK|syscall.O_APPEND|syscall.O_ASYNC)
		}
	case "capacity":
		fmt.Println(fcntl(0, getPipeSize, 0), fcntl(1, getPipeSize, 0))
	case "shrink":
		fcntl(0, setPipeSize, 4096)
		fcntl(1, setPipeSize, 8192)
	case "leave":
		// Only this process leaves: it leads no session.
		_, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, 0, syscall.TIOCNOTTY, 0)
		check(errno)
		check(syscall.Exec(os.Args[1], os.Args[1:], os.Environ()).(syscall.Errno))
	case "foreground":
		signal.Ignore(syscall.SIGTTOU)
		check(errnoOf(syscall.Setpgid(0, 0)))
		group := int32(os.Getpid())
		_, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, 0, syscall.TIOCSPGRP, uintptr(unsafe.Pointer(&group)))
		check(errno)
	case "timer":
		timerAndMask := func() {
			var timer [4]int64
			_, _, errno := syscall.RawSyscall(syscall.SYS_GETITIMER, 0, uintptr(unsafe.Pointer(&timer)), 0)
			check(errno)
			var mask uint64
			_, _, errno = syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 0, 0, uintptr(unsafe.Pointer(&mask)), 8, 0, 0)
			check(errno)
			fmt.Printf("timer=%d mask=%x\n", (timer[2]*1e6+timer[3]+999999)/1e6, mask)
		}
		timerAndMask()
		if _, err := os.Stat(os.Getenv("AGAIN")); err == nil {
			os.Exit(0)
		}
		timer := [4]int64{0, 0, 3600, 0}
		_, _, errno := syscall.RawSyscall(syscall.SYS_SETITIMER, 0, uintptr(unsafe.Pointer(&timer)), 0)
		check(errno)
		mask := uint64(1<<(syscall.SIGTERM-1) | 1<<(syscall.SIGUSR2-1))
		_, _, errno = syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 0, uintptr(unsafe.Pointer(&mask)), 0, 8, 0, 0)
		check(errno)
		timerAndMask()
		check(errnoOf(os.WriteFile(os.Getenv("AGAIN"), nil, 0o644)))
		os.Exit(42)
	}
	os.Exit(0)
}

func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	return syscall.EIO
}

// What a supervisor takes at least. Compiled when it is measured.
//
//   supervisor run PROGRAM ARG...      starts the program, passes signals on, starts it again when it ends
//   supervisor once PROGRAM ARG...     starts the program, passes signals on, ends with its code
//   supervisor floor N PROGRAM ARG...  starts the program and waits for its end, N times, every 2 ms; prints nanoseconds
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static sigset_t all, before;

static pid_t start(char **argv) {
	pid_t pid = vfork();
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static int supervise(char **argv, int again) {
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	for (pid_t pid = start(argv);;) {
		int signal = sigwaitinfo(&all, NULL), status;
		if (signal != SIGCHLD) {
			if (signal > 0)
				kill(pid, signal);
			continue;
		}
		for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
			if (ended != pid)
				continue;
			if (!again)
				return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			pid = start(argv);
		}
	}
}

static long long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int measure(int times, char **argv) {
	sigprocmask(SIG_BLOCK, NULL, &before);
	for (; times > 0; times--) {
		long long began = now();
		int status;
		waitpid(start(argv), &status, 0);
		printf("%lld\n", now() - began);
		usleep(2000);
	}
	return 0;
}

int main(int argc, char **argv) {
	if (argc > 2 && !strcmp(argv[1], "run"))
		return supervise(argv + 2, 1);
	if (argc > 2 && !strcmp(argv[1], "once"))
		return supervise(argv + 2, 0);
	if (argc > 3 && !strcmp(argv[1], "floor"))
		return measure(atoi(argv[2]), argv + 3);
	return 2;
}

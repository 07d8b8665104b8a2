// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "target/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include "target/maps.h"

/* In the child: execs, or says by the pipe why not. Its signals are as memwatch found them. */
static _Noreturn void exec_traced(char *const *argv, int failure_fd)
{
	int code;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (!ptrace(PTRACE_TRACEME, 0, NULL, NULL)) {
		raise(SIGSTOP); /* so that the parent can set options before the exec */
		execvp(argv[0], argv);
	}
	code = errno;
	if (write(failure_fd, &code, sizeof(code)) != sizeof(code))
		_exit(126);
	_exit(127);
}

/* The next stop's status. -ECHILD: it ended instead, which @launch then says. */
static int wait_stop(struct launch *launch, int *status)
{
	pid_t got;

	do {
		got = waitpid(launch->pid, status, __WALL);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (WIFSTOPPED(*status))
		return 0;
	launch->ended = true;
	launch->status = *status;
	return -ECHILD;
}

/* From the child's own stop to the end of its execve. -ECHILD: it ended instead. */
static int wait_exec(struct launch *launch)
{
	int status, err, signal_number = 0;

	err = wait_stop(launch, &status);
	if (!err && ptrace(PTRACE_SETOPTIONS, launch->pid, NULL, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD))
		err = -errno;
	while (!err) {
		if (ptrace(PTRACE_CONT, launch->pid, NULL, signal_number))
			return -errno;
		err = wait_stop(launch, &status);
		if (!err && status >> 8 == (SIGTRAP | (PTRACE_EVENT_EXEC << 8)))
			return 0;
		signal_number = err ? 0 : WSTOPSIG(status);
	}
	return err;
}

int launch__start(char *const *argv, struct launch *launch, struct error *error)
{
	int pipe_fds[2], code = 0, err;

	if (pipe2(pipe_fds, O_CLOEXEC))
		return error__set(error, errno, "cannot start %s: %s", argv[0], strerror(errno));
	memset(launch, 0, sizeof(*launch));
	launch->pid = fork();
	if (!launch->pid)
		exec_traced(argv, pipe_fds[1]);
	close(pipe_fds[1]);
	err = launch->pid < 0 ? -errno : wait_exec(launch);
	/* The pipe closes by itself where the exec succeeds. */
	if (err == -ECHILD && read(pipe_fds[0], &code, sizeof(code)) == sizeof(code))
		err = -code;
	close(pipe_fds[0]);
	if (err)
		return error__set(error, -err, "cannot run '%s': %s", argv[0],
				  err == -ECHILD ? "it ended at once" : strerror(-err));
	return 0;
}

/* The mapping of the dynamic linker, which holds the instruction pointer when an exec has just ended; 0:
 * none. */
static int find_loader(pid_t pid, uint64_t ip, uint64_t *inode, struct error *error)
{
	const struct mapping *mapping;
	struct maps maps = {0};
	int err;

	err = maps__read(pid, &maps, error);
	if (err)
		return err;
	mapping = maps__find(&maps, ip);
	*inode = mapping ? mapping->inode : 0;
	maps__free(&maps);
	return 0;
}

static int is_in_loader(pid_t pid, uint64_t ip, uint64_t inode, struct error *error)
{
	uint64_t here = 0;
	int err = find_loader(pid, ip, &here, error);

	return err ? err : here == inode;
}

/* Lets it go to the next stop at a system call. 1: there, with @regs; 0: it ended; or a negative errno. */
static int next_system_call(struct launch *launch, struct user_regs_struct *regs)
{
	int status, err, signal_number = 0;

	for (;;) {
		/* ESRCH: killed while it stood still; its end is waited for */
		if (ptrace(PTRACE_SYSCALL, launch->pid, NULL, signal_number) && errno != ESRCH)
			return -errno;
		err = wait_stop(launch, &status);
		if (err)
			return err == -ECHILD ? 0 : err;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			break;
		/* Another exec, or a signal, which is passed on. */
		signal_number = status >> 16 ? 0 : WSTOPSIG(status);
	}
	if (ptrace(PTRACE_GETREGS, launch->pid, NULL, regs))
		return errno == ESRCH ? 0 : -errno;
	return 1;
}

/* musl's dynamic linker is its C library: there, a call that no linker makes tells that the program runs. */
static bool is_loaders_call(unsigned long long number)
{
	static const unsigned short numbers[] = {
		SYS_read,       SYS_open,
		SYS_openat,     SYS_close,
		SYS_fstat,      SYS_newfstatat,
		SYS_stat,       SYS_mmap,
		SYS_munmap,     SYS_mprotect,
		SYS_pread64,    SYS_access,
		SYS_faccessat,  SYS_readlink,
		SYS_getcwd,     SYS_brk,
		SYS_arch_prctl, SYS_set_tid_address,
		SYS_getrandom,  SYS_rseq,
		SYS_prlimit64,  SYS_set_robust_list,
		SYS_lseek,      SYS_madvise,
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (numbers[i] == number)
			return true;
	}
	return false;
}

/*
 * The dynamic linker makes its system calls itself. The first one from elsewhere comes from a constructor or
 * the program, when everything that it was linked with has been mapped.
 */
static int follow_loader(struct launch *launch, uint64_t loader, int (*mapped)(void *context), void *context,
			 struct error *error)
{
	struct user_regs_struct regs;
	bool entry = true; /* the first stop is the exit of the execve that it stands in */
	int here = 1, err = 0;

	for (;;) {
		entry = !entry;
		here = next_system_call(launch, &regs);
		if (here <= 0)
			return here;
		if (entry) {
			here = is_in_loader(launch->pid, regs.rip, loader, error);
			if (here <= 0 || !is_loaders_call(regs.orig_rax))
				return here < 0 ? here : 0;
		} else if (regs.orig_rax == SYS_mmap && (regs.rdx & PROT_EXEC)) {
			err = mapped(context);
			if (err)
				return err;
		}
	}
}

int launch__run(struct launch *launch, int (*mapped)(void *context), void *context, struct error *error)
{
	struct user_regs_struct regs;
	uint64_t loader = 0;
	int err;

	if (ptrace(PTRACE_GETREGS, launch->pid, NULL, &regs))
		return error__set(error, errno, "cannot start process %d: %s", launch->pid, strerror(errno));
	err = find_loader(launch->pid, regs.rip, &loader, error);
	err = err ? err : mapped(context);
	err = err ? err : follow_loader(launch, loader, mapped, context, error);
	if (err)
		return err;
	if (!launch->ended && ptrace(PTRACE_DETACH, launch->pid, NULL, NULL) && errno != ESRCH)
		return error__set(error, errno, "cannot let go of process %d: %s", launch->pid,
				  strerror(errno));
	return 0;
}

void launch__kill(struct launch *launch)
{
	int status;

	if (launch->pid <= 0 || launch->ended)
		return;
	kill(launch->pid, SIGKILL);
	while (!wait_stop(launch, &status))
		;
}

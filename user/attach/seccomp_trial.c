// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "attach/features.h"
#include "attach/trial.h"

#define URETPROBE_SYSCALL 335 /* arch/x86/entry/syscalls/syscall_64.tbl */

/* In the child: a filter that kills the one system call it could not have known, then a probed call. */
static _Noreturn void run_filtered(int go_fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, URETPROBE_SYSCALL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
	char go;

	if (read(go_fd, &go, 1) != 1)
		_exit(2);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(2);
	trial__call(false);
	_exit(0);
}

int features__seccomp_kills(enum attach_mode mode, struct error *error)
{
	struct trial *trial = NULL;
	int pipe_fds[2], status = 0, err;
	pid_t child;

	if (pipe2(pipe_fds, O_CLOEXEC))
		return error__set(error, errno, "cannot try out seccomp: %s", strerror(errno));
	child = fork();
	if (!child)
		run_filtered(pipe_fds[0]);
	err = child < 0 ? -errno : trial__new(mode, child, &trial);
	if (!err && write(pipe_fds[1], "", 1) != 1)
		err = -errno;
	close(pipe_fds[1]); /* without a byte the child sees the end of the pipe and goes */
	close(pipe_fds[0]);
	if (child > 0 && waitpid(child, &status, 0) < 0 && !err)
		err = -errno;
	trial__free(trial);
	if (err)
		return error__set(error, -err, "cannot try out return probes under seccomp: %s",
				  strerror(-err));
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS;
	if (WEXITSTATUS(status))
		return error__set(error, EIO,
				  "cannot try out return probes under seccomp: no filter could be set");
	return 0;
}

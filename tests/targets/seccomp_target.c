// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Lets itself do read, write and exit, and what its allocator needs, then allocates as it is told: each line
 * read is one block of 111 bytes kept and 100 freed. Any other system call kills it, the one by which a
 * return probe ends (uretprobe) too on kernels that let filters see it. Handshake: "ready", then "ok" for
 * each line, until the end.
 */
#include <err.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include "handshake.h"

#define ALLOW(number)                                                                                        \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void lock_up(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_read),
		ALLOW(SYS_write),
		ALLOW(SYS_brk),
		ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		err(1, "seccomp");
}

static __attribute__((noinline)) void keep(void)
{
	opaque(malloc(111)); /* kept */
}

int main(void)
{
	char byte;

	free(opaque(malloc(10))); /* the heap is there */
	lock_up();
	say("ready");
	while (read(STDIN_FILENO, &byte, 1) == 1) {
		if (byte != '\n')
			continue;
		keep();
		for (int i = 0; i < 100; i++)
			free(opaque(malloc(200)));
		say("ok");
	}
	_exit(0);
}

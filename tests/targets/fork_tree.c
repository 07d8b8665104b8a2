// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A tree of processes, each with blocks of its own: the process at depth d keeps d + 1 blocks of 1000 bytes,
 * frees one that it inherited, and has two children down to DEPTH. "pid PID DEPTH" is printed for each.
 *
 * usage: fork_tree [DEPTH]
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include "handshake.h"

static __attribute__((noinline)) void keep(int count)
{
	for (int i = 0; i < count; i++)
		memset(opaque(malloc(1000)), 1, 1000); /* kept */
}

static void print_self(int depth)
{
	char line[64];
	int length = snprintf(line, sizeof(line), "pid %d %d\n", getpid(), depth);

	if (write(STDOUT_FILENO, line, length) != length)
		_exit(1);
}

static void grow(int depth, int limit)
{
	void *inherited = opaque(malloc(77)); /* freed by the children alone */
	int status;

	print_self(depth);
	keep(depth + 1);
	for (int i = 0; i < 2 && depth < limit; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (pid == 0) {
			free(inherited);
			grow(depth + 1, limit);
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			errx(1, "child: status %#x", status);
	}
	opaque(inherited);
}

int main(int argc, char **argv)
{
	grow(0, argc > 1 ? atoi(argv[1]) : 2);
	return 0;
}

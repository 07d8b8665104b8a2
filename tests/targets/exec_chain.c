// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Executes itself STEPS times, keeping (step) blocks of 500 bytes each time, then PROGRAM if there is one.
 * What one program image kept is gone with it.
 *
 * usage: exec_chain STEPS [PROGRAM [ARG...]]
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include "handshake.h"

static __attribute__((noinline)) void keep(int count)
{
	for (int i = 0; i < count; i++)
		memset(opaque(malloc(500)), 1, 500); /* kept */
}

int main(int argc, char **argv)
{
	int steps = argc > 1 ? atoi(argv[1]) : 0;
	char left[16];

	keep(steps + 1);
	if (steps > 0) {
		snprintf(left, sizeof(left), "%d", steps - 1);
		argv[1] = left;
		execv("/proc/self/exe", argv);
		err(1, "exec");
	}
	if (argc > 2) {
		execvp(argv[2], argv + 2);
		err(1, "%s", argv[2]);
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Starting a program so that probes are in before its first instruction of interest. It is traced (ptrace)
 * only while the dynamic linker maps its libraries, and runs free from then on.
 */
#ifndef MEMWATCH_TARGET_LAUNCH_H
#define MEMWATCH_TARGET_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>
#include "base/error.h"

struct launch {
	pid_t pid;  /* a child of ours: the caller waits for it in the end, unless it has */
	bool ended; /* already, with @status as waitpid(2) gave it */
	int status;
};

/* Starts @argv (searched in PATH) and holds it at the end of its execve. Returns 0 or a negative errno. */
int launch__start(char *const *argv, struct launch *launch, struct error *error);

/*
 * Lets it run until its libraries are mapped, calling @mapped whenever new code has been mapped, while it
 * stands still; then lets go of it. Returns 0, what @mapped returned if that is not 0 (the program is killed
 * then), or a negative errno.
 */
int launch__run(struct launch *launch, int (*mapped)(void *context), void *context, struct error *error);

/* Ends a program that is still held. */
void launch__kill(struct launch *launch);

#endif

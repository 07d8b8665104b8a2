/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What /proc says of a process, and whether it can be watched. */
#ifndef MEMWATCH_TARGET_PROCESS_H
#define MEMWATCH_TARGET_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"

struct process {
	pid_t pid;            /* as memwatch's own pid namespace numbers it */
	char comm[16];        /* printable: other bytes are '?' */
	uint64_t start_ticks; /* field 22 of /proc/PID/stat: USER_HZ since boot */
	int seccomp;          /* /proc/PID/status, Seccomp: 0 none, 1 strict, 2 filter */
	bool kernel_thread;
	bool zombie;
};

/* Reads @pid. -ESRCH: no such process; -EACCES: not ours to see. The error says which, and what to do. */
int process__read(pid_t pid, struct process *process, struct error *error);

/* Refuses what cannot be watched: kernel threads, zombies, 32-bit programs. Returns 0 or a negative errno. */
int process__check(const struct process *process, struct error *error);

/* Resident bytes (VmRSS, by /proc/PID/statm); -ESRCH once it has ended. */
int process__rss(pid_t pid, uint64_t *bytes);

/* Whether the process that @process was read from still runs (same pid, same start). */
bool process__alive(const struct process *process);

#endif

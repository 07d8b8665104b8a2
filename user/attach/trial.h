/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A probe that only counts, on a function of memwatch's own: how features are found out. */
#ifndef MEMWATCH_ATTACH_TRIAL_H
#define MEMWATCH_ATTACH_TRIAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "attach/features.h"

struct trial;
/* Attaches entry and return by @mode for process @pid (0: every process; not with ATTACH_PERF). 0 or a
 * negative errno. */
int trial__new(enum attach_mode mode, pid_t pid, struct trial **trial);
void trial__free(struct trial *trial);
/* Calls the function once, from a thread of its own if @thread: an attached trial counts 2. */
void trial__call(bool thread);
uint64_t trial__hits(const struct trial *trial);

#endif

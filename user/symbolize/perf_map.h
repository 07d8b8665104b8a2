/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * /tmp/perf-PID.map, by which JIT compilers name their code: lines of "START SIZE name", numbers in hex
 * (tools/perf/Documentation/jit-interface.txt of Linux).
 */
#ifndef MEMWATCH_SYMBOLIZE_PERF_MAP_H
#define MEMWATCH_SYMBOLIZE_PERF_MAP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/log.h"

struct perf_map;

/* For @pid, below its root in @directory. NULL: out of memory. Nothing is read yet. */
struct perf_map *perf_map__new(pid_t pid, const char *directory, const struct log *log);

/*
 * Reads the file again if it has changed, at most once a second. It must be a regular file of the target's
 * user or of root, and no link; at most 32 MiB and a million lines of it are used. Without a file, what was
 * read before stays.
 */
void perf_map__refresh(struct perf_map *map);

/* The name that was last given to @address, or NULL; valid until the next refresh. */
const char *perf_map__find(const struct perf_map *map, uint64_t address);

/* Rises whenever names may have changed; 0: nothing was ever read. */
uint64_t perf_map__generation(const struct perf_map *map);

/* Takes over what @text says, in place of what was known. Returns 0 or -ENOMEM. */
int perf_map__parse(struct perf_map *map, const char *text, size_t length);

void perf_map__free(struct perf_map *map);

#endif

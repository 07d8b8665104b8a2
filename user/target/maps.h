/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A process's mappings, from /proc/PID/maps (proc(5)). */
#ifndef MEMWATCH_TARGET_MAPS_H
#define MEMWATCH_TARGET_MAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"
#include "base/vec.h"

#define MAPPING_READ  1u
#define MAPPING_WRITE 2u
#define MAPPING_EXEC  4u

struct mapping {
	uint64_t start, end; /* [start, end) */
	uint64_t offset;     /* in the file */
	uint64_t device;     /* makedev(major, minor) as /proc/PID/maps prints it */
	uint64_t inode;      /* 0: no file */
	uint32_t flags;      /* MAPPING_… */
	bool deleted;        /* the file's name is gone: " (deleted)" has been cut off path */
	char *path; /* owned; "" for anonymous memory, "[heap]", "[vdso]", … as the kernel names it */
};

struct maps {
	struct mapping *items; /* by rising start, not overlapping */
	size_t count, capacity;
};

/* Reads all mappings of @pid into @maps, which is freed first. Returns 0 or a negative errno. */
int maps__read(pid_t pid, struct maps *maps, struct error *error);

/* The same from text, for tests: @text need not be NUL-terminated. Malformed lines give -EINVAL. */
int maps__parse(const char *text, size_t length, struct maps *maps, struct error *error);

/* Adds a copy of @mapping in its place; what it overlaps is gone. Returns 0 or -ENOMEM, @maps unchanged. */
int maps__insert(struct maps *maps, const struct mapping *mapping);

/* The mapping that holds @address, or NULL. */
const struct mapping *maps__find(const struct maps *maps, uint64_t address);

/* Whether a mapping before @mapping, one of @maps' own, is of code of the same file. */
bool maps__has_earlier_code(const struct maps *maps, const struct mapping *mapping);

void maps__free(struct maps *maps);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which files have an unwind table in the kernel, and where. A file's table is compiled once, for all
 * processes that map it; files that say the same (a library's copies in containers) share one table.
 */
#ifndef MEMWATCH_SNAPSHOT_UNWIND_FILES_H
#define MEMWATCH_SNAPSHOT_UNWIND_FILES_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "snapshot/unwind_pool.h"
#include "target/image.h"

struct unwind_loaded;
struct unwind_file;

struct unwind_files {
	struct unwind_pool *pool; /* borrowed */
	struct unwind_file *files;
	struct unwind_loaded *tables;
	uint64_t secret; /* of the digests; 0: not chosen yet */
	uint64_t compile_ns;
	uint64_t rows;
	size_t unused; /* files that nobody holds */
};

/* Only @files of zeros, and the pool, are needed to begin. */
void unwind_files__free(struct unwind_files *files);

/*
 * Finds @image's file, or adds it. It is the caller's to put. Returns 0, also for one that has no table, or
 * whose table is refused with a reason in @why; or -ENOMEM.
 */
int unwind_files__get(struct unwind_files *files, const struct image *image, struct unwind_file **file,
		      struct error *why);

/* To be called when no published space names its pages any more. */
void unwind_files__put(struct unwind_files *files, struct unwind_file *file);

/* The first of its table's pages, 0: it has none; and what its rows' pc are counted from. */
uint32_t unwind_file__first(const struct unwind_file *file);
uint64_t unwind_file__base(const struct unwind_file *file);

/* Forgets files that nobody has held since @before (clock__monotonic), up to @most of them. */
void unwind_files__drop_unused(struct unwind_files *files, uint64_t before, size_t most);

size_t unwind_files__count_tables(const struct unwind_files *files);

#endif

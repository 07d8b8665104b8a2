/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the kernel side unwinds by: images' tables and processes' mappings. */
#ifndef MEMWATCH_SNAPSHOT_ENGINE_UNWIND_H
#define MEMWATCH_SNAPSHOT_ENGINE_UNWIND_H

#include "snapshot/engine.h"
#include "python_abi.h"
#include "target/maps.h"

/*
 * Tells the kernel side what @account of process @pid has mapped. Tables of files that are new are compiled
 * and loaded, each once for all processes; a file without tables, or that cannot be read, is unwound by frame
 * pointers. Returns 0 or a negative errno.
 */
int engine__set_mappings(struct engine *engine, pid_t pid, uint32_t account, const struct maps *maps,
			 struct image_cache *images, struct error *error);

/* Tells the kernel side how Python's frames are found in @account, whose mappings it knows. 0 or a negative
 * errno. */
int engine__set_python(struct engine *engine, uint32_t account, const struct python_layout *layout);

/* @account is closed: nobody needs its mappings, but for children that have not got their own yet. */
void engine__forget_mappings(struct engine *engine, uint32_t account);

/*
 * Drops the mappings of closed accounts, and tables that no account has had for a while. Quick, and to be
 * called now and then: a report is a good time.
 */
void engine__drop_unused_tables(struct engine *engine);

struct engine_unwind_stats {
	size_t images; /* tables; files that say the same share one */
	size_t spaces; /* accounts whose mappings the kernel side has */
	uint64_t rows;
	uint64_t bytes;      /* of kernel memory */
	uint64_t compile_ns; /* to read files and make tables of them */
	uint64_t left_out;   /* mappings for which a space had no room */
};
struct engine_unwind_stats engine__unwind_stats(const struct engine *engine);

#endif

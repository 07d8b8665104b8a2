/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* struct engine, for the files that implement it. */
#ifndef MEMWATCH_SNAPSHOT_ENGINE_PRIVATE_H
#define MEMWATCH_SNAPSHOT_ENGINE_PRIVATE_H

#include "base/vec.h"
#include "snapshot/engine.h"
#include "snapshot/unwind_files.h"
#include "snapshot/unwind_pool.h"

struct memwatch_bpf;
struct ring_buffer;

struct live_levels {
	int fds[LIVE_LEVELS];
	uint32_t count;
	uint64_t room;     /* blocks, all levels together */
	uint64_t max_live; /* what room may grow to */
};

/* What an account has mapped, as the kernel side has been told. */
struct unwind_account {
	uint32_t account;
	uint32_t generation; /* of what has been published; 0: nothing has */
	uint32_t python;     /* slot in pythons; 0: none */
	bool closed;
	bool borrowed;   /* forked children go by it until they have their own */
	bool unanswered; /* nothing new was found when the kernel side asked, and it has not been told */
	VEC(struct unwind_file *) files; /* held, one for each mapping of a file */
	VEC(struct unwind_mapping) mappings;
};

struct engine {
	struct engine_options options;
	const struct log *log; /* borrowed */
	struct memwatch_bpf *skel;
	struct ring_buffer *ring;
	struct attach_programs programs;
	VEC(struct attachment *) attachments;
	const struct total *totals; /* mapped read-only, changing under our eyes */
	size_t totals_bytes;
	uint32_t max_totals;
	struct live_levels levels;
	struct unwind_pool unwind_pool;
	struct unwind_files unwind_files;
	VEC(struct unwind_account) unwind_accounts;
	uint32_t unwind_generation; /* the last that a space has been given */
	uint64_t unwind_left_out;
	struct image *vdso;                /* NULL: not needed yet */
	const struct recent_block *recent; /* mapped read-only; NULL where it is not used */
	uint32_t recent_count;
	engine_event_fn *event_fn;
	void *event_context;
};

/* Adds a level to the table of live blocks, the first included. 0; -ENOSPC: max_live is reached; or a
 * negative errno. */
int levels__grow(struct engine *engine);
void levels__close(struct engine *engine);

/* What the kernel side unwinds by: see engine_unwind.h. Returns 0 or a negative errno. */
int engine__init_unwind(struct engine *engine);
void engine__free_unwind(struct engine *engine);

/* The mappings of @account, with Python's slot. -ENOENT: they are not known. */
int engine__publish_python(struct engine *engine, uint32_t account, uint32_t slot);

/* The table of a stack's size class; NULL for one that is none. */
struct bpf_map *engine__stacks(const struct engine *engine, unsigned size_class);

#endif

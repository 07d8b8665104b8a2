/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* struct engine, for the files that implement it. */
#ifndef MEMWATCH_SNAPSHOT_ENGINE_PRIVATE_H
#define MEMWATCH_SNAPSHOT_ENGINE_PRIVATE_H

#include "base/vec.h"
#include "snapshot/engine.h"

struct memwatch_bpf;
struct ring_buffer;

struct live_levels {
	int fds[LIVE_LEVELS];
	uint32_t count;
	uint64_t room;     /* blocks, all levels together */
	uint64_t max_live; /* what room may grow to */
};

/* A file's unwind table as it has been loaded. */
struct unwind_image {
	uint64_t device, inode;
	uint64_t base; /* struct unwind_table */
	uint32_t slot; /* in unwind_images; 0: it has none */
	int fd;        /* of its rows until they are published; -1 then */
	uint64_t rows, bytes;
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
	VEC(struct unwind_image) unwind_images;
	const struct recent_block *recent; /* mapped read-only; NULL where it is not used */
	uint32_t recent_count;
	engine_event_fn *event_fn;
	void *event_context;
};

/* Adds a level to the table of live blocks, the first included. 0; -ENOSPC: max_live is reached; or a
 * negative errno. */
int levels__grow(struct engine *engine);
void levels__close(struct engine *engine);

#endif

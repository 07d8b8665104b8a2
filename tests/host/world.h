/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Made-up programs: processes and threads with an allocator, that make calls, return from them or do not, as
 * they are told choice by choice, while the model keeps the books.
 */
#ifndef MEMWATCH_HOST_WORLD_H
#define MEMWATCH_HOST_WORLD_H

#include "machine.h"
#include "model.h"

#define WORLD_PROCESSES 2
#define WORLD_THREADS   3
#define WORLD_DEPTH     8

struct world_options {
	struct fake_room room; /* 0: plenty */
	enum machine_mode mode;
	bool grows; /* another level of live is made where one is asked for */
	bool jumps_out_of_mmap;
};

struct activation {
	__u32 kind;
	__u64 sp, size, cookie;
	unsigned caller, chain;
	bool counted;  /* an outermost call */
	bool tail;     /* returns together with the one before */
	bool acted;    /* the allocator has done its work */
	int old;       /* realloc: index of the block; -1: NULL; free: likewise */
	int made;      /* index of what it returns; -1: NULL */
	bool released; /* the old block */
	bool parked;
	struct model_block old_block;
	__u64 slot; /* posix_memalign */
	struct registers regs;
};

struct world_thread {
	struct machine_thread *machine;
	__u64 base; /* the stack pointer where no call is under way */
	__u64 fps[MODEL_CHAINS];
	struct activation calls[WORLD_DEPTH];
	size_t depth;
	int last_freed; /* -1: the last event was no free */
};

enum world_address { ADDRESS_FREE, ADDRESS_USED, ADDRESS_BUSY };

struct world_process {
	struct machine_process *machine;
	struct world_thread threads[WORLD_THREADS];
	enum world_address addresses[MODEL_ADDRESSES];
};

struct world {
	struct world_options options;
	struct world_process processes[WORLD_PROCESSES];
	struct model model;
	const unsigned char *choices; /* NULL: from seed */
	size_t choice_count;
	__u64 seed;
	__u64 starts; /* threads so far */
	int next_number;
};

/* @choices, each a byte, or where NULL what follows from @seed. */
struct world *world__new(const struct world_options *options, const unsigned char *choices, size_t count,
			 __u64 seed);
/* One event somewhere. False where the choices are used up. */
bool world__step(struct world *world);
/* Every thread ends, wherever it is. */
void world__end(struct world *world);
/*
 * After world__end: compares the books with the model's. NULL, or what differs, in words. world__compare_sums
 * is for where maps were refused memory: then only sums can be told.
 */
char *world__compare(struct world *world);
char *world__compare_sums(struct world *world);
void world__free(struct world *world);

#endif

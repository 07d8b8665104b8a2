/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files that make up a world share. */
#ifndef MEMWATCH_HOST_WORLD_PRIVATE_H
#define MEMWATCH_HOST_WORLD_PRIVATE_H

#include "world.h"

#define CALLERS_AT 0x401000ull
#define CHAINS_AT  0x500000ull
#define UNMAPPED   0x10ull

static inline __u64 caller_address(unsigned caller)
{
	return CALLERS_AT + caller * 0x40;
}

static inline __u64 block_address(unsigned index)
{
	return 0x600000 + index * 0x100;
}

static inline bool is_mmap(__u32 kind)
{
	return kind >= CALL_MMAP;
}

static inline bool is_realloc(__u32 kind)
{
	return kind == CALL_REALLOC || kind == CALL_REALLOCARRAY;
}

static inline bool returns(__u32 kind)
{
	return kind != CALL_FREE && kind != CALL_MUNMAP;
}

/* A number below @bound. */
unsigned world__choose(struct world *world, unsigned bound);

/* world_allocator.c: an address in that state, or -1. */
int world__find(struct world *world, struct world_process *process, enum world_address state);
/* What an outermost call of the heap does to it, at some time between entry and return. */
void world__act(struct world *world, struct world_process *process, struct activation *call);
/* The call is over: its blocks are the program's. */
void world__settle(struct world_process *process, struct activation *call);

/* world_calls.c */
void world__enter(struct world *world, unsigned account, struct world_process *process,
		  struct world_thread *thread);
void world__leave(struct world *world, unsigned account, struct world_process *process,
		  struct world_thread *thread);

#endif

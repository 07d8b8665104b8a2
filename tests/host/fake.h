/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel that the BPF C runs on when it is compiled for the host: maps that work, helpers, a current
 * thread, its memory. Faults are made on request.
 */
#ifndef MEMWATCH_HOST_FAKE_H
#define MEMWATCH_HOST_FAKE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "memwatch.h"
#undef const
#include "base/vec.h"

/* The programs. */
int call_session(struct registers *ctx);
int call_multi_entry(struct registers *ctx);
int call_multi_return(struct registers *ctx);
int call_perf_entry(struct registers *ctx);
int call_perf_return(struct registers *ctx);
int on_fork(__u64 *ctx);
int on_exec(__u64 *ctx);
int process_on_exit(__u64 *ctx);

/* Room of the maps, in entries; 0: plenty. */
struct fake_room {
	__u32 live, stacks, threads, processes, events;
	__u32 recent_bits; /* 0: recent is not used */
};

/* An entry of a hash map. Freed as soon as it is deleted, so that a use of its value after that is found. */
struct fake_entry {
	UT_hash_handle hh;
	void *value;
	unsigned char key[];
};

struct fake_map {
	bool is_hash;
	__u32 key_size, value_size, max_entries;
	struct fake_entry *entries;
	unsigned char *values; /* arrays; percpu arrays: one after the other for each CPU */
};

struct fake_region {
	__u64 start, size;
	unsigned char *bytes;
};

/* What a process can read. */
struct fake_memory {
	VEC(struct fake_region) regions;
};

#define FAKE_CPUS    3
#define FAKE_CHUNKS  32
#define FAKE_PYTHONS 4
/*
 * Tables: numbers of their first pages. One is empty; by the other, 2 MiB of code have frame pointers
 * throughout. Then come pages that are free.
 */
#define FAKE_NO_ROWS    1
#define FAKE_FRAME_ROWS 2
#define FAKE_PAGES_FREE 5
#define FAKE_FRAME_CODE 0x200000u

struct fake {
	struct task_struct *task;
	struct fake_memory *memory;
	__u64 cookie;
	bool is_return;
	unsigned cpu;
	__u64 now;
	struct fake_map levels[LIVE_LEVELS], stacks[STACK_CLASSES], totals, threads, processes, losses,
		tallies, recent, spaces, rules, pythons, codes;
	struct fake_map chunks[FAKE_CHUNKS]; /* each page is an allocation of its own; one that is not there
						is NULL */
	__u32 level_count;
	VEC(__u32) free_totals;
	VEC(struct event) events;
	__u32 events_room;
	/* Every no_memory_every-th new entry of this map is refused with ENOMEM; NULL: none. */
	void *no_memory_map;
	unsigned no_memory_every, no_memory_count, no_memory_hits;
	/* The read of user memory that fails, counted down; 0: none. And all that come after it? */
	unsigned fail_read;
	bool fail_rest;
	unsigned reads, loops; /* of user memory; of bpf_loop: so far */
	/* Is told of each read of user memory. */
	void (*on_read)(__u64 address, __u32 size);
	/* Runs before an update, as another thread's programs may. */
	void (*before_update)(void *map, const void *key);
};

extern struct fake fake;

void fake__start(const struct fake_room *room);
void fake__stop(void);
/* Does what user/snapshot/levels.c does: another level with room for so many blocks; @limit 0: never asks. */
void fake__add_level(__u32 room, __s64 limit);

/* All stacks that are kept: @class an int, @entry and @next of struct fake_entry *. */
#define FAKE_EACH_STACK(class, entry, next)                                                                  \
	for (class = 0; class < STACK_CLASSES; class ++)                                                     \
		HASH_ITER (hh, fake.stacks[class].entries, entry, next)
size_t fake__stack_count(void);
struct loss_counter fake__loss(enum loss reason);
__u64 fake__losses(void); /* events, over all reasons */
__u64 fake__tally(enum tally tally);
struct total *fake__total(__u32 index);
/* Live blocks, in recent and in all levels. */
size_t fake__live_count(void);
__u64 fake__live_bytes(void);
/* A copy, until the next call; NULL: it is not there. */
struct live_value *fake__live(__u32 account, __u32 domain, __u64 addr);

void fake_map__clear(struct fake_map *map);
/* Pages of unwind tables, by number: a copy of one is put there; NULL where there is none. */
void fake_page__put(__u32 number, const struct unwind_page *page);
struct unwind_page *fake_page(__u32 number);

/* Zeroed memory at @start; a pointer to its first byte. */
unsigned char *fake_memory__add(struct fake_memory *memory, __u64 start, __u64 size);
void fake_memory__free(struct fake_memory *memory);
int fake_memory__read(struct fake_memory *memory, __u64 address, void *to, size_t size);
int fake_memory__write(struct fake_memory *memory, __u64 address, const void *from, size_t size);
void fake_memory__put(struct fake_memory *memory, __u64 address, __u64 word);

#endif

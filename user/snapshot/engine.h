/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel side as user space holds it: loaded, told which processes to watch, attached, read. */
#ifndef MEMWATCH_SNAPSHOT_ENGINE_H
#define MEMWATCH_SNAPSHOT_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "abi.h"
#include "attach/attachment.h"
#include "attach/features.h"
#include "base/error.h"
#include "base/log.h"

struct engine_options {
	enum attach_mode mode; /* as chosen, not ATTACH_AUTO */
	bool multi_pid;        /* features.multi_pid: a link's pid means the process */
	bool follow;           /* children of watched processes are watched */
	bool keep_birth;       /* blocks' ages are asked for */
	uint64_t max_live;     /* blocks; 0: by the machine's memory, engine__default_max_live() */
	uint64_t max_stacks;   /* 0: 262144 */
	uint64_t ring_size;    /* bytes; 0: 1 MiB */
};

struct engine;

/* Loads the kernel side with nothing attached and nothing watched. Returns 0 or a negative errno. */
int engine__new(const struct engine_options *options, const struct log *log, struct engine **engine,
		struct error *error);
/* Takes out every probe. NULL is fine. */
void engine__free(struct engine *engine);

/* Watches @pid (our pid namespace's number); @account gets its account. */
int engine__watch(struct engine *engine, pid_t pid, uint32_t *account, struct error *error);

/* Sets probes; kept until engine__free. @pid as attachment__new has it; with follow it is every process. */
int engine__attach(struct engine *engine, const struct image *image, const struct site *sites, size_t count,
		   pid_t pid, struct error *error);

/* What hits do from here on: PHASE_COUNT to see how many there are, PHASE_RECORD to keep the books. */
void engine__set_phase(struct engine *engine, enum phase phase);

/* Hands over the events that have come, waiting up to @timeout_ms (−1: until some come). Returns how many, or
 * −EINTR. */
typedef void engine_event_fn(const struct event *event, void *context);
int engine__poll(struct engine *engine, int timeout_ms, engine_event_fn *fn, void *context);
/* Readable when engine__poll has something. */
int engine__event_fd(const struct engine *engine);

/* How many entries of totals are in use (the first is at 1), and one of them as it is now; NULL if it is not
 * ready. */
uint32_t engine__total_count(const struct engine *engine);
bool engine__total(const struct engine *engine, uint32_t index, struct total *total);

/* The frames behind a total's key. Returns 0 or a negative errno. */
int engine__stack(const struct engine *engine, const struct stack_key *key, struct stack_value *stack);

void engine__losses(const struct engine *engine, struct loss_counter losses[LOSS_COUNT]);
void engine__tallies(const struct engine *engine, uint64_t tallies[TALLY_COUNT]);

/* Calls @visit with every live block, bucket by bucket (a batched look-up: nothing is seen twice). 0 or a
 * negative errno. */
typedef void engine_block_fn(const struct live_key *key, const struct live_value *value, void *context);
int engine__walk_live(const struct engine *engine, engine_block_fn *visit, void *context);

/* Drops a closed account's blocks, stacks and totals, whose room is used again. 0 or a negative errno. */
int engine__forget_account(struct engine *engine, uint32_t account);

/* Bytes of kernel memory that the maps hold, as the kernel accounts them (exact from 6.4 on). */
uint64_t engine__kernel_memory(const struct engine *engine);

/*
 * Blocks for which the live table has room at most, by default: as many as a quarter of the machine's memory
 * holds at about 112 bytes each, but no more than 26 Mi. The table grows to that; it begins with a few MiB.
 */
uint64_t engine__default_max_live(void);

#endif

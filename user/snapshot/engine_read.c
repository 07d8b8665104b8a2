// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reading the ledger. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "memwatch.skel.h"
#include "snapshot/engine_private.h"
#include "snapshot/engine_unwind.h"

#define BATCH 4096u

uint32_t engine__total_count(const struct engine *engine)
{
	uint32_t count = __atomic_load_n(&engine->skel->data->next_total, __ATOMIC_ACQUIRE);

	return count < engine->max_totals ? count : engine->max_totals;
}

bool engine__total(const struct engine *engine, uint32_t index, struct total *total)
{
	const struct total *live;

	if (index >= engine->max_totals)
		return false;
	live = &engine->totals[index];
	if (!__atomic_load_n(&live->ready, __ATOMIC_ACQUIRE))
		return false;
	/* Frees first: a block freed in between must not make the books show more freed than allocated. */
	total->freed_bytes = __atomic_load_n(&live->freed_bytes, __ATOMIC_ACQUIRE);
	total->freed_count = __atomic_load_n(&live->freed_count, __ATOMIC_ACQUIRE);
	total->allocated_bytes = __atomic_load_n(&live->allocated_bytes, __ATOMIC_ACQUIRE);
	total->allocated_count = __atomic_load_n(&live->allocated_count, __ATOMIC_ACQUIRE);
	total->key = live->key;
	total->ready = 1;
	total->reserved = 0;
	return true;
}

struct bpf_map *engine__stacks(const struct engine *engine, unsigned size_class)
{
	switch (size_class) {
	case STACK_CLASS_22:
		return engine->skel->maps.stacks_22;
	case STACK_CLASS_54:
		return engine->skel->maps.stacks_54;
	case STACK_CLASS_118:
		return engine->skel->maps.stacks_118;
	case STACK_CLASS_127:
		return engine->skel->maps.stacks_127;
	default:
		return NULL;
	}
}

int engine__stack(const struct engine *engine, const struct stack_key *key, struct stack_value *stack)
{
	struct bpf_map *map = engine__stacks(engine, key->size_class);
	uint32_t bytes = map ? bpf_map__value_size(map) : 0;
	int err;

	if (!map || bytes > sizeof(*stack))
		return -EPROTO;
	err = bpf_map__lookup_elem(map, key, sizeof(*key), stack, bytes, 0);
	if (!err && STACK_VALUE_BYTES((uint32_t)stack->nframes) > bytes)
		err = -EPROTO;
	return err;
}

void engine__losses(const struct engine *engine, struct loss_counter losses[LOSS_COUNT])
{
	for (uint32_t i = 0; i < LOSS_COUNT; i++) {
		if (bpf_map__lookup_elem(engine->skel->maps.losses, &i, sizeof(i), &losses[i],
					 sizeof(losses[i]), 0))
			memset(&losses[i], 0, sizeof(losses[i]));
	}
}

void engine__tallies(const struct engine *engine, uint64_t tallies[TALLY_COUNT])
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values = cpus > 0 ? calloc(cpus, sizeof(*values)) : NULL;

	memset(tallies, 0, TALLY_COUNT * sizeof(*tallies));
	for (uint32_t i = 0; values && i < TALLY_COUNT; i++) {
		if (bpf_map__lookup_elem(engine->skel->maps.tallies, &i, sizeof(i), values,
					 cpus * sizeof(*values), 0))
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			tallies[i] += values[cpu];
	}
	free(values);
}

struct batch {
	struct live_key *keys;
	struct live_value *values;
	uint32_t capacity;
};

static int batch__init(struct batch *batch, uint32_t capacity)
{
	batch->keys = calloc(capacity, sizeof(*batch->keys));
	batch->values = calloc(capacity, sizeof(*batch->values));
	batch->capacity = capacity;
	return batch->keys && batch->values ? 0 : -ENOMEM;
}

static void batch__free(struct batch *batch)
{
	free(batch->keys);
	free(batch->values);
	memset(batch, 0, sizeof(*batch));
}

/*
 * The next blocks after @cursor (NULL: the first). ENOSPC says that one bucket has more entries than the
 * batch; it grows then. Returns how many there are; @last is set at the end.
 */
static int64_t next_batch(int fd, uint32_t *cursor, bool *first, struct batch *batch, bool *last)
{
	for (;;) {
		uint32_t count = batch->capacity, next = 0;
		int err = bpf_map_lookup_batch(fd, *first ? NULL : cursor, &next, batch->keys, batch->values,
					       &count, NULL);

		if (err == -ENOSPC && batch->capacity < (1u << 24)) {
			uint32_t capacity = batch->capacity * 2;

			batch__free(batch);
			err = batch__init(batch, capacity);
			if (err)
				return err;
			continue;
		}
		if (err && err != -ENOENT)
			return err;
		*last = err == -ENOENT;
		*first = false;
		*cursor = next;
		return count;
	}
}

typedef void level_visit_fn(int fd, const struct live_key *key, const struct live_value *value,
			    void *context);

static int walk_level(int fd, level_visit_fn *visit, void *context)
{
	struct batch batch = {0};
	uint32_t cursor = 0;
	bool first = true, last = false;
	int64_t count = 0;

	count = batch__init(&batch, BATCH);
	while (!count && !last) {
		count = next_batch(fd, &cursor, &first, &batch, &last);
		if (count < 0)
			break;
		for (int64_t i = 0; i < count; i++)
			visit(fd, &batch.keys[i], &batch.values[i], context);
		count = 0;
	}
	batch__free(&batch);
	return count;
}

static int walk_levels(const struct engine *engine, level_visit_fn *visit, void *context)
{
	int err = 0;

	for (uint32_t level = 0; !err && level < engine->levels.count; level++)
		err = walk_level(engine->levels.fds[level], visit, context);
	return err;
}

struct block_visit {
	engine_block_fn *fn;
	void *context;
};

static void visit_block(int fd, const struct live_key *key, const struct live_value *value, void *context)
{
	struct block_visit *visit = context;

	(void)fd;
	visit->fn(key, value, visit->context);
}

/* A block of recent, if it stays the same while it is read. */
static bool read_recent(const struct recent_block *from, struct live_key *key, struct live_value *value)
{
	uint64_t tag = __atomic_load_n(&from->tag, __ATOMIC_ACQUIRE);

	if (tag <= RECENT_BUSY)
		return false;
	key->addr = RECENT_TAG_ADDRESS(tag);
	key->account = RECENT_TAG_ACCOUNT(tag);
	key->domain = DOMAIN_HEAP;
	memset(value, 0, sizeof(*value));
	value->size = value->weight = __atomic_load_n(&from->size, __ATOMIC_ACQUIRE);
	value->birth_ns = __atomic_load_n(&from->birth_ns, __ATOMIC_ACQUIRE);
	value->total = __atomic_load_n(&from->total, __ATOMIC_ACQUIRE);
	return __atomic_load_n(&from->tag, __ATOMIC_ACQUIRE) == tag;
}

int engine__walk_live(const struct engine *engine, engine_block_fn *fn, void *context)
{
	struct block_visit visit = {fn, context};
	struct live_key key;
	struct live_value value;

	for (uint32_t i = 0; engine->recent && i < engine->recent_count; i++) {
		if (read_recent(&engine->recent[i], &key, &value))
			fn(&key, &value, context);
	}
	return walk_levels(engine, visit_block, &visit);
}

static int forget_recent(struct engine *engine, uint32_t account)
{
	struct recent_block none = {0};
	struct live_value value;
	struct live_key key;
	int err = 0;

	for (uint32_t i = 0; !err && engine->recent && i < engine->recent_count; i++) {
		if (read_recent(&engine->recent[i], &key, &value) && key.account == account)
			err = bpf_map__update_elem(engine->skel->maps.recent, &i, sizeof(i), &none,
						   sizeof(none), BPF_ANY);
	}
	return err;
}

/* Nobody adds to a closed account, so deleting while walking loses nothing. */
static void forget_block(int fd, const struct live_key *key, const struct live_value *value, void *context)
{
	(void)value;
	if (key->account == *(uint32_t *)context)
		bpf_map_delete_elem(fd, key);
}

static int forget_totals(struct engine *engine, uint32_t account)
{
	struct total total, none = {0};
	uint32_t count = engine__total_count(engine);
	int err = 0;

	for (uint32_t i = 1; !err && i < count; i++) {
		struct bpf_map *map;

		if (!engine__total(engine, i, &total) || total.key.account != account)
			continue;
		map = engine__stacks(engine, total.key.size_class);
		err = map ? bpf_map__delete_elem(map, &total.key, sizeof(total.key), 0) : -EPROTO;
		if (err && err != -ENOENT)
			break;
		err = bpf_map__update_elem(engine->skel->maps.totals, &i, sizeof(i), &none, sizeof(none),
					   BPF_ANY);
		if (!err)
			err = bpf_map__update_elem(engine->skel->maps.free_totals, NULL, 0, &i, sizeof(i),
						   BPF_ANY);
		if (!err)
			__atomic_fetch_sub(&engine->skel->bss->used_totals, 1, __ATOMIC_SEQ_CST);
	}
	return err;
}

int engine__forget_account(struct engine *engine, uint32_t account)
{
	int err = forget_recent(engine, account);

	err = err ? err : walk_levels(engine, forget_block, &account);
	engine__forget_mappings(engine, account);
	return err ? err : forget_totals(engine, account);
}

/* "memlock:" of /proc/self/fdinfo is what the map's memory is accounted as. */
static uint64_t map_memory(int fd)
{
	unsigned long long bytes = 0;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	}
	fclose(file);
	return bytes;
}

uint64_t engine__kernel_memory(const struct engine *engine)
{
	struct bpf_map *map;
	uint64_t bytes = 0;

	bpf_object__for_each_map(map, engine->skel->obj)
	{
		bytes += map_memory(bpf_map__fd(map));
	}
	for (uint32_t level = 0; level < engine->levels.count; level++)
		bytes += map_memory(engine->levels.fds[level]);
	bytes += unwind_pool__bytes(&engine->unwind_pool);
	return bytes;
}

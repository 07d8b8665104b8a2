// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The books: which blocks are live, and what each stack has allocated and given back. */
#include "memwatch.h"

#define FILL_BATCH 64

static struct total *find_total(__u32 index)
{
	return bpf_map_lookup_elem(&totals, &index);
}

static void make_key(struct live_key *key, struct thread *thread, __u32 domain, __u64 addr)
{
	key->addr = addr;
	key->account = thread->account;
	key->domain = domain;
}

__hidden void ledger__freed(struct live_value *value)
{
	struct total *total = find_total(value->total);

	if (!total)
		return;
	__sync_fetch_and_add(&total->freed_bytes, value->size);
	__sync_fetch_and_add(&total->freed_count, 1);
}

/* Asks for another level, once; user space takes the request back when it has made one. */
static void ask_for_level(void)
{
	struct event event = {.type = EVENT_GROW};
	__s64 limit = live_fill_limit;

	if (!limit || !__sync_bool_compare_and_swap(&live_fill_limit, limit, 0))
		return;
	send_event(&event);
}

/* Every thread counts for itself, so that they do not all write to one place at every block. */
static void count_fill(struct thread *thread, int change)
{
	thread->fill += change;
	if (thread->fill < FILL_BATCH && thread->fill > -FILL_BATCH)
		return;
	__sync_fetch_and_add(&live_fill, thread->fill);
	thread->fill = 0;
	if (live_fill_limit && live_fill > live_fill_limit)
		ask_for_level();
}

__hidden void ledger__end_thread(struct thread *thread)
{
	__sync_fetch_and_add(&live_fill, thread->fill);
	thread->fill = 0;
}

/* Takes a block out of levels @newest and below. Its entry is copied: a value must not be read once its key is gone. */
static int take(struct thread *thread, struct live_key *key, int newest, struct live_value *taken)
{
	struct live_value *found;
	__u32 level;
	void *map;
	int i;

	for (i = 0; i < LIVE_LEVELS; i++) {
		if (i > newest)
			break;
		level = newest - i;
		map = bpf_map_lookup_elem(&live, &level);
		if (!map)
			continue;
		found = bpf_map_lookup_elem(map, key);
		if (!found)
			continue;
		*taken = *found;
		bpf_map_delete_elem(map, key);
		if (level == live_newest)
			count_fill(thread, -1);
		return 1;
	}
	return 0;
}

/* A block was at this address, never seen to be freed, and now another is. */
static void forget_stale(struct thread *thread, struct live_key *key, int newest)
{
	struct live_value stale;

	if (newest < 0 || !take(thread, key, newest, &stale))
		return;
	count_loss(LOSS_MISSED_FREE, stale.size);
	ledger__freed(&stale);
}

/* Into the newest level that has room. */
static long insert(struct thread *thread, struct live_key *key, struct live_value *value, int newest)
{
	long err = -7; /* E2BIG */
	__u32 level;
	void *map;
	int i;

	for (i = 0; i < LIVE_LEVELS; i++) {
		if (i > newest)
			break;
		level = newest - i;
		map = bpf_map_lookup_elem(&live, &level);
		if (!map)
			continue;
		err = bpf_map_update_elem(map, key, value, BPF_NOEXIST);
		if (!err && !i)
			count_fill(thread, 1);
		if (err != -7)
			break;
		ask_for_level();
	}
	return err;
}

static int put(struct thread *thread, struct live_key *key, struct live_value *value)
{
	int newest = live_newest;
	long err;

	if (newest > 0)
		forget_stale(thread, key, newest - 1);
	err = insert(thread, key, value, newest);
	if (err == -17) { /* EEXIST */
		forget_stale(thread, key, newest);
		err = insert(thread, key, value, newest);
	}
	if (!err)
		return 0;
	/* Errors of a map update: E2BIG is a full map, all else want of memory. */
	count_loss(err == -7 ? LOSS_LIVE_FULL : LOSS_NO_MEMORY, value->size);
	return -1;
}

__hidden void ledger__add(struct registers *regs, struct thread *thread, __u32 domain, __u64 addr, __u64 size)
{
	struct live_value value = {};
	struct live_key key = {};
	struct total *total;
	long index;

	index = capture__total(regs, thread, domain, size);
	if (index < 0)
		return;
	make_key(&key, thread, domain, addr);
	value.size = size;
	value.weight = size;
	value.birth_ns = bpf_ktime_get_ns();
	value.total = index;
	if (put(thread, &key, &value))
		return;
	total = find_total(index);
	if (!total)
		return;
	__sync_fetch_and_add(&total->allocated_bytes, size);
	__sync_fetch_and_add(&total->allocated_count, 1);
}

__hidden int ledger__park(struct thread *thread, __u32 domain, __u64 addr, struct live_value *parked)
{
	struct live_key key = {};

	make_key(&key, thread, domain, addr);
	return take(thread, &key, live_newest, parked);
}

__hidden void ledger__unpark(struct thread *thread, __u32 domain, __u64 addr, struct live_value *parked)
{
	struct live_key key = {};

	make_key(&key, thread, domain, addr);
	if (put(thread, &key, parked))
		ledger__freed(parked); /* counted as lost; the totals must not keep what nothing can free */
}

/*
 * A free. A preloaded allocator's free calls libc's with the same block: the second is the same free, and
 * known by being the thread's very next event.
 */
__hidden void ledger__remove(struct thread *thread, __u32 domain, __u64 addr)
{
	struct live_value value;

	if (!addr)
		return;
	if (ledger__park(thread, domain, addr, &value))
		ledger__freed(&value);
	else if (thread->last_freed != addr)
		count_tally(TALLY_FREE_UNKNOWN);
	thread->last_freed = addr;
}

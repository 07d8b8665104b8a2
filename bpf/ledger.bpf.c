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

/*
 * Asks for another level, once; user space takes the request back when it has made one. This is the deepest
 * of all paths: with the event on the BPF stack, its frames would have more than the 512 bytes that they may
 * have together; Linux 6.1 counts each as a multiple of 32 (kernel/bpf/verifier.c, check_max_stack_depth).
 */
static void ask_for_level(struct thread *thread)
{
	__s64 limit = live_fill_limit;

	if (!limit || !__sync_bool_compare_and_swap(&live_fill_limit, limit, 0))
		return;
	thread->event.type = EVENT_GROW;
	send_event(&thread->event);
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
		ask_for_level(thread);
}

__hidden void ledger__end_thread(struct thread *thread)
{
	__sync_fetch_and_add(&live_fill, thread->fill);
	thread->fill = 0;
}

/* The one place in recent where a block can be, and its tag there; NULL where it has none. */
static struct recent_block *recent_place(struct live_key *key, __u64 *tag)
{
	__u32 place;

	if (!recent_bits || key->domain != DOMAIN_HEAP || key->addr & 7 || key->addr >> RECENT_ADDRESS_BITS ||
	    key->account >> RECENT_ACCOUNT_BITS)
		return NULL;
	*tag = RECENT_TAG(key->addr, key->account);
	place = (key->addr >> 4) * 0x9e3779b97f4a7c15ULL >> (64 - recent_bits);
	return bpf_map_lookup_elem(&recent, &place);
}

static int take_recent(struct live_key *key, struct live_value *taken)
{
	struct recent_block *block;
	__u64 tag;

	block = recent_place(key, &tag);
	if (!block || block->tag != tag || __sync_val_compare_and_swap(&block->tag, tag, RECENT_BUSY) != tag)
		return 0;
	taken->size = block->size;
	taken->weight = block->size;
	taken->birth_ns = block->birth_ns;
	taken->total = block->total;
	taken->reserved = 0;
	barrier();
	*(volatile __u64 *)&block->tag = 0;
	return 1;
}

static int put_recent(struct live_key *key, struct live_value *value)
{
	struct recent_block *block;
	__u64 tag;

	block = recent_place(key, &tag);
	if (!block || block->tag || __sync_val_compare_and_swap(&block->tag, 0, RECENT_BUSY))
		return 0;
	block->size = value->size;
	block->birth_ns = value->birth_ns;
	block->total = value->total;
	barrier(); /* stores are seen in order (x86-64): whoever sees the tag sees the rest */
	*(volatile __u64 *)&block->tag = tag;
	return 1;
}

/* Takes a block out of levels @newest and below. Its entry is copied: a value must not be read once its key
 * is gone. */
static int take_level(struct thread *thread, struct live_key *key, int newest, struct live_value *taken)
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

static int take(struct thread *thread, struct live_key *key, struct live_value *taken)
{
	return take_recent(key, taken) || take_level(thread, key, live_newest, taken);
}

/* A block was at this address, never seen to be freed, and now another is. */
static void count_stale(struct live_value *stale)
{
	count_loss(LOSS_MISSED_FREE, stale->size);
	ledger__freed(stale);
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
		ask_for_level(thread);
	}
	return err;
}

/* Counts @full where there is no room, and want of memory as that. */
static int put(struct thread *thread, struct live_key *key, struct live_value *value, __u32 full)
{
	struct live_value stale;
	long err;

	/* Before a block goes in, no other may be at its address: this look-up is why a missed free is known.
	 */
	if (take(thread, key, &stale))
		count_stale(&stale);
	if (put_recent(key, value))
		return 0;
	err = insert(thread, key, value, live_newest);
	if (!err)
		return 0;
	/* Errors of a map update: E2BIG is a full map, all else want of memory. */
	count_loss(err == -7 || full == LOSS_NOT_PUT_BACK ? full : LOSS_NO_MEMORY, value->size);
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
	value.birth_ns = keep_birth ? bpf_ktime_get_ns() : 0;
	value.total = index;
	if (put(thread, &key, &value, LOSS_LIVE_FULL))
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
	return take(thread, &key, parked);
}

__hidden void ledger__unpark(struct thread *thread, __u32 domain, __u64 addr, struct live_value *parked)
{
	struct live_key key = {};

	make_key(&key, thread, domain, addr);
	/* What nothing can free any more must not stay in the totals. */
	if (put(thread, &key, parked, LOSS_NOT_PUT_BACK))
		ledger__freed(parked);
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

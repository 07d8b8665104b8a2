// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The books: which blocks are live, and what each stack has allocated and given back. */
#include "memwatch.h"

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

/* The block at this address was never seen to be freed, and now is another. */
static long replace(struct live_key *key, struct live_value *value)
{
	struct live_value *stale = bpf_map_lookup_elem(&live, key);

	if (stale) {
		count_loss(LOSS_MISSED_FREE, stale->size);
		ledger__freed(stale);
	}
	return bpf_map_update_elem(&live, key, value, BPF_ANY);
}

/* Errors of a map update: E2BIG is a full map, all else want of memory. */
static int put(struct live_key *key, struct live_value *value)
{
	long err = bpf_map_update_elem(&live, key, value, BPF_NOEXIST);

	if (err == -17) /* EEXIST */
		err = replace(key, value);
	if (!err)
		return 0;
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
	value.birth_ns = bpf_ktime_get_boot_ns();
	value.total = index;
	if (put(&key, &value))
		return;
	total = find_total(index);
	if (!total)
		return;
	__sync_fetch_and_add(&total->allocated_bytes, size);
	__sync_fetch_and_add(&total->allocated_count, 1);
}

/* Takes a block out of the table and copies its entry: its value must not be read once its key is gone. */
__hidden int ledger__park(struct thread *thread, __u32 domain, __u64 addr, struct live_value *parked)
{
	struct live_key key = {};
	struct live_value *found;

	make_key(&key, thread, domain, addr);
	found = bpf_map_lookup_elem(&live, &key);
	if (!found)
		return 0;
	*parked = *found;
	bpf_map_delete_elem(&live, &key);
	return 1;
}

__hidden void ledger__unpark(struct thread *thread, __u32 domain, __u64 addr, struct live_value *parked)
{
	struct live_key key = {};

	make_key(&key, thread, domain, addr);
	if (put(&key, parked))
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

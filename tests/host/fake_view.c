// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the programs have left in the maps. */
#include "fake.h"

struct loss_counter fake__loss(enum loss reason)
{
	return ((struct loss_counter *)fake.losses.values)[reason];
}

__u64 fake__losses(void)
{
	__u64 sum = 0;

	for (int reason = 0; reason < LOSS_COUNT; reason++)
		sum += fake__loss(reason).events;
	return sum;
}

size_t fake__stack_count(void)
{
	size_t count = 0;

	for (int i = 0; i < STACK_CLASSES; i++)
		count += HASH_COUNT(fake.stacks[i].entries);
	return count;
}

__u64 fake__tally(enum tally tally)
{
	__u64 sum = 0;

	for (unsigned cpu = 0; cpu < FAKE_CPUS; cpu++)
		sum += ((__u64 *)fake.tallies.values)[cpu * TALLY_COUNT + tally];
	return sum;
}

struct total *fake__total(__u32 index)
{
	return index < fake.totals.max_entries ? (struct total *)fake.totals.values + index : NULL;
}

static const struct recent_block *recent_blocks(void)
{
	return (const void *)fake.recent.values;
}

size_t fake__live_count(void)
{
	size_t count = 0;

	for (__u32 i = 0; i < fake.recent.max_entries; i++)
		count += !!recent_blocks()[i].tag;
	for (__u32 level = 0; level < fake.level_count; level++)
		count += HASH_COUNT(fake.levels[level].entries);
	return count;
}

__u64 fake__live_bytes(void)
{
	struct fake_entry *entry, *next;
	__u64 bytes = 0;

	for (__u32 i = 0; i < fake.recent.max_entries; i++)
		bytes += recent_blocks()[i].tag ? recent_blocks()[i].size : 0;
	for (__u32 level = 0; level < fake.level_count; level++) {
		HASH_ITER (hh, fake.levels[level].entries, entry, next)
			bytes += ((struct live_value *)entry->value)->size;
	}
	return bytes;
}

struct live_value *fake__live(__u32 account, __u32 domain, __u64 addr)
{
	struct live_key key = {addr, account, domain};
	static struct live_value copy;
	struct fake_entry *entry;

	for (__u32 i = 0; i < fake.recent.max_entries && domain == DOMAIN_HEAP; i++) {
		const struct recent_block *block = &recent_blocks()[i];

		if (!block->tag || RECENT_TAG_ADDRESS(block->tag) != addr ||
		    RECENT_TAG_ACCOUNT(block->tag) != account)
			continue;
		copy = (struct live_value){block->size, block->size, block->birth_ns, block->total, 0};
		return &copy;
	}
	for (__u32 level = 0; level < fake.level_count; level++) {
		HASH_FIND(hh, fake.levels[level].entries, &key, sizeof(key), entry);
		if (!entry)
			continue;
		memcpy(&copy, entry->value, sizeof(copy));
		return &copy;
	}
	return NULL;
}

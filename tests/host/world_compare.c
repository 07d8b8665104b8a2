// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "world_private.h"

__attribute__((format(printf, 1, 2))) static char *say(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	return text;
}

#define SAME(what, is, should)                                                                               \
	do {                                                                                                 \
		__u64 is_ = (is), should_ = (should);                                                        \
                                                                                                             \
		if (is_ != should_)                                                                          \
			return say("%s: %llu, not %llu", what, is_, should_);                                \
	} while (0)

/* The made-up site that a stack's frames are; -1: none. */
static int site_of(const struct stack_key *key, const struct stack_value *stack)
{
	unsigned chain = stack->nframes - 1, caller = (stack->frames[0] - CALLERS_AT) / 0x40;

	if (stack->nframes < 1 || chain >= MODEL_CHAINS || caller >= MODEL_CALLERS || key->account < 1 ||
	    key->account > WORLD_PROCESSES || key->domain >= DOMAIN_COUNT ||
	    stack->frames[0] != caller_address(caller))
		return -1;
	for (unsigned frame = 0; frame < chain; frame++) {
		if (stack->frames[frame + 1] != CHAINS_AT + chain * 0x100 + frame * 8)
			return -1;
	}
	return model__site(key->account - 1, key->domain, caller, chain);
}

static char *compare_sites(struct world *world, int sites[])
{
	struct fake_entry *entry, *next;
	size_t count = 0;
	int class;

	FAKE_EACH_STACK(class, entry, next)
	{
		const struct stack_key *key = (const void *)entry->key;
		const struct stack_value *stack = entry->value;
		const struct total *total = fake__total(stack->total);
		int site = site_of(key, stack);
		struct model_sum *sum;

		if (site < 0 || !stack->total || stack->total >= next_total || sites[stack->total] >= 0)
			return say("stack with %u frames from %llx, total %u", stack->nframes,
				   stack->frames[0], stack->total);
		sites[stack->total] = site;
		sum = &world->model.sums[site];
		if (!sum->seen)
			return say("site %d was never seen", site);
		if (memcmp(&total->key, key, sizeof(*key)) || !total->ready)
			return say("site %d: another key", site);
		SAME("allocated bytes", total->allocated_bytes, sum->allocated_bytes);
		SAME("allocated count", total->allocated_count, sum->allocated_count);
		SAME("freed bytes", total->freed_bytes, sum->freed_bytes);
		SAME("freed count", total->freed_count, sum->freed_count);
		count++;
	}
	SAME("stacks", count, world->model.site_count);
	return NULL;
}

static char *compare_blocks(struct world *world, const int sites[])
{
	SAME("live blocks", fake__live_count(), world->model.live_count);
	for (unsigned account = 0; account < WORLD_PROCESSES; account++) {
		for (unsigned i = 0; i < MODEL_ADDRESSES; i++) {
			struct model_block *block = &world->model.blocks[account][i];
			struct live_value *value = fake__live(account + 1, DOMAIN_HEAP, block_address(i));

			SAME("a block is live", !!value, block->live);
			if (!value)
				continue;
			SAME("a block's size", value->size, block->size);
			SAME("a block's weight", value->weight, block->size);
			SAME("a block's site", sites[value->total], block->site);
		}
	}
	return NULL;
}

static char *compare_events(struct world *world, const int sites[])
{
	SAME("events", fake.events.count, world->model.events.count);
	for (size_t i = 0; i < fake.events.count; i++) {
		struct event *is = &fake.events.items[i];
		struct model_event *should = &world->model.events.items[i];

		SAME("an event's type", is->type, should->event.type);
		SAME("an event's account", is->account, should->event.account);
		if (memcmp(is->arg, should->event.arg, sizeof(is->arg)))
			return say("event %zu has other arguments", i);
		if (is->type != EVENT_MUNMAP)
			SAME("an event's site", sites[is->total], should->site);
	}
	return NULL;
}

static char *compare_counters(struct world *world)
{
	static const char *names[] = {
#define NAME(name, key, meaning, advice) key,
		LOSSES(NAME)
#undef NAME
	};

	for (int reason = 0; reason < LOSS_COUNT; reason++) {
		SAME(names[reason], fake__loss(reason).events, world->model.losses[reason].events);
		SAME(names[reason], fake__loss(reason).bytes, world->model.losses[reason].bytes);
	}
	SAME("unknown frees", fake__tally(TALLY_FREE_UNKNOWN), world->model.free_unknown);
	SAME("failed", fake__tally(TALLY_FAILED), world->model.failed);
	SAME("returns", fake__tally(TALLY_RETURN), world->model.returns);
	SAME("entries", fake__tally(TALLY_ENTRY_EMULATED), world->model.entries);
	return NULL;
}

char *world__compare(struct world *world)
{
	int sites[4097];
	char *difference;

	for (size_t i = 0; i < 4097; i++)
		sites[i] = -1;
	difference = compare_counters(world);
	difference = difference ? difference : compare_sites(world, sites);
	difference = difference ? difference : compare_blocks(world, sites);
	return difference ? difference : compare_events(world, sites);
}

/* Every allocation is in exactly one of the totals, events and losses, and every total's balance is its live
 * blocks. */
char *world__compare_sums(struct world *world)
{
	static const enum loss lost[] = {LOSS_LIVE_FULL, LOSS_STACKS_FULL, LOSS_NO_MEMORY,
					 LOSS_STACK_COLLISION, LOSS_RESULT_UNREADABLE};
	__u64 count = 0, bytes = 0, live_count = 0, live_bytes = 0;

	for (__u32 i = 1; i < max_totals; i++) {
		struct total *total = fake__total(i);

		count += total->allocated_count;
		bytes += total->allocated_bytes;
		live_count += total->allocated_count - total->freed_count;
		live_bytes += total->allocated_bytes - total->freed_bytes;
	}
	SAME("live blocks", fake__live_count(), live_count);
	SAME("live bytes", fake__live_bytes(), live_bytes);
	vec_each (event, &fake.events) {
		if (event->type == EVENT_MUNMAP)
			continue;
		count++;
		bytes += event->arg[event->type == EVENT_MMAP ? 1 : 3];
	}
	for (size_t i = 0; i < sizeof(lost) / sizeof(lost[0]); i++) {
		count += fake__loss(lost[i]).events;
		bytes += fake__loss(lost[i]).bytes;
	}
	SAME("allocations recorded or lost", count, world->model.allocations);
	SAME("bytes recorded or lost", bytes, world->model.allocated_bytes);
	return NULL;
}

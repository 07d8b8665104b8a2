/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Allocations from made-up stacks, and the stacks that they are booked under. Once a test program. */
#ifndef MEMWATCH_HOST_CAPTURED_H
#define MEMWATCH_HOST_CAPTURED_H

#include "bench.h"

static struct bench bench;

static void put_frame(__u64 at, __u64 next, __u64 return_address)
{
	fake_memory__put(&bench.process->memory, at, next);
	fake_memory__put(&bench.process->memory, at + 8, return_address);
}

static __u64 next_block = 0x10000;

/* The stack that an allocation is booked under, whose caller's frame pointer is @fp. */
static const struct stack_value *captured(__u64 fp)
{
	struct fake_entry *entry, *next;
	struct live_value *value;
	int class;

	next_block += 16;
	machine__enter(bench.a, malloc_site, args(1, 0, 0), bench.sp, SITE_A);
	machine__leave(bench.a, bench.sp, next_block, fp);
	value = fake__live(bench.account, DOMAIN_HEAP, next_block);
	if (!value)
		return NULL;
	FAKE_EACH_STACK(class, entry, next)
	{
		if (((struct stack_value *)entry->value)->total == value->total)
			return entry->value;
	}
	fail_msg("the block's stack is not there");
	return NULL;
}

#endif

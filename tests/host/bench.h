/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A process of two threads, and calls of its functions. */
#ifndef MEMWATCH_HOST_BENCH_H
#define MEMWATCH_HOST_BENCH_H

#include "machine.h"

#include <cmocka.h>

#define SITE_A 0x401000ull
#define SITE_B 0x402000ull
#define PID    4242

static const __u64 malloc_site = SITE_COOKIE(CALL_MALLOC, 0, TALLY_ENTRY_EMULATED, 1);
static const __u64 libc_malloc = SITE_COOKIE(CALL_MALLOC, 8, TALLY_ENTRY_STEPPED, 2);
static const __u64 calloc_site = SITE_COOKIE(CALL_CALLOC, 0, TALLY_ENTRY_EMULATED, 3);
static const __u64 realloc_site = SITE_COOKIE(CALL_REALLOC, 0, TALLY_ENTRY_EMULATED, 4);
static const __u64 reallocarray_site = SITE_COOKIE(CALL_REALLOCARRAY, 0, TALLY_ENTRY_EMULATED, 5);
static const __u64 memalign_site = SITE_COOKIE(CALL_POSIX_MEMALIGN, 0, TALLY_ENTRY_EMULATED, 6);
static const __u64 free_site = SITE_COOKIE(CALL_FREE, 0, TALLY_ENTRY_NOP5, 7);
static const __u64 libc_free = SITE_COOKIE(CALL_FREE, 0, TALLY_ENTRY_NOP5, 8);
static const __u64 aligned_site = SITE_COOKIE(CALL_ALIGNED, 0, TALLY_ENTRY_EMULATED, 9);
static const __u64 mmap_site = SITE_COOKIE(CALL_MMAP, 0, TALLY_ENTRY_EMULATED, 10);
static const __u64 munmap_site = SITE_COOKIE(CALL_MUNMAP, 0, TALLY_ENTRY_EMULATED, 11);
static const __u64 mremap_site = SITE_COOKIE(CALL_MREMAP, 0, TALLY_ENTRY_EMULATED, 12);

struct bench {
	struct machine_process *process;
	struct machine_thread *a, *b;
	__u32 account;
	__u64 sp; /* well within a's stack, and as far within b's at sp_b */
	__u64 sp_b;
};

static inline void start(struct bench *bench, enum machine_mode mode, const struct fake_room *room)
{
	fake__start(room);
	bench->process = machine__process(PID, mode);
	bench->a = machine__thread(bench->process, PID, 100);
	bench->b = machine__thread(bench->process, PID + 1, 101);
	bench->account = machine__watch(PID);
	bench->sp = bench->a->stack + STACK_BYTES - 512;
	bench->sp_b = bench->b->stack + STACK_BYTES - 512;
}

static inline void stop(struct bench *bench)
{
	free(bench->a);
	free(bench->b);
	machine__free(bench->process);
	fake__stop();
}

static inline struct registers args(__u64 first, __u64 second, __u64 third)
{
	return (struct registers){.rdi = first, .rsi = second, .rdx = third};
}

/* A call from SITE_A at the usual place. */
static inline void call(struct bench *bench, __u64 cookie, struct registers regs, __u64 result)
{
	machine__enter(bench->a, cookie, regs, bench->sp, SITE_A);
	machine__leave(bench->a, bench->sp, result, 0);
}

/* The sum of all totals, or those of the stacks whose innermost frame is @site. */
static inline struct total sum(__u64 site)
{
	struct total all = {0};
	struct fake_entry *entry, *next;
	int class;

	FAKE_EACH_STACK(class, entry, next)
	{
		struct stack_value *stack = entry->value;
		struct total *total = fake__total(stack->total);

		if (site && stack->frames[0] != site)
			continue;
		all.allocated_bytes += total->allocated_bytes;
		all.allocated_count += total->allocated_count;
		all.freed_bytes += total->freed_bytes;
		all.freed_count += total->freed_count;
	}
	return all;
}

static inline void assert_sum(__u64 site, __u64 allocated, __u64 allocated_count, __u64 freed,
			      __u64 freed_count)
{
	struct total total = sum(site);

	assert_int_equal(total.allocated_bytes, allocated);
	assert_int_equal(total.allocated_count, allocated_count);
	assert_int_equal(total.freed_bytes, freed);
	assert_int_equal(total.freed_count, freed_count);
}

#endif

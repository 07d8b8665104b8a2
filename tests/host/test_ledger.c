// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The table of live blocks in levels, and what happens where a map has no room. */
#include "bench.h"

static struct bench bench;

static int begin(void **state)
{
	(void)state;
	start(&bench, MACHINE_SESSION, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	stop(&bench);
	return 0;
}

static size_t in_level(__u32 level)
{
	return HASH_COUNT(fake.levels[level].entries);
}

static void allocate(__u64 block, __u64 size)
{
	call(&bench, malloc_site, args(size, 0, 0), block);
}

static void release(__u64 block)
{
	call(&bench, free_site, args(block, 0, 0), 0);
}

static void newest_first(void **state)
{
	(void)state;
	allocate(0x5000, 10);
	allocate(0x6000, 20);
	fake__add_level(100, 0);
	allocate(0x7000, 30);
	fake__add_level(100, 0);
	allocate(0x8000, 40);
	assert_int_equal(in_level(0), 2);
	assert_int_equal(in_level(1), 1);
	assert_int_equal(in_level(2), 1);
	release(0x5000);
	release(0x7000);
	assert_int_equal(in_level(0), 1);
	assert_int_equal(in_level(1), 0);
	/* Out of an old level and into the newest. */
	call(&bench, realloc_site, args(0x6000, 50, 0), 0x6000);
	assert_int_equal(in_level(0), 0);
	assert_int_equal(in_level(2), 2);
	assert_sum(0, 150, 5, 60, 3);
	assert_int_equal(fake__tally(TALLY_FREE_UNKNOWN), 0);
	assert_int_equal(fake__losses(), 0);
}

/* What was never seen to be freed is in an old level, its address now in the newest. */
static void stale_in_old_level(void **state)
{
	(void)state;
	allocate(0x5000, 10);
	fake__add_level(100, 0);
	allocate(0x5000, 20);
	assert_int_equal(fake__live_count(), 1);
	assert_int_equal(fake__live(bench.account, DOMAIN_HEAP, 0x5000)->size, 20);
	assert_int_equal(fake__loss(LOSS_MISSED_FREE).events, 1);
	assert_int_equal(fake__loss(LOSS_MISSED_FREE).bytes, 10);
	assert_sum(0, 30, 2, 10, 1);
	release(0x5000);
	assert_sum(0, 30, 2, 30, 2);
	assert_int_equal(fake__live_count(), 0);
}

static void stop_and_start(const struct fake_room *room)
{
	stop(&bench);
	start(&bench, MACHINE_SESSION, room);
}

static void overflow_into_old_level(void **state)
{
	(void)state;
	stop_and_start(&(struct fake_room){.live = 2});
	allocate(0x1000, 1);
	fake__add_level(1, 1000);
	allocate(0x2000, 2);
	allocate(0x3000, 4); /* the newest is full, the one before is not */
	assert_int_equal(in_level(0), 2);
	assert_int_equal(in_level(1), 1);
	assert_int_equal(fake.events.count, 1); /* another level is asked for, though the limit was not met */
	assert_int_equal(fake.events.items[0].type, EVENT_GROW);
	assert_int_equal(live_fill_limit, 0);
	assert_int_equal(fake__losses(), 0);
	allocate(0x4000, 8); /* nowhere */
	assert_int_equal(fake__loss(LOSS_LIVE_FULL).events, 1);
	assert_int_equal(fake__loss(LOSS_LIVE_FULL).bytes, 8);
	assert_int_equal(fake.events.count, 1); /* asked once */
	/* In a full level, too, a block is replaced by the next at its address. */
	allocate(0x2000, 16);
	assert_int_equal(fake__loss(LOSS_MISSED_FREE).bytes, 2);
	assert_int_equal(fake__live(bench.account, DOMAIN_HEAP, 0x2000)->size, 16);
	assert_sum(0, 23, 4, 2, 1);
	release(0x3000);
	release(0x4000);
	assert_int_equal(fake__tally(TALLY_FREE_UNKNOWN), 1);
	assert_sum(0, 23, 4, 6, 2);
}

static void asks_for_a_level(void **state)
{
	__u64 block = 0x10000;

	(void)state;
	live_fill_limit = 100;
	for (int i = 0; i < 127; i++)
		allocate(block += 16, 1);
	assert_int_equal(fake.events.count, 0);
	allocate(block += 16, 1); /* threads report in batches of 64: 128 are more than 100 */
	assert_int_equal(live_fill, 128);
	assert_int_equal(fake.events.count, 1);
	for (int i = 0; i < 200; i++)
		allocate(block += 16, 1);
	assert_int_equal(fake.events.count, 1);
	/* Frees from old levels do not count as room in the newest. */
	fake__add_level(1000, 500);
	for (int i = 0; i < 200; i++)
		release(block -= 16);
	machine__exit(bench.a, 1, 0);
	assert_int_equal(live_fill, 8); /* of the 328 before, 64 each time but for these */
	assert_int_equal(fake__losses(), 0);
}

/* A realloc that fails, while its block's place is taken by another's. */
static void no_room_to_put_back(void **state)
{
	(void)state;
	stop_and_start(&(struct fake_room){.live = 1});
	allocate(0x1000, 10);
	machine__enter(bench.a, realloc_site, args(0x1000, 1000, 0), bench.sp, SITE_A);
	machine__enter(bench.b, malloc_site, args(20, 0, 0), bench.sp_b, SITE_B);
	machine__leave(bench.b, bench.sp_b, 0x2000, 0);
	machine__leave(bench.a, bench.sp, 0, 0);
	assert_int_equal(fake__loss(LOSS_NOT_PUT_BACK).events, 1);
	assert_int_equal(fake__loss(LOSS_NOT_PUT_BACK).bytes, 10);
	assert_int_equal(fake__losses(), 1);
	assert_sum(SITE_A, 10, 1, 10, 1); /* the totals keep nothing that no free can take out */
	assert_sum(SITE_B, 20, 1, 0, 0);
	release(0x1000);
	assert_int_equal(fake__tally(TALLY_FREE_UNKNOWN), 1);
}

/* A place that another block has sends the next into the hash table; both are found again. */
static void recent_place_taken(void **state)
{
	(void)state;
	stop_and_start(&(struct fake_room){.recent_bits = 1});
	for (__u64 block = 0x1000; block < 0x1100; block += 16)
		allocate(block, 10);
	allocate(0x2004, 10); /* no block that recent has a tag for */
	assert_int_equal(fake__live_count(), 17);
	assert_int_equal(in_level(0), 15);
	assert_null(fake__live(bench.account, DOMAIN_HEAP, 0x2000));
	assert_non_null(fake__live(bench.account, DOMAIN_HEAP, 0x2004));
	allocate(0x1000, 20); /* a missed free, wherever the old block was */
	assert_int_equal(fake__loss(LOSS_MISSED_FREE).bytes, 10);
	for (__u64 block = 0x1000; block < 0x1100; block += 16)
		release(block);
	release(0x2004);
	assert_int_equal(fake__live_count(), 0);
	assert_sum(0, 190, 18, 190, 18);
	assert_int_equal(fake__tally(TALLY_FREE_UNKNOWN), 0);
	assert_int_equal(fake__losses(), 1);
}

/* The same address in two processes is two blocks. */
static void accounts_apart(void **state)
{
	struct machine_process *process = machine__process(77, MACHINE_SESSION);
	struct machine_thread *thread = machine__thread(process, 77, 200);
	__u32 account = machine__watch(77);
	__u64 sp = thread->stack + STACK_BYTES - 512;

	(void)state;
	allocate(0x5000, 10);
	machine__enter(thread, malloc_site, args(20, 0, 0), sp, SITE_A);
	machine__leave(thread, sp, 0x5000, 0);
	assert_int_equal(fake__live_count(), 2);
	assert_int_equal(fake__live(account, DOMAIN_HEAP, 0x5000)->size, 20);
	release(0x5000);
	assert_int_equal(fake__live_count(), 1);
	assert_int_equal(fake__live(account, DOMAIN_HEAP, 0x5000)->size, 20);
	assert_int_equal(fake__stack_count(), 2);
	assert_int_equal(fake__losses(), 0);
	free(thread);
	machine__free(process);
}

/* Nothing but the address is wanted of these: sums stay right up to 2^64. */
static void extremes(void **state)
{
	(void)state;
	allocate(1, 0);
	allocate(UINT64_MAX, UINT64_MAX / 2);
	release(UINT64_MAX);
	assert_sum(0, UINT64_MAX / 2, 2, UINT64_MAX / 2, 1);
	assert_int_equal(fake__live(bench.account, DOMAIN_HEAP, 1)->size, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(newest_first, begin, end),
		cmocka_unit_test_setup_teardown(stale_in_old_level, begin, end),
		cmocka_unit_test_setup_teardown(overflow_into_old_level, begin, end),
		cmocka_unit_test_setup_teardown(asks_for_a_level, begin, end),
		cmocka_unit_test_setup_teardown(no_room_to_put_back, begin, end),
		cmocka_unit_test_setup_teardown(recent_place_taken, begin, end),
		cmocka_unit_test_setup_teardown(accounts_apart, begin, end),
		cmocka_unit_test_setup_teardown(extremes, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

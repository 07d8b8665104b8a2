// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Single calls and short sequences, whose outcome is worked out by hand. */
#include "bench.h"

static void malloc_and_free(struct bench *bench)
{
	call(bench, malloc_site, args(100, 0, 0), 0x5000);
	assert_sum(SITE_A, 100, 1, 0, 0);
	assert_int_equal(fake__live(bench->account, DOMAIN_HEAP, 0x5000)->size, 100);
	call(bench, calloc_site, args(10, 20, 0), 0x6000);
	call(bench, aligned_site, args(64, 300, 0), 0x7000);
	assert_sum(SITE_A, 600, 3, 0, 0);
	call(bench, free_site, args(0x6000, 0, 0), 0);
	call(bench, free_site, args(0, 0, 0), 0);
	assert_sum(SITE_A, 600, 3, 200, 1);
	assert_null(fake__live(bench->account, DOMAIN_HEAP, 0x6000));
	call(bench, free_site, args(0x9999, 0, 0), 0);
	assert_int_equal(fake__tally(TALLY_FREE_UNKNOWN), 1);
	call(bench, malloc_site, args(5, 0, 0), 0);
	assert_int_equal(fake__tally(TALLY_FAILED), 1);
	assert_int_equal(fake__tally(TALLY_RETURN), 4);
	assert_int_equal(fake__tally(TALLY_ENTRY_EMULATED), 4);
	assert_int_equal(fake__tally(TALLY_ENTRY_NOP5), 3);
}

static void realloc_cases(struct bench *bench)
{
	call(bench, malloc_site, args(100, 0, 0), 0x5000);
	call(bench, realloc_site, args(0x5000, 150, 0), 0x5000); /* stays */
	assert_sum(SITE_A, 250, 2, 100, 1);
	call(bench, realloc_site, args(0x5000, 200, 0), 0x6000); /* moves */
	assert_sum(SITE_A, 450, 3, 250, 2);
	call(bench, realloc_site, args(0x6000, 1ull << 60, 0), 0); /* fails: lives on */
	assert_sum(SITE_A, 450, 3, 250, 2);
	assert_int_equal(fake__live(bench->account, DOMAIN_HEAP, 0x6000)->size, 200);
	assert_int_equal(fake__tally(TALLY_FAILED), 1);
	call(bench, realloc_site, args(0, 30, 0), 0x7000); /* is malloc */
	assert_sum(SITE_A, 480, 4, 250, 2);
	call(bench, realloc_site, args(0x7000, 0, 0), 0); /* is free */
	assert_sum(SITE_A, 480, 4, 280, 3);
	call(bench, realloc_site, args(0x6000, 0, 0), 0x6000); /* some allocators give a block of size 0 */
	assert_sum(SITE_A, 480, 5, 480, 4);
	assert_int_equal(fake__tally(TALLY_FAILED), 1);
	call(bench, realloc_site, args(0, 0, 0), 0);
	assert_int_equal(fake__tally(TALLY_FAILED), 2);
	call(bench, realloc_site, args(0xabc0, 50, 0), 0xabc0); /* from before */
	assert_sum(SITE_A, 530, 6, 480, 4);
	assert_int_equal(fake__tally(TALLY_FREE_UNKNOWN), 1);
	call(bench, reallocarray_site, args(0xabc0, 1ull << 33, 1ull << 33), 0); /* overflows */
	assert_int_equal(fake__live(bench->account, DOMAIN_HEAP, 0xabc0)->size, 50);
	call(bench, reallocarray_site, args(0xabc0, 6, 7), 0xabc0);
	assert_sum(SITE_A, 572, 7, 530, 5);
	assert_int_equal(fake__losses(), 0);
}

static void posix_memalign_cases(struct bench *bench)
{
	__u64 slot = bench->sp + 64;

	fake_memory__put(&bench->process->memory, slot, 0x5000);
	call(bench, memalign_site, args(slot, 64, 100), 0xffffffff00000000ull); /* only eax counts */
	assert_int_equal(fake__live(bench->account, DOMAIN_HEAP, 0x5000)->size, 100);
	call(bench, memalign_site, args(slot, 64, 200), ENOMEM);
	assert_int_equal(fake__tally(TALLY_FAILED), 1);
	assert_sum(SITE_A, 100, 1, 0, 0);
	call(bench, memalign_site, args(0x10, 64, 300), 0);
	assert_int_equal(fake__loss(LOSS_RESULT_UNREADABLE).events, 1);
	assert_int_equal(fake__loss(LOSS_RESULT_UNREADABLE).bytes, 300);
	assert_int_equal(fake__losses(), 1);
}

/* realloc → malloc, then free of the old block: all its own affair. */
static void nested(struct bench *bench)
{
	call(bench, malloc_site, args(100, 0, 0), 0x5000);
	machine__enter(bench->a, realloc_site, args(0x5000, 300, 0), bench->sp, SITE_B);
	machine__enter(bench->a, malloc_site, args(320, 0, 0), bench->sp - 64, SITE_A);
	machine__leave(bench->a, bench->sp - 64, 0x6000, 0);
	machine__enter(bench->a, free_site, args(0x5000, 0, 0), bench->sp - 64, SITE_A);
	machine__leave(bench->a, bench->sp - 64, 0, 0);
	machine__leave(bench->a, bench->sp, 0x6000, 0);
	assert_sum(SITE_A, 100, 1, 100, 1);
	assert_sum(SITE_B, 300, 1, 0, 0);
	/* A preloaded malloc calls libc's, whose probe stands behind a push. */
	machine__enter(bench->a, malloc_site, args(10, 0, 0), bench->sp, SITE_B);
	machine__enter(bench->a, libc_malloc, args(26, 0, 0), bench->sp - 8, SITE_A);
	machine__leave(bench->a, bench->sp - 8, 0x7000, 0);
	machine__leave(bench->a, bench->sp, 0x7010, 0);
	assert_sum(SITE_B, 310, 2, 0, 0);
	/* It frees through libc's, with the same block: the same free. */
	machine__enter(bench->a, free_site, args(0x7010, 0, 0), bench->sp, SITE_A);
	machine__enter(bench->a, libc_free, args(0x7010, 0, 0), bench->sp - 32, SITE_A);
	assert_sum(SITE_B, 310, 2, 10, 1);
	assert_int_equal(fake__tally(TALLY_FREE_UNKNOWN), 0);
	assert_int_equal(fake__losses(), 0);
}

/* The same stack pointer, the trampoline for a return address, and one return for all. */
static void tail_call(struct bench *bench)
{
	call(bench, malloc_site, args(100, 0, 0), 0x5000);
	machine__enter(bench->a, reallocarray_site, args(0x5000, 4, 50), bench->sp, SITE_B);
	machine__enter(bench->a, realloc_site, args(0x5000, 200, 0), bench->sp, 0);
	machine__enter(bench->a, malloc_site, args(200, 0, 0), bench->sp - 96, SITE_A);
	machine__leave(bench->a, bench->sp - 96, 0x6000, 0);
	machine__leave(bench->a, bench->sp, 0x6000, 0);
	assert_sum(SITE_A, 100, 1, 100, 1);
	assert_sum(SITE_B, 200, 1, 0, 0);
	assert_int_equal(bench->a->instance_count, 0);
	assert_int_equal(fake__losses(), 0);
}

/* While realloc is under way another thread is given the address that it has let go of. */
static void address_reused_within_realloc(struct bench *bench)
{
	call(bench, malloc_site, args(100, 0, 0), 0x5000);
	machine__enter(bench->a, realloc_site, args(0x5000, 300, 0), bench->sp, SITE_A);
	machine__enter(bench->b, malloc_site, args(40, 0, 0), bench->sp_b, SITE_B);
	machine__leave(bench->b, bench->sp_b, 0x5000, 0);
	assert_sum(SITE_A, 100, 1, 0, 0); /* not given up before the outcome is known */
	machine__leave(bench->a, bench->sp, 0x6000, 0);
	assert_sum(SITE_A, 400, 2, 100, 1);
	assert_sum(SITE_B, 40, 1, 0, 0);
	machine__enter(bench->b, free_site, args(0x5000, 0, 0), bench->sp_b, SITE_B);
	assert_sum(SITE_B, 40, 1, 40, 1);
	assert_int_equal(fake__losses(), 0);
}

static void dies_within(struct bench *bench)
{
	call(bench, malloc_site, args(100, 0, 0), 0x5000);
	machine__enter(bench->a, realloc_site, args(0x5000, 300, 0), bench->sp, SITE_A);
	machine__exit(bench->a, 1, 0);
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).events, 1);
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).bytes, 300);
	assert_sum(SITE_A, 100, 1, 100, 1);
	machine__enter(bench->b, free_site, args(0x5000, 0, 0), bench->sp_b, SITE_B);
	assert_int_equal(fake__tally(TALLY_FREE_UNKNOWN), 1);
	assert_int_equal(fake__losses(), 1);
}

/* Out of the call by a jump: the next call of the thread is seen to be none of its. */
static void jumps_out(struct bench *bench)
{
	machine__enter(bench->a, malloc_site, args(300, 0, 0), bench->sp, SITE_A);
	machine__enter(bench->a, malloc_site, args(20, 0, 0), bench->sp + 64, SITE_B); /* above */
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).bytes, 300);
	machine__leave(bench->a, bench->sp + 64, 0x5000, 0);
	machine__enter(bench->a, malloc_site, args(400, 0, 0), bench->sp, SITE_A);
	machine__enter(bench->a, malloc_site, args(30, 0, 0), bench->sp, SITE_B); /* in its place */
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).bytes, 700);
	machine__enter(bench->a, calloc_site, args(2, 15, 0), bench->sp,
		       SITE_B); /* likewise, another function */
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).bytes, 730);
	fake_memory__put(&bench->process->memory, bench->sp, 0x1234); /* that stack is in use again */
	machine__enter(bench->a, malloc_site, args(40, 0, 0), bench->sp - 64, SITE_B); /* below */
	machine__leave(bench->a, bench->sp - 64, 0x6000, 0);
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).bytes, 760);
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).events, 4);
	assert_sum(SITE_B, 60, 2, 0, 0);
	/* To the heap's calls as well as to mmap's. */
	machine__enter(bench->a, malloc_site, args(500, 0, 0), bench->sp, SITE_A);
	call(bench, mmap_site, args(0, 4096, 3), 0x100000);
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).events, 5);
	assert_int_equal(fake.events.count, 1);
}

/* The stack of a call that will not return can be above or below the one that goes on. */
static void stack_switched(struct bench *bench)
{
	__u64 other = bench->b->stack + STACK_BYTES - 128; /* above: the kernel takes it for an outer frame */
	__u64 word = 0x1234;

	machine__enter(bench->a, realloc_site, args(0, 300, 0), bench->sp, SITE_A);
	machine__enter(bench->a, malloc_site, args(20, 0, 0), other, SITE_B);
	machine__leave(bench->a, other, 0x5000, 0);
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).bytes, 300);
	machine__enter(bench->a, malloc_site, args(400, 0, 0), other, SITE_B);
	fake_memory__write(&bench->process->memory, other, &word, sizeof(word));
	machine__enter(bench->a, malloc_site, args(30, 0, 0), bench->sp, SITE_A);
	machine__leave(bench->a, bench->sp, 0x6000, 0);
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).bytes, 700);
	/* A stack that is not mapped any more cannot be inside a call. */
	machine__enter(bench->a, malloc_site, args(50, 0, 0), other, SITE_B);
	fake.fail_read = 1;
	machine__enter(bench->a, malloc_site, args(60, 0, 0), bench->sp, SITE_A);
	machine__leave(bench->a, bench->sp, 0x7000, 0);
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).bytes, 750);
	assert_sum(SITE_A, 90, 2, 0, 0);
	assert_sum(SITE_B, 20, 1, 0, 0);
}

/* A return whose program the kernel did not run. */
static void missed_return(struct bench *bench)
{
	call(bench, malloc_site, args(100, 0, 0), 0x5000);
	machine__enter(bench->a, realloc_site, args(0x5000, 200, 0), bench->sp, SITE_A);
	bench->a->instance_count = 0;
	call(bench, malloc_site, args(10, 0, 0), 0x6000);
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).events, 1);
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).bytes, 200);
	assert_sum(SITE_A, 110, 2, 100, 1);
}

static void missed_free(struct bench *bench)
{
	call(bench, malloc_site, args(100, 0, 0), 0x5000);
	call(bench, malloc_site, args(70, 0, 0), 0x5000);
	assert_int_equal(fake__loss(LOSS_MISSED_FREE).events, 1);
	assert_int_equal(fake__loss(LOSS_MISSED_FREE).bytes, 100);
	assert_sum(SITE_A, 170, 2, 100, 1);
	assert_int_equal(fake__live(bench->account, DOMAIN_HEAP, 0x5000)->size, 70);
}

static void assert_event(size_t index, __u32 type, __u64 first, __u64 second, __u64 third, __u64 fourth)
{
	struct event *event = &fake.events.items[index];

	assert_true(index < fake.events.count);
	assert_int_equal(event->type, type);
	assert_int_equal(event->arg[0], first);
	assert_int_equal(event->arg[1], second);
	assert_int_equal(event->arg[2], third);
	assert_int_equal(event->arg[3], fourth);
	assert_true(!index || event->time_ns > event[-1].time_ns);
}

static void mappings(struct bench *bench)
{
	struct registers regs = args(0, 8192, 3);

	regs.rcx = 0x22;
	call(bench, mmap_site, regs, 0x100000);
	/* The allocator's own: within malloc, and within mmap itself. */
	machine__enter(bench->a, malloc_site, args(1 << 20, 0, 0), bench->sp, SITE_A);
	machine__enter(bench->a, mmap_site, args(0, 1 << 20, 3), bench->sp - 64, SITE_B);
	machine__leave(bench->a, bench->sp - 64, 0x200000, 0);
	machine__enter(bench->a, munmap_site, args(0x200000, 4096, 0), bench->sp - 64, SITE_B);
	machine__leave(bench->a, bench->sp, 0x201010, 0);
	call(bench, mmap_site, args(0, 4096, 3), -1ull);
	call(bench, mmap_site, args(0, 4096, 3), -ENOMEM);
	call(bench, mremap_site, args(0x100000, 8192, 16384), 0x300000);
	call(bench, munmap_site, args(0x300000, 4096, 0), 0);
	assert_int_equal(fake.events.count, 3);
	assert_event(0, EVENT_MMAP, 0x100000, 8192, 0x22, 0);
	assert_event(1, EVENT_MREMAP, 0x100000, 8192, 0x300000, 16384);
	assert_true(fake.events.items[1].entered_ns < fake.events.items[1].time_ns);
	assert_true(fake.events.items[1].entered_ns > fake.events.items[0].time_ns);
	assert_event(2, EVENT_MUNMAP, 0x300000, 4096, 0, 0);
	assert_int_equal(fake__tally(TALLY_FAILED), 2);
	assert_sum(SITE_A, 1 << 20, 1, 0, 0);
	assert_int_equal(fake__losses(), 0);
	/* malloc called by an mmap of the program's own is the heap's. */
	machine__enter(bench->a, mmap_site, args(0, 4096, 3), bench->sp, SITE_A);
	machine__enter(bench->a, malloc_site, args(10, 0, 0), bench->sp - 64, SITE_B);
	machine__leave(bench->a, bench->sp - 64, 0x5000, 0);
	machine__leave(bench->a, bench->sp, 0x400000, 0);
	assert_sum(SITE_B, 10, 1, 0, 0);
	assert_event(3, EVENT_MMAP, 0x400000, 4096, 0, 0);
}

static void ring_full(struct bench *bench)
{
	fake.events_room = 1;
	call(bench, mmap_site, args(0, 4096, 3), 0x100000);
	call(bench, munmap_site, args(0x100000, 4096, 0), 0);
	assert_int_equal(fake.events.count, 1);
	assert_int_equal(fake__loss(LOSS_RING_FULL).events, 1);
}

static void phases(struct bench *bench)
{
	phase = PHASE_IDLE;
	call(bench, malloc_site, args(100, 0, 0), 0x5000);
	assert_int_equal(fake__tally(TALLY_ENTRY_EMULATED), 0);
	phase = PHASE_COUNT;
	call(bench, malloc_site, args(100, 0, 0), 0x5000);
	call(bench, free_site, args(0x5000, 0, 0), 0);
	assert_int_equal(fake__tally(TALLY_ENTRY_EMULATED), 1);
	assert_int_equal(fake__tally(TALLY_ENTRY_NOP5), 1);
	assert_sum(0, 0, 0, 0, 0);
	assert_int_equal(fake__tally(TALLY_FREE_UNKNOWN), 0);
	/* Entered before recording, left after: not seen whole, and no loss. */
	machine__enter(bench->a, malloc_site, args(100, 0, 0), bench->sp, SITE_A);
	phase = PHASE_RECORD;
	machine__leave(bench->a, bench->sp, 0x5000, 0);
	assert_sum(0, 0, 0, 0, 0);
	assert_int_equal(fake__losses(), 0);
}

/*
 * A call of the heap at the place of an abandoned mmap leaves the trampoline there: that does not bring the
 * abandoned call back to life.
 */
static void jumps_out_of_mmap(struct bench *bench)
{
	machine__enter(bench->a, mmap_site, args(0, 8192, 3), bench->sp, SITE_A);
	call(bench, malloc_site, args(10, 0, 0), 0x5000);
	machine__enter(bench->a, mmap_site, args(0, 4096, 3), bench->sp - 64, SITE_B);
	machine__leave(bench->a, bench->sp - 64, 0x100000, 0);
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).events, 1);
	assert_int_equal(fake__loss(LOSS_MISSED_RETURN).bytes, 8192);
	assert_int_equal(fake.events.count, 1);
}

/* A call that no state can be kept for is lost once. */
static void thread_state_refused(struct bench *bench)
{
	fake.no_memory_map = &threads;
	fake.no_memory_every = 1;
	call(bench, malloc_site, args(100, 0, 0), 0x5000);
	assert_int_equal(fake__loss(LOSS_THREAD_STATE).events, 1);
	fake.no_memory_map = NULL;
	call(bench, malloc_site, args(50, 0, 0), 0x6000);
	assert_sum(0, 50, 1, 0, 0);
	assert_int_equal(fake__losses(), 1);
}

static void in_each_mode(void (*test)(struct bench *))
{
	for (enum machine_mode mode = 0; mode < MACHINE_MODES; mode++) {
		struct bench bench;

		start(&bench, mode, NULL);
		test(&bench);
		stop(&bench);
	}
}

#define TEST(name)                                                                                           \
	static void test_##name(void **state)                                                                \
	{                                                                                                    \
		(void)state;                                                                                 \
		in_each_mode(name);                                                                          \
	}

TEST(malloc_and_free)
TEST(realloc_cases)
TEST(posix_memalign_cases)
TEST(nested)
TEST(tail_call)
TEST(address_reused_within_realloc)
TEST(dies_within)
TEST(jumps_out)
TEST(stack_switched)
TEST(missed_return)
TEST(missed_free)
TEST(mappings)
TEST(ring_full)
TEST(phases)
TEST(jumps_out_of_mmap)
TEST(thread_state_refused)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_malloc_and_free),
		cmocka_unit_test(test_realloc_cases),
		cmocka_unit_test(test_posix_memalign_cases),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_tail_call),
		cmocka_unit_test(test_address_reused_within_realloc),
		cmocka_unit_test(test_dies_within),
		cmocka_unit_test(test_jumps_out),
		cmocka_unit_test(test_stack_switched),
		cmocka_unit_test(test_missed_return),
		cmocka_unit_test(test_missed_free),
		cmocka_unit_test(test_mappings),
		cmocka_unit_test(test_ring_full),
		cmocka_unit_test(test_phases),
		cmocka_unit_test(test_jumps_out_of_mmap),
		cmocka_unit_test(test_thread_state_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

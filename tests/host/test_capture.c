// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Walks over made-up stacks, and where stacks are kept. */
#include "captured.h"

static int begin(void **state)
{
	(void)state;
	start(&bench, MACHINE_SESSION, NULL);
	return 0;
}

/* Code of which nothing is known: stacks are walked by frame pointers, and nobody knows where they end. */
static int begin_without_rows(void **state)
{
	struct unwind_space *space;

	begin(state);
	space = bpf_map_lookup_elem(&spaces, &bench.account);
	for (__u32 i = 0; i < space->count; i++)
		space->mappings[i].image = i % 2 ? 0 : FAKE_NO_ROWS;
	return 0;
}

static int end(void **state)
{
	(void)state;
	stop(&bench);
	return 0;
}

static void assert_frames(const struct stack_value *stack, size_t count, ...)
{
	va_list frames;

	assert_non_null(stack);
	assert_int_equal(stack->nframes, count);
	va_start(frames, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(stack->frames[i], va_arg(frames, __u64));
	va_end(frames);
}

static void chain(void **state)
{
	__u64 at = bench.sp + 64;

	(void)state;
	put_frame(at, at + 48, 0x402000);
	put_frame(at + 48, at + 64, 0x403000);
	put_frame(at + 64, 0, 0x404000); /* frames without room between them */
	assert_frames(captured(at), 4, SITE_A, 0x402000ull, 0x403000ull, 0x404000ull);
	assert_int_equal(captured(at)->flags, STACK_COMPLETE);
	/* The caller's own frame can begin right where the return address was. */
	put_frame(bench.sp + 8, at, 0x405000);
	assert_frames(captured(bench.sp + 8), 5, SITE_A, 0x405000ull, 0x402000ull, 0x403000ull, 0x404000ull);
	assert_int_equal(fake__losses(), 0);
}

/* Where the frame pointer is no frame pointer, the caller is right all the same. */
static void no_frame_pointer(void **state)
{
	__u64 at = bench.sp + 64;
	const __u64 wrong[] = {0,
			       1,
			       at + 1,
			       at + 4,
			       bench.sp - 64,
			       bench.sp,
			       bench.sp + 8 + (64ull << 20),
			       UINT64_MAX,
			       0x8000000000000000ull};

	(void)state;
	put_frame(at, 0, 0x402000);
	put_frame(bench.sp - 64, 0, 0x402000);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_frames(captured(wrong[i]), 1, SITE_A);
		assert_int_equal(captured(wrong[i])->flags, STACK_NO_RULE);
	}
	assert_int_equal(fake__stack_count(), 1);
	assert_int_equal(fake__loss(LOSS_STACK_NO_RULE).events, 1); /* of stacks, not of blocks */
}

static void loops(void **state)
{
	__u64 at = bench.sp + 64;

	(void)state;
	put_frame(at, at, 0x402000); /* itself */
	assert_frames(captured(at), 2, SITE_A, 0x402000ull);
	put_frame(at, at + 32, 0x402000);
	put_frame(at + 32, at, 0x403000); /* back */
	assert_frames(captured(at), 3, SITE_A, 0x402000ull, 0x403000ull);
	put_frame(at, at + 8, 0x402000); /* overlapping */
	assert_frames(captured(at), 2, SITE_A, 0x402000ull);
}

static void no_return_address(void **state)
{
	static const __u64 wrong[] = {0, 4095, 1ull << 47, UINT64_MAX};
	__u64 at = bench.sp + 64;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		put_frame(at, at + 32, wrong[i]);
		assert_frames(captured(at), 1, SITE_A);
		assert_int_equal(captured(at)->flags, i ? STACK_NO_RULE : STACK_COMPLETE);
	}
	/* By frame pointers alone 0 is nothing better. */
	stop(&bench);
	begin_without_rows(state);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		put_frame(at, at + 32, wrong[i]);
		assert_frames(captured(at), 1, SITE_A);
		assert_int_equal(captured(at)->flags, STACK_NO_RULE);
	}
	put_frame(at, 0, 4096);
	assert_frames(captured(at), 2, SITE_A, 4096ull);
	put_frame(at, 0, (1ull << 47) - 1);
	assert_frames(captured(at), 2, SITE_A, (1ull << 47) - 1);
}

static void unreadable(void **state)
{
	__u64 at = bench.sp + 64, end_of_stack = bench.a->stack + STACK_BYTES;
	const struct stack_value *stack;

	(void)state;
	put_frame(at, end_of_stack - 8, 0x402000); /* the return address would be beyond the stack */
	stack = captured(at);
	assert_frames(stack, 2, SITE_A, 0x402000ull);
	assert_int_equal(stack->flags, STACK_UNREADABLE);
	assert_int_equal(fake__loss(LOSS_STACK_UNREADABLE).events, 1);
	assert_ptr_equal(captured(at), stack);
	assert_int_equal(fake__loss(LOSS_STACK_UNREADABLE).events, 1); /* of stacks, not of blocks */
	/* From the n-th read on there is nothing. There is no whole window of these words, so each takes two
	 * reads. */
	put_frame(at, at + 16, 0x403000);
	put_frame(at + 16, at + 32, 0x404000);
	put_frame(at + 32, 0, 0x405000);
	fake.fail_rest = true;
	for (unsigned n = 1; n <= 12; n++) {
		fake.fail_read = n;
		stack = captured(at);
		assert_int_equal(stack->nframes, 1 + (n - 1) / 4);
		assert_int_equal(stack->flags, STACK_UNREADABLE);
	}
	fake.fail_read = 0;
	assert_frames(captured(at), 4, SITE_A, 0x403000ull, 0x404000ull, 0x405000ull);
	assert_int_equal(fake__loss(LOSS_STACK_UNREADABLE).events, 4);
	assert_int_equal(fake__losses(), 4);
}

static void too_deep(void **state)
{
	__u64 room = 0x8000, at = bench.b->stack + STACK_BYTES;
	const struct stack_value *stack;

	(void)state;
	fake_memory__add(&bench.process->memory, at, room);
	for (unsigned depth = STACK_FRAMES_MAX - 1; depth < STACK_FRAMES_MAX + 2; depth++) {
		for (unsigned frame = 1; frame < depth; frame++)
			put_frame(at + frame * 32, frame + 1 < depth ? at + (frame + 1) * 32 : 0,
				  0x400000 + depth - frame);
		stack = captured(at + 32);
		assert_int_equal(stack->nframes, depth < STACK_FRAMES_MAX ? depth : STACK_FRAMES_MAX);
		assert_int_equal(stack->flags, depth > STACK_FRAMES_MAX ? STACK_TRUNCATED : STACK_COMPLETE);
		for (unsigned frame = 1; frame < stack->nframes; frame++)
			assert_int_equal(stack->frames[frame], 0x400000 + depth - frame);
	}
	assert_int_equal(fake__loss(LOSS_STACK_TRUNCATED).events, 1);
	assert_int_equal(fake__losses(), 1);
}

/* Others probe returns, too: where such a function returns to the kernel knows. */
static void through_probed_functions(void **state)
{
	__u64 at = bench.sp + 64, word = 0;

	(void)state;
	put_frame(at, at + 32, 0x402000);
	put_frame(at + 32, at + 64, 0x403000);
	put_frame(at + 64, 0, 0x404000);
	machine__probe_return(bench.a, at + 72);
	machine__probe_return(bench.a, at + 8);
	fake_memory__read(&bench.process->memory, at + 8, &word, sizeof(word));
	assert_int_equal(word, TRAMPOLINE);
	assert_frames(captured(at), 4, SITE_A, 0x402000ull, 0x403000ull, 0x404000ull);
	assert_int_equal(captured(at)->flags, STACK_COMPLETE);
	assert_int_equal(fake__losses(), 0);
}

/* The key that the stack has whose only frame is SITE_A: as the programs put it there. */
static struct stack_key only_key(void)
{
	struct stack_key key;

	captured(0);
	memcpy(&key, fake.stacks[STACK_CLASS_22].entries->key, sizeof(key));
	stop(&bench);
	start(&bench, MACHINE_SESSION, NULL);
	key.account = bench.account;
	return key;
}

/* Puts another stack where @key is. */
static void occupy(struct stack_key key, __u16 salt, __u64 frame)
{
	struct stack_value other = {.total = 1000 + salt, .nframes = 1, .frames = {frame}};

	key.salt = salt;
	assert_int_equal(bpf_map_update_elem(&stacks_22, &key, &other, BPF_NOEXIST), 0);
}

static void collisions(void **state)
{
	struct stack_key key = only_key();
	const struct stack_value *stack;

	(void)state;
	for (__u16 salt = 0; salt < 3; salt++)
		occupy(key, salt, 0x999000 + salt);
	stack = captured(0);
	assert_frames(stack, 1, SITE_A);
	assert_true(stack->total < 1000);
	assert_int_equal(fake__total(stack->total)->key.salt, 3);
	assert_ptr_equal(captured(0), stack);
	assert_sum(SITE_A, 2, 2, 0, 0);
	assert_sum(0x999000, 0, 0, 0, 0);
	assert_int_equal(fake__losses(), 0);
}

static void too_many_collisions(void **state)
{
	struct stack_key key = only_key();

	(void)state;
	for (__u16 salt = 0; salt < 4; salt++)
		occupy(key, salt, 0x999000 + salt);
	assert_null(captured(0));
	assert_int_equal(fake__loss(LOSS_STACK_COLLISION).events, 1);
	assert_int_equal(fake__loss(LOSS_STACK_COLLISION).bytes, 1);
	assert_sum(0, 0, 0, 0, 0);
	assert_int_equal(fake__live_count(), 0);
}

/* The same hash but another length. */
static void prefix_is_another_stack(void **state)
{
	struct stack_value other = {.total = 1000, .nframes = 2, .frames = {SITE_A, 0x402000}};
	struct stack_key key = only_key();

	(void)state;
	bpf_map_update_elem(&stacks_22, &key, &other, BPF_NOEXIST);
	assert_int_equal(captured(0)->nframes, 1);
	assert_true(captured(0)->total < 1000);
}

static struct stack_value raced;

/* Another thread puts a stack there between look-up and insertion. */
static void race(void *map, const void *key)
{
	fake.before_update = NULL;
	if (map == &stacks_22)
		assert_int_equal(bpf_map_update_elem(&stacks_22, key, &raced, BPF_NOEXIST), 0);
	else
		fake.before_update = race;
}

static void lost_race(void **state)
{
	const struct stack_value *stack;

	(void)state;
	raced = (struct stack_value){.total = 77, .nframes = 1, .flags = STACK_COMPLETE, .frames = {SITE_A}};
	fake.before_update = race;
	stack = captured(0); /* the very same stack */
	assert_int_equal(stack->total, 77);
	assert_int_equal(fake__stack_count(), 1);
	assert_int_equal(fake__total(77)->allocated_count, 1);
	raced = (struct stack_value){.total = 78, .nframes = 1, .flags = STACK_COMPLETE, .frames = {SITE_B}};
	fake.before_update = race;
	put_frame(bench.sp + 64, 0, 0x402000);
	stack = captured(bench.sp + 64); /* another one of the same hash */
	assert_frames(stack, 2, SITE_A, 0x402000ull);
	assert_true(stack->total < 77);
	assert_int_equal(fake__total(78)->allocated_count, 0);
	assert_int_equal(fake__losses(), 0);
}

/* Entries of totals that nobody got are given out again. */
static void no_index_wasted(void **state)
{
	(void)state;
	stop(&bench);
	start(&bench, MACHINE_SESSION, &(struct fake_room){.stacks = 2});
	fake.no_memory_map = &stacks_22;
	fake.no_memory_every = 1;
	for (int i = 0; i < 10; i++)
		assert_null(captured(0));
	assert_int_equal(fake__loss(LOSS_NO_MEMORY).events, 10);
	fake.no_memory_map = NULL;
	put_frame(bench.sp + 64, 0, 0x402000);
	put_frame(bench.sp + 96, 0, 0x403000);
	assert_non_null(captured(0));
	assert_non_null(captured(bench.sp + 64));
	assert_null(captured(bench.sp + 96));
	assert_int_equal(fake__loss(LOSS_STACKS_FULL).events, 1);
	assert_int_equal(fake__losses(), 11);
	assert_sum(0, 2, 2, 0, 0);
}

/* The heap's stacks are not mmap's. */
static void domains_apart(void **state)
{
	(void)state;
	captured(0);
	call(&bench, mmap_site, args(0, 4096, 3), 0x100000);
	assert_int_equal(fake__stack_count(), 2);
	captured(0);
	call(&bench, mmap_site, args(0, 4096, 3), 0x200000);
	assert_int_equal(fake__stack_count(), 2);
	assert_int_equal(fake.events.items[0].total, fake.events.items[1].total);
	assert_int_equal(fake__total(fake.events.items[0].total)->key.domain, DOMAIN_MMAP);
	assert_sum(SITE_A, 2, 2, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(chain, begin, end),
		cmocka_unit_test_setup_teardown(no_frame_pointer, begin_without_rows, end),
		cmocka_unit_test_setup_teardown(loops, begin_without_rows, end),
		cmocka_unit_test_setup_teardown(no_return_address, begin, end),
		cmocka_unit_test_setup_teardown(unreadable, begin, end),
		cmocka_unit_test_setup_teardown(too_deep, begin, end),
		cmocka_unit_test_setup_teardown(through_probed_functions, begin, end),
		cmocka_unit_test_setup_teardown(collisions, begin, end),
		cmocka_unit_test_setup_teardown(too_many_collisions, begin, end),
		cmocka_unit_test_setup_teardown(prefix_is_another_stack, begin, end),
		cmocka_unit_test_setup_teardown(lost_race, begin, end),
		cmocka_unit_test_setup_teardown(no_index_wasted, begin, end),
		cmocka_unit_test_setup_teardown(domains_apart, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Stacks are cut when the table of stacks is nearly full, so that blocks find room for longer. */
#include "captured.h"

#define ROOM 64u
#define WHOLE                                                                                                \
	49u /* of 65 totals, the first of which is never used: while fewer than three quarters are in use */
#define SHORT  57u /* … seven eighths */
#define DEPTH  40u
#define COMMON 0x410000ull
#define OWN    0x500000ull

static __u64 records;

static int begin_with(__u32 stacks)
{
	start(&bench, MACHINE_SESSION, &(struct fake_room){.stacks = stacks});
	records = bench.b->stack + STACK_BYTES;
	fake_memory__add(&bench.process->memory, records, (STACK_FRAMES_MAX + 2) * 16);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	return begin_with(ROOM);
}

static int end(void **state)
{
	(void)state;
	stop(&bench);
	return 0;
}

/* What frame @frame of stack @number is: all stacks are the same but for frame @at. */
static __u64 frame_of(__u32 number, __u32 frame, __u32 at)
{
	if (!frame)
		return SITE_A;
	return frame == at ? OWN + number * 16 : COMMON + frame * 16;
}

/* An allocation from stack @number, of @depth frames. */
static const struct stack_value *deep(__u32 number, __u32 depth, __u32 at)
{
	for (__u32 frame = 1; frame < depth; frame++)
		put_frame(records + frame * 16, frame + 1 < depth ? records + (frame + 1) * 16 : 0,
			  frame_of(number, frame, at));
	return captured(depth > 1 ? records + 16 : 0);
}

static void assert_stack(const struct stack_value *stack, __u32 number, __u32 at, __u32 depth, __u32 flags)
{
	assert_non_null(stack);
	assert_int_equal(stack->nframes, depth);
	assert_int_equal(stack->flags, flags);
	for (__u32 frame = 0; frame < depth; frame++)
		assert_int_equal(stack->frames[frame], frame_of(number, frame, at));
}

static __u32 depth_left(__u32 used)
{
	return used < WHOLE ? DEPTH : used < SHORT ? STACK_FRAMES_SHORT : STACK_FRAMES_CORE;
}

/* Until the table is really full each block is in the books. */
static void nearly_full(void **state)
{
	const struct stack_value *stacks[ROOM];

	(void)state;
	for (__u32 i = 0; i < ROOM; i++) {
		assert_int_equal(used_totals, i);
		stacks[i] = deep(i, DEPTH, 1);
		assert_stack(stacks[i], i, 1, depth_left(i), i < WHOLE ? STACK_COMPLETE : STACK_SHORTENED);
		assert_int_equal(fake__loss(LOSS_STACK_SHORTENED).events, i < WHOLE ? 0 : i + 1 - WHOLE);
	}
	assert_int_equal(fake__losses(), ROOM - WHOLE);
	assert_null(deep(ROOM, DEPTH, 1));
	assert_int_equal(fake__loss(LOSS_STACKS_FULL).events, 1);
	assert_int_equal(fake__loss(LOSS_STACK_SHORTENED).events, ROOM - WHOLE);
	/* Those that are there are found as they are, also twice in a row; they count once. */
	for (__u32 i = 0; i < ROOM * 2; i++)
		assert_ptr_equal(deep(i / 2, DEPTH, 1), stacks[i / 2]);
	assert_int_equal(fake__losses(), ROOM - WHOLE + 1);
	assert_sum(0, ROOM * 3, ROOM * 3, 0, 0);
	assert_int_equal(fake__stack_count(), ROOM);
}

static void fill(__u32 count)
{
	while (used_totals < count)
		assert_non_null(deep(used_totals, 3, 1));
}

/* What is no longer than what is allowed stays as it is. */
static void short_ones(void **state)
{
	(void)state;
	fill(WHOLE);
	assert_stack(deep(100, STACK_FRAMES_SHORT, 1), 100, 1, STACK_FRAMES_SHORT, STACK_COMPLETE);
	assert_stack(deep(101, STACK_FRAMES_SHORT + 1, 1), 101, 1, STACK_FRAMES_SHORT, STACK_SHORTENED);
	assert_stack(deep(102, STACK_FRAMES_MAX + 1, 1), 102, 1, STACK_FRAMES_SHORT, STACK_SHORTENED);
	fill(SHORT);
	assert_stack(deep(103, STACK_FRAMES_CORE, 1), 103, 1, STACK_FRAMES_CORE, STACK_COMPLETE);
	assert_stack(deep(104, STACK_FRAMES_CORE + 1, 1), 104, 1, STACK_FRAMES_CORE, STACK_SHORTENED);
	assert_stack(deep(105, STACK_FRAMES_SHORT, 1), 105, 1, STACK_FRAMES_CORE, STACK_SHORTENED);
	/* Of those that were there before nothing is taken. */
	assert_stack(deep(100, STACK_FRAMES_SHORT, 1), 100, 1, STACK_FRAMES_SHORT, STACK_COMPLETE);
	assert_stack(deep(101, STACK_FRAMES_SHORT + 1, 1), 101, 1, STACK_FRAMES_SHORT, STACK_SHORTENED);
	assert_int_equal(fake__loss(LOSS_STACK_SHORTENED).events, 4);
	assert_int_equal(fake__losses(), 4);
}

/* Stacks that differ only further out become one, whichever way they end. */
static void one_for_many(void **state)
{
	const struct stack_value *stack, *core;
	__u32 used;

	(void)state;
	fill(WHOLE);
	stack = deep(0, DEPTH, STACK_FRAMES_SHORT);
	assert_stack(stack, 0, 0, STACK_FRAMES_SHORT, STACK_SHORTENED);
	for (__u32 i = 1; i < 100; i++)
		assert_ptr_equal(deep(i, DEPTH + i % 80, STACK_FRAMES_SHORT + i % 10), stack);
	fake.fail_rest = true;
	for (fake.fail_read = 60; fake.fail_read < 70; fake.fail_read += 2) { /* unreadable from there on */
		unsigned k = fake.fail_read;

		assert_ptr_equal(deep(7, DEPTH, STACK_FRAMES_SHORT), stack);
		fake.fail_read = k;
	}
	fake.fail_read = 0;
	assert_int_equal(used_totals, WHOLE + 1);
	fill(SHORT);
	core = deep(0, DEPTH, STACK_FRAMES_CORE);
	assert_stack(core, 0, 0, STACK_FRAMES_CORE, STACK_SHORTENED);
	used = used_totals;
	for (__u32 i = 1; i < 100; i++)
		assert_ptr_equal(deep(i, STACK_FRAMES_CORE + i, STACK_FRAMES_CORE), core);
	assert_int_equal(used_totals, used);
	assert_int_equal(fake__loss(LOSS_STACK_SHORTENED).events, 2);
	assert_int_equal(fake__losses(), 2);
}

/* What a longer stack has left behind is no part of one that is too long but shorter than that. */
static void nothing_left_behind(void **state)
{
	const struct stack_value *longer;

	(void)state;
	fill(WHOLE);
	longer = deep(0, DEPTH, 0);
	assert_stack(longer, 0, 0, STACK_FRAMES_SHORT, STACK_SHORTENED);
	fill(SHORT);
	for (int i = 0; i < 4; i++) { /* whichever of the thread's two places is in turn */
		assert_ptr_equal(deep(0, DEPTH, 0), longer);
		if (i & 1)
			assert_non_null(deep(1, 3, 1));
		assert_ptr_equal(deep(0, DEPTH, 0), longer);
		assert_stack(deep(0, 10, 0), 0, 0, STACK_FRAMES_CORE, STACK_SHORTENED);
	}
}

/* User space gives totals back when a process ends: new stacks are whole again. */
static void room_again(void **state)
{
	(void)state;
	fill(WHOLE);
	assert_stack(deep(100, DEPTH, 1), 100, 1, STACK_FRAMES_SHORT, STACK_SHORTENED);
	used_totals -= 2;
	assert_stack(deep(100, DEPTH, 1), 100, 1, DEPTH, STACK_COMPLETE);
	assert_stack(deep(101, DEPTH, 1), 101, 1, STACK_FRAMES_SHORT, STACK_SHORTENED);
}

/* An entry that could not be stored is none in use. */
static void refused(void **state)
{
	(void)state;
	fill(WHOLE - 1);
	fake.no_memory_map = &stacks_54;
	fake.no_memory_every = 1;
	for (int i = 0; i < 10; i++)
		assert_null(deep(100, DEPTH, 1));
	fake.no_memory_map = NULL;
	assert_int_equal(used_totals, WHOLE - 1);
	assert_stack(deep(100, DEPTH, 1), 100, 1, DEPTH, STACK_COMPLETE);
	assert_int_equal(fake__loss(LOSS_STACK_SHORTENED).events, 0);
}

/* In the smallest tables a quarter is nothing. */
static void small_tables(void **state)
{
	(void)state;
	for (__u32 room = 1; room < 12; room++) {
		__u32 max = room + 1, used = 0;

		stop(&bench);
		begin_with(room);
		for (; used < room; used++) {
			const struct stack_value *stack = deep(used, DEPTH, 1);

			assert_non_null(stack);
			assert_int_equal(stack->nframes, used < max - max / 4   ? DEPTH
							 : used < max - max / 8 ? STACK_FRAMES_SHORT
										: STACK_FRAMES_CORE);
		}
		assert_null(deep(used, DEPTH, 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nearly_full, begin, end),
		cmocka_unit_test_setup_teardown(short_ones, begin, end),
		cmocka_unit_test_setup_teardown(one_for_many, begin, end),
		cmocka_unit_test_setup_teardown(nothing_left_behind, begin, end),
		cmocka_unit_test_setup_teardown(room_again, begin, end),
		cmocka_unit_test_setup_teardown(refused, begin, end),
		cmocka_unit_test_setup_teardown(small_tables, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Random programs against the model: totals by site, live blocks, events, losses. */
#include "world.h"

#include <cmocka.h>

#define RUNS  100
#define STEPS 1500

static void run(const struct world_options *options, __u64 seed)
{
	struct world *world = world__new(options, NULL, 0, seed);
	char *difference;

	for (int step = 0; step < STEPS; step++)
		world__step(world);
	world__end(world);
	difference = world__compare(world);
	if (difference)
		fail_msg("seed %llu, mode %d: %s", seed, options->mode, difference);
	assert_true(world->model.returns > 20);
	assert_true(!options->grows || options->room.recent_bits || fake.level_count == LIVE_LEVELS);
	world__free(world);
}

static void run_all(struct world_options options, __u64 seed)
{
	for (int i = 0; i < RUNS; i++) {
		options.mode = i % MACHINE_MODES;
		options.jumps_out_of_mmap = true;
		run(&options, seed + i);
	}
}

static void plenty(void **state)
{
	(void)state;
	run_all((struct world_options){0}, 1);
}

static void live_full(void **state)
{
	(void)state;
	run_all((struct world_options){.room.live = 5}, 10001);
}

static void stacks_full(void **state)
{
	(void)state;
	run_all((struct world_options){.room.stacks = 20}, 20001);
}

/* Levels so small that blocks are in all of them, and some overflow into older ones. */
static void levels(void **state)
{
	(void)state;
	for (__u32 room = 1; room < 7; room++)
		run_all((struct world_options){.room.live = room, .grows = true}, 30001 + room * 1000);
}

/* Blocks that are in recent, and those that did not get in. */
static void recent_blocks(void **state)
{
	(void)state;
	for (__u32 bits = 1; bits < 7; bits++)
		run_all((struct world_options){.room.recent_bits = bits, .room.live = 48, .grows = bits & 1},
			40001 + bits * 1000);
}

/* Where maps are refused memory, every allocation is recorded or counted as lost, and none is both. */
static void no_memory(void **state)
{
	void *maps[] = {&live, &stacks_22};

	(void)state;
	for (int i = 0; i < RUNS; i++) {
		struct world_options options = {.mode = i % MACHINE_MODES};
		struct world *world;
		char *difference;

		options.room.live = i % 4 ? 0 : 7;
		options.room.recent_bits = i % 8 < 4 ? 0 : 2;
		world = world__new(&options, NULL, 0, 50001 + i);
		fake.no_memory_map = maps[i % 2];
		fake.no_memory_every = 2 + i % 7;
		for (int step = 0; step < STEPS; step++)
			world__step(world);
		world__end(world);
		difference = world__compare_sums(world);
		if (difference)
			fail_msg("run %d: %s", i, difference);
		assert_true(fake.no_memory_hits > 0);
		assert_int_equal(fake__loss(LOSS_NO_MEMORY).events > 0, 1);
		world__free(world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plenty), cmocka_unit_test(live_full),     cmocka_unit_test(stacks_full),
		cmocka_unit_test(levels), cmocka_unit_test(recent_blocks), cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

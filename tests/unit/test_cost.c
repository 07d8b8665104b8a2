// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Figures worked out by hand from what a hit costs: see the design's table of measurements. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "attach/cost.h"

static void assert_close(double is, double should)
{
	if (!(fabs(is - should) <= 1e-6 * fabs(should)))
		fail_msg("%.9f, not %.9f", is, should);
}

static void spent(void **state)
{
	uint64_t before[TALLY_COUNT] = {10, 20, 30, 40, 1000, 1000}, after[TALLY_COUNT], events = 4711;

	(void)state;
	for (int tally = 0; tally < TALLY_COUNT; tally++)
		after[tally] = before[tally];
	assert_int_equal(cost__spent(before, after, ATTACH_SESSION, &events), 0);
	assert_int_equal(events, 0);
	after[TALLY_ENTRY_NOP5] += 1;
	after[TALLY_ENTRY_EMULATED] += 10;
	after[TALLY_ENTRY_STEPPED] += 100;
	after[TALLY_RETURN] += 1000;
	after[TALLY_FREE_UNKNOWN] += 5; /* these are no hits */
	after[TALLY_FAILED] += 5;
	assert_int_equal(cost__spent(before, after, ATTACH_SESSION, &events),
			 960 + 10 * 1250 + 100 * 14400 + 1000 * 1000);
	assert_int_equal(events, 1111);
	/* A return probe of its own costs more than a session's return. */
	assert_int_equal(cost__spent(before, after, ATTACH_MULTI, &events),
			 960 + 10 * 1250 + 100 * 14400 + 1000 * 2000);
	assert_int_equal(cost__spent(before, after, ATTACH_PERF, &events),
			 960 + 10 * 1250 + 100 * 14400 + 1000 * 2000);
}

static void counters_wrap(void **state)
{
	uint64_t before[TALLY_COUNT] = {UINT64_MAX}, after[TALLY_COUNT] = {1}, events;

	(void)state;
	assert_int_equal(cost__spent(before, after, ATTACH_SESSION, &events), 2 * 960);
	assert_int_equal(events, 2);
}

static void project(void **state)
{
	uint64_t before[TALLY_COUNT] = {0}, after[TALLY_COUNT] = {0};
	struct session_projection projection;

	(void)state;
	projection = cost__project(before, after, 100000000, ATTACH_SESSION);
	assert_close(projection.calls_per_second, 0);
	assert_close(projection.percent, 0);
	assert_close(projection.slowdown, 1);
	/* 1000 emulated hits in 100 ms: 0.85 ms of these were the traps'. */
	after[TALLY_ENTRY_EMULATED] = 1000;
	projection = cost__project(before, after, 100000000, ATTACH_SESSION);
	assert_close(projection.calls_per_second, 1000 / 0.09915);
	/* 1000 × 1.25 µs and 500 returns × 1 µs, on top of 99.15 ms */
	assert_close(projection.slowdown, 1 + 1.75 / 99.15);
	assert_close(projection.percent, 100 * 1.75 / (99.15 + 1.75));
	projection = cost__project(before, after, 100000000, ATTACH_PERF);
	assert_close(projection.slowdown, 1 + 2.25 / 99.15);
	/* More threads than one: more time in traps than there was. */
	after[TALLY_ENTRY_EMULATED] = 1000000000;
	projection = cost__project(before, after, 100000000, ATTACH_SESSION);
	assert_true(isfinite(projection.calls_per_second) && isfinite(projection.slowdown));
	assert_true(projection.percent > 99 && projection.percent <= 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spent),
		cmocka_unit_test(counters_wrap),
		cmocka_unit_test(project),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attach/cost.h"

/* ns a hit: the trap, and on top of it the BPF program's work when it keeps the books. */
static const uint64_t trap_ns[TALLY_COUNT] = {
	[TALLY_ENTRY_NOP5] = 560,
	[TALLY_ENTRY_EMULATED] = 850,
	[TALLY_ENTRY_STEPPED] = 14000,
	[TALLY_RETURN] = 600,
};
#define WORK_NS            400u
#define SEPARATE_RETURN_NS 1000u /* a return probe that is not a session's: that much more */

static uint64_t hit_ns(enum tally tally, enum attach_mode mode)
{
	return trap_ns[tally] + (tally == TALLY_RETURN && mode != ATTACH_SESSION ? SEPARATE_RETURN_NS : 0);
}

uint64_t cost__spent(const uint64_t before[TALLY_COUNT], const uint64_t after[TALLY_COUNT],
		     enum attach_mode mode, uint64_t *events)
{
	uint64_t ns = 0, hits;

	*events = 0;
	for (int tally = TALLY_ENTRY_NOP5; tally <= TALLY_RETURN; tally++) {
		hits = after[tally] - before[tally];
		ns += hits * (hit_ns(tally, mode) + WORK_NS);
		*events += hits;
	}
	return ns;
}

struct session_projection cost__project(const uint64_t before[TALLY_COUNT], const uint64_t after[TALLY_COUNT],
					uint64_t ns, enum attach_mode mode)
{
	struct session_projection projection = {0};
	double trapped = 0, calls = 0, record = 0, natural;

	for (int tally = TALLY_ENTRY_NOP5; tally <= TALLY_ENTRY_STEPPED; tally++) {
		double hits = after[tally] - before[tally];

		calls += hits;
		trapped += hits * hit_ns(tally, mode);
		record += hits * (hit_ns(tally, mode) + WORK_NS);
	}
	/* About every second call is an allocation, whose return is probed when it is recorded. */
	record += calls / 2 * (hit_ns(TALLY_RETURN, mode) + WORK_NS);
	/* Counting slowed the target, too: in the time that was its own it would have made as many calls. */
	natural = ns - trapped > ns * 0.02 ? ns - trapped : ns * 0.02;
	projection.calls_per_second = calls * 1e9 / natural;
	projection.percent = 100 * record / (natural + record);
	projection.slowdown = 1 + record / natural;
	return projection;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What hits cost the target: their number by kind × what a hit of that kind takes. */
#ifndef MEMWATCH_ATTACH_COST_H
#define MEMWATCH_ATTACH_COST_H

#include <stdint.h>
#include "abi.h"
#include "attach/features.h"

struct session_projection {
	double calls_per_second; /* of the allocator's functions, as they would be without the probes' own
				    cost */
	double percent;          /* of one CPU that recording takes at that rate */
	double slowdown;         /* of code that does nothing but what it was seen to do, on one CPU; ≥ 1 */
};

/*
 * Nanoseconds that the hits between two readings of the tallies took; @events gets how many there were.
 *
 * A hit's cost is the trap's and the BPF program's, as `tools/bench/pair` measures them (Linux 6.18, x86-64,
 * a virtual machine): an estimate, which reports call overhead.
 */
uint64_t cost__spent(const uint64_t before[TALLY_COUNT], const uint64_t after[TALLY_COUNT],
		     enum attach_mode mode, uint64_t *events);

/* From entries that were only counted for @ns. */
struct session_projection cost__project(const uint64_t before[TALLY_COUNT], const uint64_t after[TALLY_COUNT],
					uint64_t ns, enum attach_mode mode);

#endif

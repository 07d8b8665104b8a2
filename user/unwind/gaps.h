/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Code that linkers and libraries leave out of their call frame information though its rule is known: lld's
 * PLT, and the code in which a process or a thread begins.
 */
#ifndef MEMWATCH_UNWIND_GAPS_H
#define MEMWATCH_UNWIND_GAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "target/image.h"

struct gap {
	uint64_t start, end; /* vaddrs */
	uint32_t rule;       /* UNWIND_RULE; with UNWIND_END it is the end that is a guess, never too low */
};

struct gaps {
	struct gap *items; /* by rising start, none overlaps the next */
	size_t count, capacity;
};

/*
 * Finds what there may be of it in @image: also code of which more is said elsewhere. Returns 0, or a
 * negative errno where there is no memory or the file cannot be read; what is broken is passed over.
 */
int gaps__find(const struct image *image, struct gaps *gaps, struct error *error);
void gaps__free(struct gaps *gaps);

/* Whether a process can begin in @image without another's help: in static programs and dynamic linkers. */
bool gaps__starts_alone(const struct image *image);

#endif

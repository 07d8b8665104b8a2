/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which of many, possibly nested or overlapping, address ranges hold an address. */
#ifndef MEMWATCH_SYMBOLIZE_RANGES_H
#define MEMWATCH_SYMBOLIZE_RANGES_H

#include <stddef.h>
#include <stdint.h>

struct range {
	uint64_t start, end; /* [start, end) */
	uint64_t reach;      /* the highest end up to this range, once sorted */
	uint64_t value;      /* the owner's */
};

struct ranges {
	struct range *items;
	size_t count, capacity;
};

/* Appends [@start, @end); an empty range is left out. Returns 0 or -ENOMEM. */
int ranges__add(struct ranges *ranges, uint64_t start, uint64_t end, uint64_t value);

/* Must come between the last addition and the first search. */
void ranges__sort(struct ranges *ranges);

/* How many ranges start at or below @address, once sorted. */
size_t ranges__position(const struct ranges *ranges, uint64_t address);

/*
 * Fills @found with up to @max ranges that hold @address, the one that starts last first (of equals, that
 * with the higher value); returns how many. Looks at a bounded number of ranges: a file can make them overlap
 * at will.
 */
size_t ranges__find(const struct ranges *ranges, uint64_t address, const struct range **found, size_t max);

void ranges__free(struct ranges *ranges);

#endif

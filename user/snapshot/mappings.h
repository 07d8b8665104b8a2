/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The mmap domain's books. munmap takes back any pages, not what one mmap gave, so these are kept by address
 * range, in user space, from events in the order in which they happened.
 */
#ifndef MEMWATCH_SNAPSHOT_MAPPINGS_H
#define MEMWATCH_SNAPSHOT_MAPPINGS_H

#include <stdint.h>
#include "abi.h"
#include "base/vec.h"

/* Live bytes by stack. A mapping counts as one as long as any page of it is mapped. */
struct mapping_sum {
	uint64_t allocated_bytes, allocated_count, freed_bytes, freed_count;
};

struct mapped_range {
	uint64_t start, end; /* [start, end) */
	uint64_t birth_ns;
	uint32_t owner; /* index into owners */
};

struct mapping_owner {
	uint32_t total;  /* whose stack: index into totals */
	uint32_t ranges; /* pieces still mapped */
};

struct mappings {
	VEC(struct mapped_range) ranges; /* by rising start, not overlapping */
	VEC(struct mapping_owner) owners;
	VEC(struct mapping_sum) sums; /* by index into totals */
	uint64_t unknown_bytes;       /* unmapped, but never seen to be mapped */
	uint64_t page_size;
};

void mappings__init(struct mappings *mappings, uint64_t page_size);
void mappings__free(struct mappings *mappings);

/* Books one EVENT_MMAP, EVENT_MUNMAP or EVENT_MREMAP. Returns 0, or -ENOMEM with the books unchanged or
 * behind. */
int mappings__apply(struct mappings *mappings, const struct event *event);

/* What stack @total has mapped; zeros where nothing. */
struct mapping_sum mappings__sum(const struct mappings *mappings, uint32_t total);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Samples → groups with summed values, in time linear in the frames looked at. Private to profile/. */
#ifndef MEMWATCH_PROFILE_GROUP_H
#define MEMWATCH_PROFILE_GROUP_H

#include "profile/frames.h"

/* A stack as the traceback grouping sees it, innermost first. */
struct stack_identity;

/* What a sample adds to its groups. What was freed follows from it. Sums stop at the ends of int64_t. */
struct group_sums {
	int64_t size, count, size_diff, count_diff, allocated, allocated_count;
};

/* Small: a cumulative grouping touches one for every frame of every sample. */
struct group {
	uint32_t key;    /* identity of the frame or the stack, or the type's string */
	uint32_t domain; /* string */
	uint32_t sample; /* the heaviest */
	uint32_t frame;  /* of that sample: the one that is grouped by */
	uint64_t offset; /* the smallest of the frames' module offsets, where they are named by function alone
			  */
	int64_t heaviest_size;
	struct group_sums sums;
};

/* Where the newest group of a key is. Domains come one after another, so an older domain's group is done
 * with. */
struct group_slot {
	uint32_t group, domain, sample; /* each + 1 */
};

struct grouping {
	struct frames frames;
	const struct view_options *options;
	const struct profile_base *base;
	VEC(struct group) groups;
	VEC(struct group_slot) slots; /* by key */
	struct stack_identity *stacks;
	VEC(struct stack_identity *) stacks_by_key;
	VEC(uint32_t) scratch;
	struct group_sums total;
};

/* Groups what passes the filters. 0 or a negative errno; free it in both cases. */
int grouping__build(struct grouping *grouping, const struct profile *profile, const struct profile_base *base,
		    const struct view_options *options);
void grouping__free(struct grouping *grouping);

/* The order in which groups are reported, as qsort_r wants it; @grouping is its context. */
int grouping__compare(const void *a, const void *b, void *grouping);

void group_sums__add(struct group_sums *sum, const struct group_sums *added);
struct stat_values group_sums__values(const struct group_sums *sums);

#endif

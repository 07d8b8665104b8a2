// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/ranges.h"

#include "base/vec.h"

/* Beyond this depth of overlap no compiler goes. */
#define MAX_STEPS 4096

int ranges__add(struct ranges *ranges, uint64_t start, uint64_t end, uint64_t value)
{
	if (start >= end)
		return 0;
	return vec_push(ranges, (struct range){.start = start, .end = end, .value = value});
}

static int compare(const void *a, const void *b)
{
	const struct range *left = a, *right = b;

	if (left->start != right->start)
		return left->start < right->start ? -1 : 1;
	return left->value < right->value ? -1 : left->value > right->value;
}

void ranges__sort(struct ranges *ranges)
{
	uint64_t reach = 0;

	if (ranges->count == 0)
		return;
	qsort(ranges->items, ranges->count, sizeof(*ranges->items), compare);
	vec_each (range, ranges) {
		if (range->end > reach)
			reach = range->end;
		range->reach = reach;
	}
}

size_t ranges__position(const struct ranges *ranges, uint64_t address)
{
	size_t low = 0, high = ranges->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->items[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t ranges__find(const struct ranges *ranges, uint64_t address, const struct range **found, size_t max)
{
	size_t count = 0, steps = 0;

	for (size_t i = ranges__position(ranges, address); i > 0 && count < max && steps < MAX_STEPS;
	     i--, steps++) {
		const struct range *range = &ranges->items[i - 1];

		if (range->reach <= address)
			break;
		if (range->end > address)
			found[count++] = range;
	}
	return count;
}

void ranges__free(struct ranges *ranges)
{
	vec_free(ranges);
}

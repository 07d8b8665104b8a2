// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "snapshot/mappings.h"

#include <string.h>
#include <stdbool.h>

#define ADDRESS_LIMIT (1ull << 57) /* five-level page tables */

void mappings__init(struct mappings *mappings, uint64_t page_size)
{
	memset(mappings, 0, sizeof(*mappings));
	mappings->page_size = page_size;
}

void mappings__free(struct mappings *mappings)
{
	vec_free(&mappings->ranges);
	vec_free(&mappings->owners);
	vec_free(&mappings->sums);
}

struct mapping_sum mappings__sum(const struct mappings *mappings, uint32_t total)
{
	struct mapping_sum none = {0};

	return total < mappings->sums.count ? mappings->sums.items[total] : none;
}

static struct mapping_sum *sum_of(struct mappings *mappings, uint32_t total)
{
	size_t count = mappings->sums.count;

	if (total >= count) {
		if (vec_reserve(&mappings->sums, (size_t)total + 1))
			return NULL;
		memset(mappings->sums.items + count, 0, (total + 1 - count) * sizeof(*mappings->sums.items));
		mappings->sums.count = (size_t)total + 1;
	}
	return &mappings->sums.items[total];
}

/* The first range that ends after @address. */
static size_t first_after(const struct mappings *mappings, uint64_t address)
{
	size_t low = 0, high = mappings->ranges.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (mappings->ranges.items[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int insert_range(struct mappings *mappings, size_t at, struct mapped_range range)
{
	if (vec_reserve(&mappings->ranges, mappings->ranges.count + 1))
		return -ENOMEM;
	memmove(mappings->ranges.items + at + 1, mappings->ranges.items + at,
		(mappings->ranges.count - at) * sizeof(range));
	mappings->ranges.items[at] = range;
	mappings->ranges.count++;
	mappings->owners.items[range.owner].ranges++;
	return 0;
}

static void remove_range(struct mappings *mappings, size_t at)
{
	mappings->owners.items[mappings->ranges.items[at].owner].ranges--;
	memmove(mappings->ranges.items + at, mappings->ranges.items + at + 1,
		(mappings->ranges.count - at - 1) * sizeof(*mappings->ranges.items));
	mappings->ranges.count--;
}

static void book_freed(struct mappings *mappings, uint32_t owner, uint64_t bytes)
{
	struct mapping_owner *mapping = &mappings->owners.items[owner];
	struct mapping_sum *sum = &mappings->sums.items[mapping->total];

	sum->freed_bytes += bytes;
	if (!mapping->ranges)
		sum->freed_count++;
}

/* Cuts [start, end) out of the range at @at; returns whether the range is still there. */
static int cut_range(struct mappings *mappings, size_t at, uint64_t start, uint64_t end, bool *still)
{
	struct mapped_range *range = &mappings->ranges.items[at], tail = *range;
	uint64_t from = start > range->start ? start : range->start, to = end < range->end ? end : range->end;
	uint32_t owner = range->owner;
	int err = 0;

	*still = true;
	if (from > range->start && to < range->end) { /* a hole */
		tail.start = to;
		err = insert_range(mappings, at + 1, tail);
		if (err)
			return err;
		mappings->ranges.items[at].end = from;
	} else if (from > range->start) {
		range->end = from;
	} else if (to < range->end) {
		range->start = to;
	} else {
		remove_range(mappings, at);
		*still = false;
	}
	book_freed(mappings, owner, to - from);
	return 0;
}

/* Books that [start, end) is gone, but for what was mapped there after @until. */
static int unmap(struct mappings *mappings, uint64_t start, uint64_t end, uint64_t until, bool count_unknown)
{
	size_t at = first_after(mappings, start);
	uint64_t known = 0;
	int err = 0;

	while (!err && at < mappings->ranges.count && mappings->ranges.items[at].start < end) {
		struct mapped_range *range = &mappings->ranges.items[at];
		bool still = true;

		if (range->birth_ns > until) {
			at++;
			continue;
		}
		known +=
			(end < range->end ? end : range->end) - (start > range->start ? start : range->start);
		err = cut_range(mappings, at, start, end, &still);
		if (!err && still)
			at++;
	}
	if (count_unknown)
		mappings->unknown_bytes += end - start - known;
	return err;
}

static int map(struct mappings *mappings, uint64_t start, uint64_t end, const struct event *event)
{
	struct mapping_owner owner = {.total = event->total};
	struct mapped_range range = {.start = start, .end = end, .birth_ns = event->time_ns};
	struct mapping_sum *sum = sum_of(mappings, event->total);

	if (!sum || vec_reserve(&mappings->owners, mappings->owners.count + 1))
		return -ENOMEM;
	range.owner = mappings->owners.count;
	mappings->owners.items[mappings->owners.count++] = owner;
	if (insert_range(mappings, first_after(mappings, start), range)) {
		mappings->owners.count--;
		return -ENOMEM;
	}
	sum->allocated_bytes += end - start;
	sum->allocated_count++;
	return 0;
}

/* Rounds to pages as the kernel does; false for what the kernel would have refused. */
static bool page_range(const struct mappings *mappings, uint64_t address, uint64_t length, uint64_t *end)
{
	uint64_t mask = mappings->page_size - 1;

	if (address & mask || address >= ADDRESS_LIMIT || !length || length > ADDRESS_LIMIT)
		return false;
	*end = address + ((length + mask) & ~mask);
	return *end <= ADDRESS_LIMIT;
}

int mappings__apply(struct mappings *mappings, const struct event *event)
{
	uint64_t start = event->arg[0], end, new_start = event->arg[2], new_end;
	int err;

	if (event->type == EVENT_MREMAP) {
		/* A length of 0 duplicates a shared mapping: the old one stays. */
		if (event->arg[1] && page_range(mappings, start, event->arg[1], &end)) {
			err = unmap(mappings, start, end, event->entered_ns, false);
			if (err)
				return err;
		}
		start = new_start;
		if (!page_range(mappings, new_start, event->arg[3], &new_end))
			return 0;
		end = new_end;
	} else if (!page_range(mappings, start, event->arg[1], &end)) {
		return 0;
	}
	/* What is mapped over (MAP_FIXED) is gone. */
	err = unmap(mappings, start, end, UINT64_MAX, event->type == EVENT_MUNMAP);
	if (err || event->type == EVENT_MUNMAP)
		return err;
	return map(mappings, start, end, event);
}

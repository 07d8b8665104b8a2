// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The rule that holds at an address, by search in the table of the image that is mapped there. */
#include "memwatch.h"

/* Pages that the rows of 4 KiB of code can be on: there is at most one for each byte. libcrypto's block
 * ciphers have one for every seven. */
#define RANGE_PAGES (4096 / UNWIND_PAGE_ROWS + 1)

__u32 unwind__search_mappings(struct unwind_space *space, __u64 address);
__u32 unwind__search_rows(struct unwind_page *page, __u32 low, __u32 high, __u32 pc);

/*
 * The searches are global functions, which the verifier checks once and by themselves: each can go some
 * hundred ways, and the ways of one would be multiplied by those of the other.
 */

/* How many mappings end at or before @address: the number of the one that can hold it. */
__noinline __u32 unwind__search_mappings(struct unwind_space *space, __u64 address)
{
	__u32 place = 0, step;

	if (!space)
		return 0;
	for (step = UNWIND_MAPPINGS_MAX / 2; step; step /= 2) {
		__u32 next = place + step;

		if (next <= space->count &&
		    space->mappings[(next - 1) & (UNWIND_MAPPINGS_MAX - 1)].end <= address)
			place = next;
	}
	return place;
}

/* The rule of the last of rows @low … @high of a page that begins at or before @pc. */
__noinline __u32 unwind__search_rows(struct unwind_page *page, __u32 low, __u32 high, __u32 pc)
{
	__u32 step;

	if (!page)
		return UNWIND_NONE;
	for (step = UNWIND_PAGE_ROWS / 2; step; step /= 2) {
		__u32 next = low + step;

		if (next <= high && page->words[next * 2 & (UNWIND_PAGE_WORDS - 1)] <= pc)
			low = next;
	}
	/* The first row may begin after it. */
	return page->words[low * 2 & (UNWIND_PAGE_WORDS - 1)] <= pc
		       ? page->words[(low * 2 + 1) & (UNWIND_PAGE_WORDS - 1)]
		       : UNWIND_NONE;
}

/* Linux 6.1 takes no key from a function's argument: it is copied. */
static __always_inline struct unwind_space *find_space(struct thread *thread)
{
	__u32 number = thread->space;

	return bpf_map_lookup_elem(&spaces, &number);
}

static __always_inline struct unwind_mapping *find_mapping(struct unwind_space *space, __u64 address)
{
	__u32 place = unwind__search_mappings(space, address);

	if (place >= space->count || place >= UNWIND_MAPPINGS_MAX || space->mappings[place].start > address ||
	    space->mappings[place].end <= address)
		return NULL;
	return &space->mappings[place];
}

static __always_inline void *find_page(__u32 number)
{
	__u32 chunk = number / UNWIND_CHUNK_PAGES, at = number % UNWIND_CHUNK_PAGES;
	void *pages = bpf_map_lookup_elem(&unwind_chunks, &chunk);

	return pages ? bpf_map_lookup_elem(pages, &at) : NULL;
}

/* The rows that can hold @pc: from the last one that begins before its 4 KiB to the last that begins before
 * the next. */
static __always_inline int find_range(__u32 image, struct unwind_header *header, __u32 pc, __u32 *low,
				      __u32 *high)
{
	__u32 entry = pc >> UNWIND_PC_SHIFT, at = entry & (UNWIND_INDEX_STEP - 1);
	struct unwind_page *index;

	if (entry + 1 >= header->index_count)
		return -1;
	index = find_page(image + 1 + entry / UNWIND_INDEX_STEP);
	if (!index)
		return -1;
	*low = index->words[at];
	*high = index->words[at + 1];
	return 0;
}

/* The rule for @pc of an image; UNWIND_NONE where there is none. */
static __always_inline __u32 find_row(__u32 image, __u32 pc)
{
	struct unwind_header *header = find_page(image);
	struct unwind_page *page = NULL;
	__u32 low, high, i;

	if (!header || find_range(image, header, pc, &low, &high))
		return UNWIND_NONE;
	/* The range may cross pages: it is in the last one that begins at or before @pc. */
	for (i = 0; i < RANGE_PAGES; i++) {
		page = find_page(image + 1 + header->index_pages + high / UNWIND_PAGE_ROWS);
		if (!page)
			return UNWIND_NONE;
		if (low / UNWIND_PAGE_ROWS == high / UNWIND_PAGE_ROWS || page->words[0] <= pc)
			break;
		high = (high & ~(UNWIND_PAGE_ROWS - 1)) - 1;
	}
	if (!page)
		return UNWIND_NONE;
	if (low / UNWIND_PAGE_ROWS != high / UNWIND_PAGE_ROWS)
		low = high & ~(UNWIND_PAGE_ROWS - 1);
	return unwind__search_rows(page, low & (UNWIND_PAGE_ROWS - 1), high & (UNWIND_PAGE_ROWS - 1), pc);
}

static __always_inline int is_evaluation(__u32 slot, __u64 address)
{
	struct python_layout *layout = bpf_map_lookup_elem(&pythons, &slot);
	__u32 i;

	for (i = 0; layout && i < PYTHON_RANGES_MAX; i++) {
		if (i < layout->range_count && address >= layout->ranges[i].start &&
		    address < layout->ranges[i].end)
			return 1;
	}
	return 0;
}

/* The generation is that of the mappings that were searched. */
__noinline __u64 unwind__search(struct thread *thread, __u64 address)
{
	struct unwind_mapping *mapping;
	struct unwind_cached *cached;
	struct unwind_space *space;
	__u64 found;

	if (!thread)
		return 0;
	space = find_space(thread);
	mapping = space ? find_mapping(space, address) : NULL;
	if (!mapping)
		return 0;
	found = RULE_MAPPING;
	if (mapping->image)
		found |= find_row(mapping->image, mapping->pc + (__u32)(address - mapping->start));
	if (space->python && is_evaluation(space->python, address))
		found |= RULE_PYTHON;
	thread->walk.generation = space->generation;
	thread->walk.python = space->python;
	if (!space->generation)
		return found;
	cached = unwind__cached(UNWIND_RULE_TAG(address, space->generation));
	if (cached) {
		cached->first = UNWIND_RULE_TAG(address, space->generation) ^ UNWIND_RULE_CHECK(found);
		cached->second = found;
	}
	return found;
}

/* Of the mappings that the thread's stacks are walked by; 0: none are known, and no rule of theirs. */
__hidden __u32 unwind__generation(struct thread *thread)
{
	struct unwind_space *space = find_space(thread);

	thread->walk.python = space ? space->python : 0;
	return space ? space->generation : 0;
}

/* A mapping is not known: user space is asked to look, once for each set of mappings that it has published.
 */
__hidden void unwind__ask(struct thread *thread)
{
	struct unwind_space *space = find_space(thread);

	if (!space || space->asked || !__sync_bool_compare_and_swap(&space->asked, 0, 1))
		return;
	thread->event.type = EVENT_MAPPINGS;
	thread->event.account = thread->account;
	send_event(&thread->event);
}

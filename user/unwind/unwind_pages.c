// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unwind/unwind_pages.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct unwind_header) <= sizeof(struct unwind_page), "the header has a page");

int unwind_pages__lay_out(const struct unwind_table *table, struct unwind_layout *layout)
{
	const struct unwind_row *last = &table->items[table->count - 1];

	if (table->count > UINT32_MAX / 2)
		return -E2BIG;
	layout->index_count = (last->pc >> UNWIND_PC_SHIFT) + 2;
	layout->index_pages = (layout->index_count + UNWIND_INDEX_STEP - 1) / UNWIND_INDEX_STEP;
	layout->row_pages = (table->count + UNWIND_PAGE_ROWS - 1) / UNWIND_PAGE_ROWS;
	layout->pages = 1 + layout->index_pages + layout->row_pages;
	return 0;
}

/* Entry @entry of the index: the last row that begins at or before its 4 KiB. */
static void fill_index(const struct unwind_table *table, const struct unwind_layout *layout,
		       struct unwind_page *pages)
{
	uint32_t row = 0;

	for (uint32_t entry = 0; entry < layout->index_count; entry++) {
		uint64_t begin = (uint64_t)entry << UNWIND_PC_SHIFT;
		uint32_t page = entry / UNWIND_INDEX_STEP, at = entry % UNWIND_INDEX_STEP;

		while (row + 1 < table->count && table->items[row + 1].pc <= begin)
			row++;
		pages[1 + page].words[at] = row;
		if (!at && page)
			pages[page].words[UNWIND_INDEX_STEP] = row;
	}
}

void unwind_pages__fill(const struct unwind_table *table, const struct unwind_layout *layout,
			struct unwind_page *pages)
{
	struct unwind_header header = {.row_count = table->count,
				       .index_pages = layout->index_pages,
				       .index_count = layout->index_count};
	struct unwind_page *rows = pages + 1 + layout->index_pages;

	memcpy(&pages[0], &header, sizeof(header));
	fill_index(table, layout, pages);
	for (size_t i = 0; i < table->count; i++)
		memcpy(&rows[i / UNWIND_PAGE_ROWS].words[i % UNWIND_PAGE_ROWS * 2], &table->items[i],
		       sizeof(table->items[i]));
	/* What follows the last row on its page is never reached: searches end at a row's number. */
}

/* The file's vaddr at which @mapping begins: that of the segment that it is of. */
static bool find_vaddr(const struct image *image, const struct mapping *mapping, uint64_t *vaddr)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];

		if (!segment->executable || mapping->offset >= segment->offset + segment->file_size ||
		    mapping->offset + (mapping->end - mapping->start) <= segment->offset)
			continue;
		*vaddr = segment->vaddr + mapping->offset - segment->offset;
		return true;
	}
	return false;
}

bool unwind_pages__find_pc(const struct image *image, const struct mapping *mapping, uint64_t base,
			   uint32_t *pc)
{
	uint64_t vaddr;

	if (!find_vaddr(image, mapping, &vaddr) || vaddr < base || vaddr - base > UINT32_MAX)
		return false;
	*pc = (uint32_t)(vaddr - base);
	return true;
}

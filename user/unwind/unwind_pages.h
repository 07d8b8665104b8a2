/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How an unwind table lies in the pages that the kernel side looks it up in: see struct unwind_page. */
#ifndef MEMWATCH_UNWIND_UNWIND_PAGES_H
#define MEMWATCH_UNWIND_UNWIND_PAGES_H

#include <stdbool.h>
#include <stdint.h>
#include "target/image.h"
#include "target/maps.h"
#include "unwind/unwind_table.h"
#include "unwind_abi.h"

/* The header, the index, the rows. */
struct unwind_layout {
	uint32_t index_count, index_pages, row_pages;
	uint32_t pages; /* of all */
};

/* @table is not empty. Returns 0 or -E2BIG. */
int unwind_pages__lay_out(const struct unwind_table *table, struct unwind_layout *layout);

/* Fills layout->pages zeroed @pages. */
void unwind_pages__fill(const struct unwind_table *table, const struct unwind_layout *layout,
			struct unwind_page *pages);

/*
 * The pc at which @mapping begins, for the rows of @image's table, whose base is @base. False where the
 * mapping is of no code that the table could know.
 */
bool unwind_pages__find_pc(const struct image *image, const struct mapping *mapping, uint64_t base,
			   uint32_t *pc);

#endif

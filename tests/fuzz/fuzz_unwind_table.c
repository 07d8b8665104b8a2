// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any bytes as an ELF file with call frame information: a table's rows must be in order, no two neighbours
 * alike, each found again by its place, and no more than the bytes could ask for.
 */
#include <stdlib.h>

#include "unwind/unwind_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const struct unwind_table *table)
{
	size_t unsupported = 0;

	for (size_t i = 0; i < table->count; i++) {
		const struct unwind_row *row = &table->items[i];

		unsupported += UNWIND_CFA(row->rule) == UNWIND_UNSUPPORTED;
		if (i ? row->pc <= row[-1].pc || row->rule == row[-1].rule : row->rule == UNWIND_NONE)
			abort();
		if (UNWIND_CFA(row->rule) > UNWIND_UNSUPPORTED ||
		    unwind_table__find(table, table->base + row->pc) != row)
			abort();
	}
	if (unsupported != table->unsupported)
		abort();
	/* Behind the last function there is nothing. */
	if (table->count && table->items[table->count - 1].rule != UNWIND_NONE)
		abort();
	if (table->base && unwind_table__find(table, table->base - 1))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct error error = {0};
	struct unwind_table table;
	struct image *image;

	if (image__from_memory("fuzz", bytes, size, &image, NULL))
		return 0;
	if (unwind_table__compile(image, &table, &error)) {
		if (table.items || table.count || !error.text[0])
			abort();
	} else {
		check(&table);
	}
	unwind_table__free(&table);
	image__put(image);
	return 0;
}

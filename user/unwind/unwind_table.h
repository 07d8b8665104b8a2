/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* .eh_frame and .debug_frame of one image → rows that the kernel side can look up. */
#ifndef MEMWATCH_UNWIND_UNWIND_TABLE_H
#define MEMWATCH_UNWIND_UNWIND_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "target/image.h"
#include "unwind/frames.h"
#include "unwind_abi.h"

struct unwind_table {
	struct unwind_row *items; /* by rising pc, no two alike; equal neighbours are merged */
	size_t count, capacity;
	uint64_t base; /* the lowest PT_LOAD vaddr, page-aligned down: row.pc + base is a vaddr of the file */
	size_t unsupported; /* rows whose rule is UNWIND_UNSUPPORTED */
};

/*
 * Compiles the call frame information of @image, and fills its gaps. A file without any gives 0 and no rows.
 * Other code without an FDE is UNWIND_NONE. Broken CIEs and FDEs are passed over, the rest is used. Returns 0
 * or a negative errno.
 */
int unwind_table__compile(const struct image *image, struct unwind_table *table, struct error *error);
/* The same from what has been read of it. */
int unwind_table__from_frames(const struct image *image, const struct call_frames *frames,
			      struct unwind_table *table, struct error *error);
void unwind_table__free(struct unwind_table *table);

/* The row that holds @vaddr, or NULL. */
const struct unwind_row *unwind_table__find(const struct unwind_table *table, uint64_t vaddr);

#endif

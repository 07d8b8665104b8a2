/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which compilation unit and which function of a DWARF file hold an address. Made from the units' own ranges,
 * because .debug_aranges is missing from what clang writes. Holds offsets only, so it outlives the open file.
 */
#ifndef MEMWATCH_SYMBOLIZE_DWARF_INDEX_H
#define MEMWATCH_SYMBOLIZE_DWARF_INDEX_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>
#include "symbolize/ranges.h"
#include "target/image.h"

struct unit_functions;

struct dwarf_index {
	struct ranges units; /* value: offset of the unit's entry */
	struct unit_functions *functions;
	size_t function_ranges;
	uint64_t opened; /* how often the file was; the owner counts */
	bool built;
};

/* Fills @units with entries of units that hold @vaddr, at most @max; returns how many. */
size_t dwarf_index__units(struct dwarf_index *index, Dwarf *dwarf, const struct image *image, uint64_t vaddr,
			  Dwarf_Die *units, size_t max);

/* The concrete function of @unit that holds @vaddr; false where the unit describes none. */
bool dwarf_index__function(struct dwarf_index *index, Dwarf *dwarf, Dwarf_Die *unit, uint64_t vaddr,
			   Dwarf_Die *function);

/* Whether @unit is asked for the first time since the file was opened. */
bool dwarf_index__first_use(struct dwarf_index *index, Dwarf_Die *unit);

void dwarf_index__free(struct dwarf_index *index);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Steps through DWARF entries that a hostile file may have made: each walk has a budget, spent by every entry
 * and range looked at, because entries can share range lists and so multiply the work.
 */
#ifndef MEMWATCH_SYMBOLIZE_DWARF_WALK_H
#define MEMWATCH_SYMBOLIZE_DWARF_WALK_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct walk_budget {
	size_t left;
};

/* Takes one step; false where none is left. */
bool dwarf_walk__spend(struct walk_budget *budget);

/* The first child of @die, or with @child filled by an earlier call, the next; false at the end. */
bool dwarf_walk__first(Dwarf_Die *die, Dwarf_Die *child, struct walk_budget *budget);
bool dwarf_walk__next(Dwarf_Die *child, struct walk_budget *budget);

/* Calls @visit for each address range of @die until it returns false. */
void dwarf_walk__ranges(Dwarf_Die *die, struct walk_budget *budget, bool (*visit)(uint64_t, uint64_t, void *),
			void *context);

bool dwarf_walk__holds(Dwarf_Die *die, uint64_t vaddr, struct walk_budget *budget);

/*
 * A string attribute of @die or of what it is an instance of, NULL where there is none; a number of @die
 * itself.
 */
const char *dwarf_walk__string(Dwarf_Die *die, unsigned int name);
bool dwarf_walk__number(Dwarf_Die *die, unsigned int name, uint64_t *value);

#endif

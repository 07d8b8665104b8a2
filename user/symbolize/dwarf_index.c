// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/dwarf_index.h"

#include <dwarf.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "symbolize/dwarf_walk.h"

/* The largest programs (browsers, with all of their debug information) stay an order of magnitude below
 * these. */
#define MAX_UNIT_STEPS     (16u << 20)
#define MAX_FUNCTION_STEPS (8u << 20)
#define MAX_RANGES         (4u << 20)
#define MAX_DEPTH          64

struct unit_functions {
	Dwarf_Off unit;
	struct ranges ranges; /* value: offset of the function's entry */
	bool deep;            /* functions within functions were looked for too */
	uint64_t used;        /* in which opening of the file it was last asked for */
	UT_hash_handle hh;
};

struct collecting {
	struct ranges *ranges;
	const struct image *image; /* NULL: take all */
	uint64_t value;
	size_t room;
};

/*
 * Ranges of functions that the linker threw away are left in the DWARF, based at 0 or 1: they lie outside of
 * the code segments.
 */
static bool collect(uint64_t start, uint64_t end, void *context)
{
	struct collecting *collecting = context;

	if (collecting->image && !image__is_code(collecting->image, start))
		return true;
	if (collecting->ranges->count >= collecting->room)
		return false;
	return ranges__add(collecting->ranges, start, end, collecting->value) == 0;
}

static void build_units(struct dwarf_index *index, Dwarf *dwarf, const struct image *image)
{
	struct walk_budget budget = {.left = MAX_UNIT_STEPS};
	struct collecting collecting = {.ranges = &index->units, .image = image, .room = MAX_RANGES};
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;
	uint8_t type;

	index->built = true;
	while (dwarf_walk__spend(&budget) &&
	       dwarf_get_units(dwarf, unit, &unit, NULL, &type, &die, NULL) == 0) {
		if (type != DW_UT_compile && type != DW_UT_skeleton)
			continue;
		collecting.value = dwarf_dieoffset(&die);
		dwarf_walk__ranges(&die, &budget, collect, &collecting);
	}
	ranges__sort(&index->units);
}

size_t dwarf_index__units(struct dwarf_index *index, Dwarf *dwarf, const struct image *image, uint64_t vaddr,
			  Dwarf_Die *units, size_t max)
{
	const struct range *found[8];
	size_t count, filled = 0;

	if (!index->built)
		build_units(index, dwarf, image);
	count = ranges__find(&index->units, vaddr, found, sizeof(found) / sizeof(found[0]));
	for (size_t i = 0; i < count && filled < max; i++) {
		if (dwarf_offdie(dwarf, found[i]->value, &units[filled]))
			filled++;
	}
	return filled;
}

static bool has_functions(int tag, bool deep)
{
	if (tag == DW_TAG_namespace || tag == DW_TAG_module)
		return true;
	return deep &&
	       (tag == DW_TAG_subprogram || tag == DW_TAG_lexical_block || tag == DW_TAG_class_type ||
		tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_inlined_subroutine);
}

static void collect_functions(Dwarf_Die *parent, struct collecting *collecting, struct walk_budget *budget,
			      bool deep, int depth)
{
	Dwarf_Die child;

	if (depth > MAX_DEPTH || !dwarf_walk__first(parent, &child, budget))
		return;
	do {
		int tag = dwarf_tag(&child);

		if (tag == DW_TAG_subprogram) {
			collecting->value = dwarf_dieoffset(&child);
			dwarf_walk__ranges(&child, budget, collect, collecting);
		}
		if (has_functions(tag, deep))
			collect_functions(&child, collecting, budget, deep, depth + 1);
	} while (dwarf_walk__next(&child, budget));
}

static void build_functions(struct dwarf_index *index, struct unit_functions *functions, Dwarf_Die *unit,
			    bool deep)
{
	struct walk_budget budget = {.left = MAX_FUNCTION_STEPS};
	struct collecting collecting = {.ranges = &functions->ranges};

	index->function_ranges -= functions->ranges.count;
	ranges__free(&functions->ranges);
	collecting.room = MAX_RANGES - index->function_ranges;
	functions->deep = deep;
	collect_functions(unit, &collecting, &budget, deep, 0);
	ranges__sort(&functions->ranges);
	index->function_ranges += functions->ranges.count;
}

static struct unit_functions *functions_of(struct dwarf_index *index, Dwarf_Die *unit)
{
	struct unit_functions *functions;
	Dwarf_Off offset = dwarf_dieoffset(unit);

	HASH_FIND(hh, index->functions, &offset, sizeof(offset), functions);
	if (functions)
		return functions;
	functions = calloc(1, sizeof(*functions));
	if (!functions)
		return NULL;
	functions->unit = offset;
	HASH_ADD(hh, index->functions, unit, sizeof(functions->unit), functions);
	if (!functions->hh.tbl) {
		free(functions);
		return NULL;
	}
	build_functions(index, functions, unit, false);
	return functions;
}

bool dwarf_index__function(struct dwarf_index *index, Dwarf *dwarf, Dwarf_Die *unit, uint64_t vaddr,
			   Dwarf_Die *function)
{
	struct unit_functions *functions = functions_of(index, unit);
	const struct range *found;

	if (!functions)
		return false;
	if (!ranges__find(&functions->ranges, vaddr, &found, 1)) {
		/* A function within a function or a class: rare enough to be looked for only where one is
		 * missing. */
		if (functions->deep)
			return false;
		build_functions(index, functions, unit, true);
		if (!ranges__find(&functions->ranges, vaddr, &found, 1))
			return false;
	}
	return dwarf_offdie(dwarf, found->value, function) != NULL;
}

bool dwarf_index__first_use(struct dwarf_index *index, Dwarf_Die *unit)
{
	struct unit_functions *functions = functions_of(index, unit);

	if (!functions || functions->used == index->opened)
		return false;
	functions->used = index->opened;
	return true;
}

void dwarf_index__free(struct dwarf_index *index)
{
	struct unit_functions *functions, *next;

	HASH_ITER (hh, index->functions, functions, next) {
		HASH_DEL(index->functions, functions);
		ranges__free(&functions->ranges);
		free(functions);
	}
	ranges__free(&index->units);
	index->function_ranges = 0;
	index->built = false;
}

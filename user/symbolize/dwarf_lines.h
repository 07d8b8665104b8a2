/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The chain of inlined calls at an address of a function, with names, files and lines. */
#ifndef MEMWATCH_SYMBOLIZE_DWARF_LINES_H
#define MEMWATCH_SYMBOLIZE_DWARF_LINES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "symbolize/string_pool.h"
#include "symbolize/symbolizer.h"

/*
 * Fills up to @max @lines, innermost first, for @vaddr in @function (NULL: only the line table is asked) of
 * @unit; returns how many.
 */
size_t dwarf_lines__resolve(Dwarf_Die *unit, bool has_lines, Dwarf_Die *function, uint64_t vaddr,
			    struct string_pool *strings, struct symbol_line *lines, size_t max);

#endif

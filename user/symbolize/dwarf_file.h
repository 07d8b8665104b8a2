/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One file's DWARF: address → lines with inlined callers. Opened when first asked, closed when memory is
 * wanted. */
#ifndef MEMWATCH_SYMBOLIZE_DWARF_FILE_H
#define MEMWATCH_SYMBOLIZE_DWARF_FILE_H

#include <stddef.h>
#include <stdint.h>
#include "symbolize/debug_file.h"
#include "symbolize/string_pool.h"
#include "symbolize/symbolizer.h"

#define DWARF_FILE_MAX_LINES 64

struct dwarf_file;

/*
 * For the DWARF in @debug (its own reference is taken), read from @path; @search is for the alternate file
 * and must live as long. NULL: out of memory. Nothing is read yet.
 */
struct dwarf_file *dwarf_file__new(const struct debug_search *search, struct image *debug, const char *path);

/*
 * Fills @lines, innermost first, with what the DWARF says of @vaddr (strings from @strings), and returns how
 * many; 0 where it says nothing. A function that has no name in the DWARF is "".
 */
size_t dwarf_file__resolve(struct dwarf_file *file, uint64_t vaddr, struct string_pool *strings,
			   struct symbol_line lines[DWARF_FILE_MAX_LINES]);

/* Bytes of section contents held now. */
size_t dwarf_file__bytes(const struct dwarf_file *file);

/* Gives that memory back; the next dwarf_file__resolve opens it again. */
void dwarf_file__close(struct dwarf_file *file);

void dwarf_file__free(struct dwarf_file *file);

#endif

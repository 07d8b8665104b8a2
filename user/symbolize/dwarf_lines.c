// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/dwarf_lines.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>
#include "symbolize/demangle.h"
#include "symbolize/dwarf_walk.h"
#include "symbolize/path_clean.h"

#define MAX_STEPS (1u << 20)
#define MAX_CHAIN 64
/* Lexical blocks and inlined calls within one another. */
#define MAX_DEPTH 512

struct resolving {
	Dwarf_Die *unit;
	struct string_pool *strings;
	Dwarf_Files *files;
	size_t file_count;
	const char *directory;
};

static bool is_block(int tag)
{
	return tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
	       tag == DW_TAG_catch_block;
}

static bool find_block(Dwarf_Die *parent, uint64_t vaddr, struct walk_budget *budget, Dwarf_Die *block)
{
	if (!dwarf_walk__first(parent, block, budget))
		return false;
	do {
		if (is_block(dwarf_tag(block)) && dwarf_walk__holds(block, vaddr, budget))
			return true;
	} while (dwarf_walk__next(block, budget));
	return false;
}

/* The function, then the calls inlined at @vaddr, outermost first. */
static size_t find_chain(Dwarf_Die *function, uint64_t vaddr, Dwarf_Die chain[MAX_CHAIN])
{
	struct walk_budget budget = {.left = MAX_STEPS};
	Dwarf_Die current = *function, block;
	size_t count = 0;

	chain[count++] = *function;
	for (int depth = 0; depth < MAX_DEPTH && find_block(&current, vaddr, &budget, &block); depth++) {
		if (dwarf_tag(&block) == DW_TAG_inlined_subroutine) {
			if (count == MAX_CHAIN)
				break;
			chain[count++] = block;
		}
		current = block;
	}
	return count;
}

static const char *clean_file(const struct resolving *resolving, const char *name)
{
	char *path;
	const char *kept;

	/* libdw's own name for a file that the line table does not have. */
	if (!name || strcmp(name, "???") == 0)
		return "";
	path = path_clean__join(resolving->directory, name);
	kept = string_pool__intern(resolving->strings, path);
	free(path);
	return kept;
}

static void set_names(const struct resolving *resolving, Dwarf_Die *function, struct symbol_line *line)
{
	const char *linkage = dwarf_walk__string(function, DW_AT_linkage_name);
	const char *name = dwarf_walk__string(function, DW_AT_name);
	char *readable;

	if (!linkage)
		linkage = dwarf_walk__string(function, DW_AT_MIPS_linkage_name);
	readable = linkage ? demangle__name(linkage) : NULL;
	line->linkage = string_pool__intern(resolving->strings, linkage);
	line->function = string_pool__intern(resolving->strings, readable ? readable : name ? name : linkage);
	free(readable);
}

static void set_call_site(const struct resolving *resolving, Dwarf_Die *inlined, struct symbol_line *line)
{
	uint64_t file, number;

	line->file = "";
	line->line = 0;
	if (dwarf_walk__number(inlined, DW_AT_call_file, &file) && file < resolving->file_count)
		line->file = clean_file(resolving, dwarf_filesrc(resolving->files, file, NULL, NULL));
	if (dwarf_walk__number(inlined, DW_AT_call_line, &number) && number <= INT32_MAX)
		line->line = (uint32_t)number;
}

static bool set_line(const struct resolving *resolving, uint64_t vaddr, struct symbol_line *line)
{
	Dwarf_Line *row = dwarf_getsrc_die(resolving->unit, vaddr);
	int number = 0;

	if (!row)
		return false;
	line->file = clean_file(resolving, dwarf_linesrc(row, NULL, NULL));
	if (dwarf_lineno(row, &number) == 0 && number > 0)
		line->line = (uint32_t)number;
	return line->file[0] || line->line;
}

size_t dwarf_lines__resolve(Dwarf_Die *unit, bool has_lines, Dwarf_Die *function, uint64_t vaddr,
			    struct string_pool *strings, struct symbol_line *lines, size_t max)
{
	struct resolving resolving = {.unit = unit, .strings = strings};
	Dwarf_Die chain[MAX_CHAIN];
	size_t count = 0, filled = 0;
	bool found_line;

	resolving.directory = dwarf_walk__string(unit, DW_AT_comp_dir);
	if (max == 0)
		return 0;
	lines[0] = (struct symbol_line){.function = "", .linkage = "", .file = ""};
	found_line = has_lines && set_line(&resolving, vaddr, &lines[0]);
	if (!function)
		return found_line ? 1 : 0;
	if (!has_lines || dwarf_getsrcfiles(unit, &resolving.files, &resolving.file_count))
		resolving.file_count = 0;
	count = find_chain(function, vaddr, chain);
	for (size_t i = count; i-- > 0 && filled < max; filled++) {
		set_names(&resolving, &chain[i], &lines[filled]);
		if (filled > 0)
			set_call_site(&resolving, &chain[i + 1], &lines[filled]);
	}
	return filled;
}

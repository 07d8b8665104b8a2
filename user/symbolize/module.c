// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "symbolize/demangle.h"
#include "symbolize/dwarf_file.h"
#include "symbolize/symbol_table.h"

struct resolved {
	UT_hash_handle hh;
	uint64_t vaddr;
	size_t count;
	struct symbol_line lines[];
};

struct module {
	struct image *image;
	struct debug_search search;
	struct string_pool *strings;
	struct debug_file debug; /* the separate debug file, where there is one */
	struct image *embedded;  /* .gnu_debugdata */
	struct symbol_table symbols;
	struct dwarf_file *dwarf; /* NULL: no DWARF anywhere */
	struct resolved *cache;
	const char *build_id;
	bool loaded;
};

static const struct symbol_line unknown_line = {.function = "", .linkage = "", .file = ""};

struct module *module__new(struct image *image, const struct debug_search *search,
			   struct string_pool *strings)
{
	struct module *module = calloc(1, sizeof(*module));
	char hex[2 * sizeof(image->build_id) + 1] = "";

	if (!module)
		return NULL;
	module->image = image__get(image);
	module->search = *search;
	module->strings = strings;
	for (size_t i = 0; i < image->build_id_size && i < sizeof(image->build_id); i++)
		snprintf(hex + 2 * i, 3, "%02x", image->build_id[i]);
	module->build_id = string_pool__intern(strings, hex);
	return module;
}

void module__free(struct module *module)
{
	struct resolved *entry, *next;

	if (!module)
		return;
	HASH_ITER (hh, module->cache, entry, next) {
		HASH_DEL(module->cache, entry);
		free(entry);
	}
	dwarf_file__free(module->dwarf);
	symbol_table__free(&module->symbols);
	image__put(module->embedded);
	debug_file__close(&module->debug);
	image__put(module->image);
	free(module);
}

const struct image *module__image(const struct module *module)
{
	return module->image;
}

const char *module__build_id(const struct module *module)
{
	return module->build_id;
}

/* When the first address in it is asked for: most mapped libraries never appear in a stack. */
static void load(struct module *module)
{
	bool has_dwarf = debug_file__has_section(module->image, ".debug_info") ||
			 debug_file__has_section(module->image, ".zdebug_info");
	bool has_symbols = debug_file__has_section(module->image, ".symtab");

	module->loaded = true;
	symbol_table__add(&module->symbols, module->image);
	if (!has_dwarf && debug_file__find(&module->search, module->image, &module->debug) == 0) {
		symbol_table__add(&module->symbols, module->debug.image);
		has_symbols = true;
	}
	if (!has_symbols && debug_file__embedded(module->image, &module->embedded) == 0)
		symbol_table__add(&module->symbols, module->embedded);
	symbol_table__sort(&module->symbols);
	if (has_dwarf)
		module->dwarf = dwarf_file__new(&module->search, module->image, module->image->path);
	else if (module->debug.image && debug_file__has_section(module->debug.image, ".debug_info"))
		module->dwarf = dwarf_file__new(&module->search, module->debug.image, module->debug.path);
}

/* The outermost line is the function that the linker knows. */
static void add_symbol_name(struct module *module, uint64_t vaddr, struct symbol_line *line)
{
	const char *name = symbol_table__find(&module->symbols, vaddr);
	char *readable;

	if (!name)
		return;
	readable = demangle__name(name);
	/* DWARF without linkage names has the bare name only: the mangled one says which of the overloads. */
	if (!line->function[0] || (readable && !line->linkage[0]))
		line->function = string_pool__intern(module->strings, readable ? readable : name);
	line->linkage = string_pool__intern(module->strings, name);
	free(readable);
}

static struct resolved *resolve(struct module *module, uint64_t vaddr)
{
	struct symbol_line lines[DWARF_FILE_MAX_LINES];
	struct resolved *entry;
	size_t count = 0;

	if (!module->loaded)
		load(module);
	if (module->dwarf)
		count = dwarf_file__resolve(module->dwarf, vaddr, module->strings, lines);
	if (count == 0) {
		lines[0] = unknown_line;
		count = 1;
	}
	add_symbol_name(module, vaddr, &lines[count - 1]);
	entry = calloc(1, sizeof(*entry) + count * sizeof(lines[0]));
	if (!entry)
		return NULL;
	entry->vaddr = vaddr;
	entry->count = count;
	memcpy(entry->lines, lines, count * sizeof(lines[0]));
	HASH_ADD(hh, module->cache, vaddr, sizeof(entry->vaddr), entry);
	if (!entry->hh.tbl) {
		free(entry);
		return NULL;
	}
	return entry;
}

const struct symbol_line *module__resolve(struct module *module, uint64_t vaddr, size_t *count)
{
	struct resolved *entry;

	HASH_FIND(hh, module->cache, &vaddr, sizeof(vaddr), entry);
	if (!entry)
		entry = resolve(module, vaddr);
	*count = entry ? entry->count : 1;
	return entry ? entry->lines : &unknown_line;
}

size_t module__bytes(const struct module *module)
{
	return module->dwarf ? dwarf_file__bytes(module->dwarf) : 0;
}

void module__trim(struct module *module)
{
	if (module->dwarf)
		dwarf_file__close(module->dwarf);
}

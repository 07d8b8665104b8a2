// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/symbol_table.h"

#include <string.h>
#include "base/vec.h"

/* More than any linker has put in one file; a symbol table as large as a sparse file allows must not eat us.
 */
#define MAX_SYMBOLS (8u << 20)
#define MAX_ALIASES 64

struct adding {
	struct symbol_table *table;
	const struct image *image;
	int err;
};

static uint8_t rank_of(const struct image_symbol *symbol)
{
	uint8_t rank = symbol->binding == STB_GLOBAL ? 0 : symbol->binding == STB_LOCAL ? 2 : 1;

	return symbol->type == STT_NOTYPE ? rank + 3 : rank;
}

/* A symbol without a size may be the last of its section: it does not name what comes in the next. */
static uint64_t section_end(const struct image *image, uint16_t section, uint64_t vaddr)
{
	Elf_Scn *scn = section < SHN_LORESERVE ? elf_getscn(image->elf, section) : NULL;
	GElf_Shdr header;
	uint64_t end;

	if (!scn || !gelf_getshdr(scn, &header) || vaddr < header.sh_addr ||
	    __builtin_add_overflow(header.sh_addr, header.sh_size, &end) || vaddr >= end)
		return 0;
	return end;
}

static int visit(const struct image_symbol *symbol, void *context)
{
	struct adding *adding = context;
	struct symbol_table *table = adding->table;
	uint64_t end;

	if (symbol->type != STT_FUNC && symbol->type != STT_GNU_IFUNC && symbol->type != STT_NOTYPE)
		return 0;
	/* ARM-style mapping symbols and compilers' local labels name no function. */
	if (!symbol->name || !symbol->name[0] || symbol->name[0] == '$' || !strncmp(symbol->name, ".L", 2))
		return 0;
	if (!image__is_code(adding->image, symbol->value))
		return 0;
	if (table->count >= MAX_SYMBOLS)
		return 1;
	if (symbol->size) {
		if (__builtin_add_overflow(symbol->value, symbol->size, &end))
			return 0;
		adding->err = ranges__add(&table->sized, symbol->value, end, table->count);
	} else {
		end = section_end(adding->image, symbol->section, symbol->value);
		adding->err = ranges__add(&table->unsized, symbol->value, end, table->count);
	}
	if (!adding->err)
		adding->err = vec_push(table, (struct table_entry){.name = symbol->name,
								   .value = symbol->value,
								   .rank = rank_of(symbol)});
	return adding->err ? 1 : 0;
}

int symbol_table__add(struct symbol_table *table, const struct image *image)
{
	struct adding adding = {.table = table, .image = image};

	/* A damaged table costs names, not the report: module+offset remains. */
	image__symbols(image, visit, &adding, NULL);
	return adding.err;
}

void symbol_table__sort(struct symbol_table *table)
{
	ranges__sort(&table->sized);
	ranges__sort(&table->unsized);
}

/* Of several names for one address, the one that its users know: malloc, not __libc_malloc. */
static bool is_better(const struct table_entry *a, const struct table_entry *b)
{
	size_t a_underscores = strspn(a->name, "_"), b_underscores = strspn(b->name, "_");
	size_t a_length, b_length;

	if (a->value != b->value)
		return a->value > b->value;
	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (a_underscores != b_underscores)
		return a_underscores < b_underscores;
	a_length = strlen(a->name);
	b_length = strlen(b->name);
	if (a_length != b_length)
		return a_length < b_length;
	return strcmp(a->name, b->name) < 0;
}

static const struct table_entry *best_of(const struct symbol_table *table, const struct ranges *ranges,
					 uint64_t vaddr)
{
	const struct range *found[MAX_ALIASES];
	const struct table_entry *best = NULL;
	size_t count = ranges__find(ranges, vaddr, found, MAX_ALIASES);

	for (size_t i = 0; i < count; i++) {
		const struct table_entry *entry = &table->items[found[i]->value];

		if (!best || is_better(entry, best))
			best = entry;
	}
	return best;
}

const char *symbol_table__find(const struct symbol_table *table, uint64_t vaddr)
{
	const struct table_entry *entry = best_of(table, &table->sized, vaddr);
	size_t position;

	if (entry)
		return entry->name;
	entry = best_of(table, &table->unsized, vaddr);
	if (!entry)
		return NULL;
	/* It reaches to the next symbol, whichever kind that is: a sized one that begins after it ends it. */
	position = ranges__position(&table->sized, vaddr);
	if (position > 0 && table->sized.items[position - 1].start >= entry->value)
		return NULL;
	return entry->name;
}

void symbol_table__free(struct symbol_table *table)
{
	ranges__free(&table->sized);
	ranges__free(&table->unsized);
	vec_free(table);
}

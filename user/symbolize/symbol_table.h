/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The functions that ELF symbol tables name, by address. */
#ifndef MEMWATCH_SYMBOLIZE_SYMBOL_TABLE_H
#define MEMWATCH_SYMBOLIZE_SYMBOL_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include "symbolize/ranges.h"
#include "target/image.h"

struct table_entry {
	const char *name; /* borrowed from an image that was added */
	uint64_t value;   /* vaddr */
	uint8_t rank; /* lower is better: a function over an untyped symbol, global over weak over local */
};

struct symbol_table {
	struct table_entry *items;
	size_t count, capacity;
	struct ranges sized;   /* value: index of the entry */
	struct ranges unsized; /* up to the next symbol or the end of the section */
};

/*
 * Adds @image's code symbols (.dynsym, .symtab). @image must stay open as long as the table. What cannot be
 * read is left out; returns 0 or -ENOMEM.
 */
int symbol_table__add(struct symbol_table *table, const struct image *image);

/* Must come between the last addition and the first search. */
void symbol_table__sort(struct symbol_table *table);

/* The name of the function that holds @vaddr, or NULL. */
const char *symbol_table__find(const struct symbol_table *table, uint64_t vaddr);

void symbol_table__free(struct symbol_table *table);

#endif

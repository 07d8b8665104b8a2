/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One mapped file and all that names its code: symbol tables, DWARF. */
#ifndef MEMWATCH_SYMBOLIZE_MODULE_H
#define MEMWATCH_SYMBOLIZE_MODULE_H

#include <stddef.h>
#include <stdint.h>
#include "symbolize/debug_file.h"
#include "symbolize/string_pool.h"
#include "symbolize/symbolizer.h"

struct module;

/* Takes a reference of its own to @image; @search is copied, @strings borrowed. NULL: out of memory. */
struct module *module__new(struct image *image, const struct debug_search *search,
			   struct string_pool *strings);
void module__free(struct module *module); /* NULL is fine */

const struct image *module__image(const struct module *module);
const char *module__build_id(const struct module *module); /* lower-case hex, "" where none */

/*
 * The lines at @vaddr of the file, innermost first: at least one, with empty strings where nothing is known.
 * They live as long as the module; the same vaddr gives the same lines.
 */
const struct symbol_line *module__resolve(struct module *module, uint64_t vaddr, size_t *count);

/* Bytes of DWARF held open; giving them back. */
size_t module__bytes(const struct module *module);
void module__trim(struct module *module);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the symbolizer does for its spaces, and for nobody else. */
#ifndef MEMWATCH_SYMBOLIZE_SYMBOLIZER_PRIVATE_H
#define MEMWATCH_SYMBOLIZE_SYMBOLIZER_PRIVATE_H

#include "symbolize/module.h"
#include "symbolize/symbolizer.h"

/* The module of @image, made when first asked for; owned by the symbolizer. NULL: out of memory. */
struct module *symbolizer__module(struct symbolizer *symbolizer, struct image *image, pid_t pid);

/* As module__resolve, keeping the memory that open debug information takes within bounds. */
const struct symbol_line *symbolizer__resolve(struct symbolizer *symbolizer, struct module *module,
					      uint64_t vaddr, size_t *count);

struct string_pool *symbolizer__strings(struct symbolizer *symbolizer);
const char *symbolizer__perf_map_dir(const struct symbolizer *symbolizer);
const struct log *symbolizer__log(const struct symbolizer *symbolizer);

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/symbolizer.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "symbolize/symbolizer_private.h"

/* Open debug information beyond this makes room by closing other files'. */
#define MAX_OPEN_BYTES (12u << 20)

struct module_entry {
	UT_hash_handle hh;
	const struct image *image; /* kept open by the module, so no other image has its address */
	struct module *module;
};

struct symbolizer {
	struct string_pool *strings;
	struct module_entry *modules;
	char *debug_root, *perf_map_dir;
	bool debuginfod;
	const struct log *log;
};

struct symbolizer *symbolizer__new(const struct symbolizer_options *options, const struct log *log)
{
	struct symbolizer *symbolizer = calloc(1, sizeof(*symbolizer));

	if (!symbolizer)
		return NULL;
	symbolizer->log = log;
	symbolizer->debuginfod = !options || !options->no_debuginfod;
	symbolizer->strings = string_pool__new();
	symbolizer->debug_root =
		strdup(options && options->debug_root ? options->debug_root : "/usr/lib/debug");
	symbolizer->perf_map_dir = strdup(options && options->perf_map_dir ? options->perf_map_dir : "/tmp");
	if (!symbolizer->strings || !symbolizer->debug_root || !symbolizer->perf_map_dir) {
		symbolizer__free(symbolizer);
		return NULL;
	}
	return symbolizer;
}

void symbolizer__free(struct symbolizer *symbolizer)
{
	struct module_entry *entry, *next;

	if (!symbolizer)
		return;
	HASH_ITER (hh, symbolizer->modules, entry, next) {
		HASH_DEL(symbolizer->modules, entry);
		module__free(entry->module);
		free(entry);
	}
	string_pool__free(symbolizer->strings);
	free(symbolizer->debug_root);
	free(symbolizer->perf_map_dir);
	free(symbolizer);
}

static void trim_others(struct symbolizer *symbolizer, const struct module *kept)
{
	struct module_entry *entry, *next;

	HASH_ITER (hh, symbolizer->modules, entry, next) {
		if (entry->module != kept)
			module__trim(entry->module);
	}
	/* Freed sections below the threshold for mappings of their own would stay with the C library. */
	malloc_trim(0);
}

void symbolizer__trim(struct symbolizer *symbolizer)
{
	trim_others(symbolizer, NULL);
}

/* Each process has its own copy of the vDSO's memory, and all are the same. */
static struct module *find_same_memory(struct symbolizer *symbolizer, const struct image *image)
{
	struct module_entry *entry, *next;

	if (image->open_path[0] || !image->build_id_size)
		return NULL;
	HASH_ITER (hh, symbolizer->modules, entry, next) {
		if (!entry->image->open_path[0] && entry->image->build_id_size == image->build_id_size &&
		    !memcmp(entry->image->build_id, image->build_id, image->build_id_size) &&
		    !strcmp(entry->image->path, image->path))
			return entry->module;
	}
	return NULL;
}

struct module *symbolizer__module(struct symbolizer *symbolizer, struct image *image, pid_t pid)
{
	struct debug_search search = {.debug_root = symbolizer->debug_root,
				      .pid = pid,
				      .debuginfod = symbolizer->debuginfod,
				      .log = symbolizer->log};
	const struct image *key = image;
	struct module_entry *entry;
	struct module *same;

	HASH_FIND(hh, symbolizer->modules, &key, sizeof(key), entry);
	if (entry)
		return entry->module;
	same = find_same_memory(symbolizer, image);
	if (same)
		return same;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->image = image;
	entry->module = module__new(image, &search, symbolizer->strings);
	if (!entry->module)
		goto fail;
	HASH_ADD(hh, symbolizer->modules, image, sizeof(entry->image), entry);
	if (!entry->hh.tbl)
		goto fail;
	return entry->module;
fail:
	module__free(entry->module);
	free(entry);
	return NULL;
}

const struct symbol_line *symbolizer__resolve(struct symbolizer *symbolizer, struct module *module,
					      uint64_t vaddr, size_t *count)
{
	size_t before = module__bytes(module), total = 0;
	const struct symbol_line *lines = module__resolve(module, vaddr, count);
	struct module_entry *entry, *next;

	if (module__bytes(module) == before)
		return lines;
	HASH_ITER (hh, symbolizer->modules, entry, next) {
		total += module__bytes(entry->module);
	}
	if (total > MAX_OPEN_BYTES)
		trim_others(symbolizer, module);
	return lines;
}

struct string_pool *symbolizer__strings(struct symbolizer *symbolizer)
{
	return symbolizer->strings;
}

const char *symbolizer__perf_map_dir(const struct symbolizer *symbolizer)
{
	return symbolizer->perf_map_dir;
}

const struct log *symbolizer__log(const struct symbolizer *symbolizer)
{
	return symbolizer->log;
}

char *symbol__name(const struct symbol *symbol, size_t line_index, char *buffer, size_t length)
{
	const char *function = line_index < symbol->line_count ? symbol->lines[line_index].function : "";
	const char *slash = strrchr(symbol->module, '/');
	const char *module = slash && slash[1] ? slash + 1 : symbol->module;

	if (function[0])
		snprintf(buffer, length, "%s", function);
	else if (module[0] && strcmp(module, "[anon]") != 0 && symbol->kind != FRAME_UNKNOWN)
		snprintf(buffer, length, "%s+0x%" PRIx64, module, symbol->module_offset);
	else
		snprintf(buffer, length, "0x%" PRIx64, symbol->address);
	return buffer;
}

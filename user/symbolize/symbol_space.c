// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "symbolize/perf_map.h"
#include "symbolize/places.h"
#include "symbolize/symbolizer_private.h"

struct cache_key {
	uint64_t address;
	uint64_t is_return;
};

struct cached {
	UT_hash_handle hh;
	struct cache_key key;
	uint64_t place;      /* id, 0: none */
	uint64_t generation; /* of the perf map, where that was asked */
	struct symbol symbol;
	struct symbol_line line; /* for symbols that no module has */
	struct cached *older;    /* retired, still pointed to by others */
};

struct symbol_space {
	struct symbolizer *symbolizer;
	pid_t pid;
	struct image_cache *images;
	struct places places;
	struct perf_map *perf_map; /* made when first needed */
	struct cached *cache;
	struct cached *retired;
	struct cached none; /* where memory has run out */
};

struct symbol_space *symbol_space__new(struct symbolizer *symbolizer, pid_t pid, struct image_cache *images)
{
	struct symbol_space *space = calloc(1, sizeof(*space));

	if (!space)
		return NULL;
	space->symbolizer = symbolizer;
	space->pid = pid;
	space->images = images;
	return space;
}

void symbol_space__free(struct symbol_space *space)
{
	struct cached *entry, *next;

	if (!space)
		return;
	HASH_ITER (hh, space->cache, entry, next) {
		HASH_DEL(space->cache, entry);
		free(entry);
	}
	for (entry = space->retired; entry; entry = next) {
		next = entry->older;
		free(entry);
	}
	places__free(&space->places);
	perf_map__free(space->perf_map);
	free(space);
}

static void refresh_perf_map(struct symbol_space *space)
{
	if (!space->perf_map)
		space->perf_map = perf_map__new(space->pid, symbolizer__perf_map_dir(space->symbolizer),
						symbolizer__log(space->symbolizer));
	if (space->perf_map)
		perf_map__refresh(space->perf_map);
}

int symbol_space__update_from(struct symbol_space *space, const struct maps *maps, struct error *error)
{
	if (places__update(&space->places, space->pid, space->images, maps,
			   symbolizer__log(space->symbolizer)))
		return error__set(error, ENOMEM, "out of memory for the mappings of process %d",
				  (int)space->pid);
	vec_each (place, &space->places) {
		/* Code without a file is a JIT compiler's; its names are read while the process is there. */
		if ((place->mapping.flags & MAPPING_EXEC) && !place->image && !place->gone) {
			refresh_perf_map(space);
			break;
		}
	}
	return 0;
}

int symbol_space__update(struct symbol_space *space, struct error *error)
{
	struct maps maps = {0};
	int err = maps__read(space->pid, &maps, error);

	if (!err)
		err = symbol_space__update_from(space, &maps, error);
	maps__free(&maps);
	return err;
}

/* Whether a call ends at @vaddr: call rel32, or call *(%rip) as of -fno-plt. */
static bool is_after_call(const struct image *image, uint64_t vaddr)
{
	uint8_t code[6];

	if (image__read(image, vaddr - sizeof(code), code, sizeof(code)) != (ssize_t)sizeof(code))
		return false;
	return code[1] == 0xe8 || (code[0] == 0xff && code[1] == 0x15);
}

/*
 * Some return addresses were made by hand, and what they return to was never called from: the start of a
 * function (glibc's __start_context, below a coroutine), with padding before it. Not so where the code before
 * it is a call: a function without a name that ends in one, such as to abort, may lie there.
 */
static void describe_start(struct symbol_space *space, struct module *module, uint64_t vaddr,
			   struct symbol *symbol)
{
	const struct symbol_line *lines;
	size_t count;

	if (is_after_call(module__image(module), vaddr))
		return;
	lines = symbolizer__resolve(space->symbolizer, module, vaddr, &count);
	if (!lines[count - 1].function[0])
		return;
	symbol->lines = lines;
	symbol->line_count = count;
}

static void describe_file(struct symbol_space *space, const struct place *place, uint64_t lookup,
			  struct symbol *symbol)
{
	uint64_t offset = lookup - place->mapping.start + place->mapping.offset, vaddr;
	struct module *module = NULL;

	symbol->module_offset = offset + (symbol->address - lookup);
	if (!place->image || !image__vaddr_of(place->image, offset, &vaddr))
		return;
	symbol->module_offset = vaddr + (symbol->address - lookup);
	module = symbolizer__module(space->symbolizer, place->image, space->pid);
	if (!module)
		return;
	symbol->build_id = module__build_id(module);
	symbol->lines = symbolizer__resolve(space->symbolizer, module, vaddr, &symbol->line_count);
	if (lookup != symbol->address && !symbol->lines[symbol->line_count - 1].function[0])
		describe_start(space, module, vaddr + 1, symbol);
}

static void describe_jit(struct symbol_space *space, uint64_t lookup, struct cached *entry)
{
	const char *name = NULL;

	if (space->perf_map) {
		entry->generation = perf_map__generation(space->perf_map);
		name = perf_map__find(space->perf_map, lookup);
	}
	if (!name)
		return;
	entry->symbol.kind = FRAME_JIT;
	entry->symbol.module = "[jit]";
	entry->symbol.module_offset = entry->symbol.address;
	entry->line.function = entry->line.linkage =
		string_pool__intern(symbolizer__strings(space->symbolizer), name);
}

static void describe(struct symbol_space *space, const struct place *place, struct cached *entry)
{
	struct symbol *symbol = &entry->symbol;
	uint64_t address = entry->key.address;
	uint64_t lookup = entry->key.is_return && address ? address - 1 : address;

	entry->line = (struct symbol_line){.function = "", .linkage = "", .file = ""};
	*symbol = (struct symbol){.kind = place && place->mapping.flags & MAPPING_EXEC ? FRAME_NATIVE
										       : FRAME_UNKNOWN,
				  .address = address,
				  .module = "",
				  .module_offset = address,
				  .build_id = "",
				  .lines = &entry->line,
				  .line_count = 1};
	entry->place = place ? place->id : 0;
	if (place) {
		symbol->module_start = place->mapping.start;
		symbol->module = string_pool__intern(symbolizer__strings(space->symbolizer),
						     place->mapping.path[0] ? place->mapping.path : "[anon]");
	}
	if (place && (place->mapping.inode || place->image))
		describe_file(space, place, lookup, symbol);
	/* Some runtimes map their code from a memfd, which is a file by name only. */
	if (!place || !place->image)
		describe_jit(space, lookup, entry);
}

static bool is_same(const struct symbol *a, const struct symbol *b)
{
	/* Strings are pooled: the same text has the same address. */
	return a->kind == b->kind && a->module == b->module && a->module_start == b->module_start &&
	       a->lines[0].function == b->lines[0].function;
}

/* Whether @entry still tells the truth. */
static bool is_current(struct symbol_space *space, const struct place *place, const struct cached *entry)
{
	if (entry->place != (place ? place->id : 0))
		return false;
	if (place && place->image)
		return true;
	if (entry->symbol.kind != FRAME_JIT)
		refresh_perf_map(space);
	return !space->perf_map || entry->generation == perf_map__generation(space->perf_map);
}

const struct symbol *symbol_space__resolve(struct symbol_space *space, uint64_t address, bool is_return)
{
	struct cache_key key = {.address = address, .is_return = is_return};
	const struct place *place =
		places__find(&space->places, is_return && address ? address - 1 : address);
	struct cached *entry, *old;

	HASH_FIND(hh, space->cache, &key, sizeof(key), old);
	if (old && is_current(space, place, old))
		return &old->symbol;
	if (!place || !place->image)
		refresh_perf_map(space);
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		goto out_of_memory;
	entry->key = key;
	describe(space, place, entry);
	if (old) {
		if (old->place == entry->place && is_same(&old->symbol, &entry->symbol)) {
			old->generation = entry->generation;
			free(entry);
			return &old->symbol;
		}
		HASH_DEL(space->cache, old);
		old->older = space->retired;
		space->retired = old;
	}
	HASH_ADD(hh, space->cache, key, sizeof(entry->key), entry);
	if (entry->hh.tbl)
		return &entry->symbol;
	free(entry);
out_of_memory:
	space->none.key = key;
	describe(space, NULL, &space->none);
	return &space->none.symbol;
}

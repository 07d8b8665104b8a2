// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "session/watched.h"
#include "python_abi.h"
#include "session/pythons.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>
#include "base/clock.h"
#include "attach/allocators.h"

/* The symbolizer gives the same pointer for the same place, so the pointer is the key. */
struct location_entry {
	const struct symbol *symbol;
	uint32_t location;
	UT_hash_handle hh;
};

int watched__new(const struct process *process, uint32_t account, struct symbolizer *symbolizer,
		 struct image_cache *images, struct watched **made, struct error *error)
{
	struct watched *watched = calloc(1, sizeof(*watched));
	uint64_t rss = 0;

	if (!watched)
		return error__set(error, ENOMEM, "out of memory");
	watched->process = *process;
	watched->account = account;
	watched->maps_changed = true;
	mappings__init(&watched->mappings, sysconf(_SC_PAGESIZE));
	watched->profile = profile__new();
	watched->space = symbol_space__new(symbolizer, process->pid, images);
	if (!watched->profile || !watched->space) {
		watched__free(watched);
		return error__set(error, ENOMEM, "out of memory");
	}
	/* A process that is gone already holds nothing. */
	if (process__rss(process->pid, &rss))
		rss = 0;
	for (int base = 0; base < REPORT_BASES; base++)
		watched->points[base] = (struct report_point){.ns = clock__real(), .rss = rss};
	*made = watched;
	return 0;
}

void watched__free(struct watched *watched)
{
	struct location_entry *entry, *next;

	if (!watched)
		return;
	HASH_ITER (hh, watched->locations, entry, next) {
		HASH_DEL(watched->locations, entry);
		free(entry);
	}
	vec_free(&watched->samples);
	maps__free(&watched->seen);
	mappings__free(&watched->mappings);
	for (int base = 0; base < REPORT_BASES; base++)
		profile_base__free(&watched->points[base].base);
	profile__free(watched->profile);
	symbol_space__free(watched->space);
	pythons__free(watched->pythons);
	free(watched);
}

static bool is_allocator(const char *function, const struct skip_list *skip)
{
	if (!*function || skip->none)
		return false;
	if (allocators__is_own(function))
		return true;
	for (size_t i = 0; i < skip->count; i++) {
		if (!fnmatch(skip->globs[i], function, 0))
			return true;
	}
	return false;
}

static enum location_kind kind_of(enum frame_kind kind)
{
	switch (kind) {
	case FRAME_NATIVE:
		return LOCATION_NATIVE;
	case FRAME_PYTHON:
		return LOCATION_PYTHON;
	case FRAME_KERNEL:
		return LOCATION_KERNEL;
	case FRAME_JIT:
		return LOCATION_JIT;
	default:
		return LOCATION_UNKNOWN;
	}
}

static int64_t add_mapping(struct profile *profile, const struct symbol *symbol)
{
	struct profile_mapping mapping = {.start = symbol->module_start};
	int64_t file = profile__string(profile, symbol->module),
		build_id = profile__string(profile, symbol->build_id);

	if (file < 0 || build_id < 0)
		return file < 0 ? file : build_id;
	mapping.file = file;
	mapping.build_id = build_id;
	return profile__mapping(profile, &mapping);
}

static int64_t add_location(struct profile *profile, const struct symbol *symbol,
			    const struct skip_list *skip)
{
	struct profile_location location = {.address = symbol->address,
					    .module_offset = symbol->module_offset,
					    .kind = kind_of(symbol->kind)};
	struct profile_line *lines = calloc(symbol->line_count, sizeof(*lines));
	int64_t index = lines ? add_mapping(profile, symbol) : -ENOMEM;

	location.mapping = index < 0 ? 0 : index;
	location.line_count = symbol->line_count;
	for (size_t i = 0; index >= 0 && i < symbol->line_count; i++) {
		const struct symbol_line *line = &symbol->lines[i];

		if (*line->function || *line->file) {
			index = profile__function(profile, line->function, line->linkage, line->file);
			lines[i].function = index < 0 ? 0 : index;
		}
		lines[i].line = line->line;
		/* Debug information may name malloc as its source does (__libc_malloc), the symbol table as
		 * users do. */
		lines[i].flags = is_allocator(line->function, skip) || is_allocator(line->linkage, skip)
					 ? LOCATION_ALLOCATOR
					 : 0;
	}
	if (index >= 0)
		index = profile__location(profile, &location, lines);
	free(lines);
	return index;
}

static int64_t find_location(struct watched *watched, const struct symbol *symbol,
			     const struct skip_list *skip)
{
	struct location_entry *entry;
	int64_t location;

	HASH_FIND_PTR(watched->locations, &symbol, entry);
	if (entry)
		return entry->location;
	location = add_location(watched->profile, symbol, skip);
	if (location < 0)
		return location;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	entry->symbol = symbol;
	entry->location = location;
	HASH_ADD_PTR(watched->locations, symbol, entry);
	return location;
}

static const struct symbol *resolve(struct watched *watched, uint64_t frame)
{
	bool exact = frame & FRAME_EXACT;

	if (frame & FRAME_IS_PYTHON)
		return pythons__resolve(watched, frame);
	return symbol_space__resolve(watched->space, frame & ~FRAME_EXACT, !exact);
}

/*
 * Resolves a stack. A frame-pointer walk through code without frame pointers ends in words that are no code:
 * a frame that is in no mapping ends the stack, but for the innermost, which is certain.
 */
static int64_t make_sample(struct watched *watched, const struct stack_key *key,
			   const struct stack_value *stack, const struct skip_list *skip)
{
	static const char *const domains[DOMAIN_COUNT] = {[DOMAIN_HEAP] = "heap", [DOMAIN_MMAP] = "mmap"};
	uint32_t locations[STACK_FRAMES_MAX];
	size_t count = 0;
	int64_t index;

	if (key->domain >= DOMAIN_COUNT)
		return -EPROTO;
	for (size_t i = 0; i < stack->nframes; i++) {
		const struct symbol *symbol = resolve(watched, stack->frames[i]);

		if (!symbol)
			return -ENOMEM;
		if (i && symbol->kind == FRAME_UNKNOWN)
			break;
		index = find_location(watched, symbol, skip);
		if (index < 0)
			return index;
		locations[count++] = index;
	}
	index = profile__sample(watched->profile, locations, count, domains[key->domain], "",
				watched->process.pid);
	if (index >= 0)
		watched->profile->samples.items[index].flags = stack->flags;
	return index;
}

static int64_t find_sample(struct watched *watched, const struct engine *engine, uint32_t row,
			   const struct stack_key *key, const struct skip_list *skip)
{
	size_t count = watched->samples.count;
	struct stack_value stack;
	int64_t index;
	int err;

	if (row >= count) {
		if (vec_reserve(&watched->samples, (size_t)row + 1))
			return -ENOMEM;
		memset(watched->samples.items + count, 0,
		       (row + 1 - count) * sizeof(*watched->samples.items));
		watched->samples.count = (size_t)row + 1;
	}
	if (watched->samples.items[row])
		return watched->samples.items[row] - 1;
	err = engine__stack(engine, key, &stack);
	if (err)
		return err;
	index = make_sample(watched, key, &stack, skip);
	if (index >= 0)
		watched->samples.items[row] = index + 1;
	return index;
}

/* What is read while it changes can show more freed than allocated by the few events in between. */
static int64_t outstanding(uint64_t allocated, uint64_t freed)
{
	return allocated > freed ? (int64_t)(allocated - freed) : 0;
}

int watched__update(struct watched *watched, const struct engine *engine, uint32_t row,
		    const struct total *total, const struct old_blocks *old, const struct skip_list *skip)
{
	struct mapping_sum sum = {total->allocated_bytes, total->allocated_count, total->freed_bytes,
				  total->freed_count};
	int64_t index = find_sample(watched, engine, row, &total->key, skip), *values;

	if (index < 0)
		return index;
	if (total->key.domain == DOMAIN_MMAP)
		sum = mappings__sum(&watched->mappings, row);
	values = watched->profile->samples.items[index].values;
	values[VALUE_INUSE_SPACE] = outstanding(sum.allocated_bytes, sum.freed_bytes);
	values[VALUE_INUSE_OBJECTS] = outstanding(sum.allocated_count, sum.freed_count);
	values[VALUE_ALLOC_SPACE] = sum.allocated_bytes;
	values[VALUE_ALLOC_OBJECTS] = sum.allocated_count;
	if (old) {
		values[VALUE_INUSE_SPACE] = old->bytes;
		values[VALUE_INUSE_OBJECTS] = old->count;
	}
	return 0;
}

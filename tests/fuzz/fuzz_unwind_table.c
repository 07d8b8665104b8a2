// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any bytes as an ELF file with call frame information, or, what is much faster, as the sections themselves:
 * a table's rows must be in order, no two neighbours alike, each found again by its place, each made of
 * fields that the kernel side knows, and no more than the bytes could ask for.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/unwind_table.h"

#define GAPS 5

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What a section's bytes come after. */
struct sections {
	uint8_t eh_ends_at_zero;
	uint8_t eh_share; /* of 256 parts; the rest is .debug_frame */
	uint16_t eh_page; /* of .eh_frame's vaddr */
};

static void check_rule(uint32_t rule)
{
	enum unwind_cfa cfa = UNWIND_CFA(rule);

	if (cfa > UNWIND_UNSUPPORTED || UNWIND_RBP_AT(rule) > UNWIND_SAVED_MAX)
		abort();
	if ((cfa == UNWIND_NONE || cfa == UNWIND_SIGNAL || cfa == UNWIND_END || cfa == UNWIND_UNSUPPORTED) &&
	    rule != UNWIND_RULE(cfa, 0, 0, 0))
		abort();
	if (cfa == UNWIND_DEREF_RBP && UNWIND_RBP_AT(rule))
		abort();
	if (cfa == UNWIND_PLT && UNWIND_PUSHED_AT(rule) > 15)
		abort();
}

static void check(const struct unwind_table *table, size_t size)
{
	size_t unsupported = 0;

	/* A row takes an instruction; a function takes more, and has two. */
	if (table->count > size)
		abort();
	for (size_t i = 0; i < table->count; i++) {
		const struct unwind_row *row = &table->items[i];

		unsupported += UNWIND_CFA(row->rule) == UNWIND_UNSUPPORTED;
		check_rule(row->rule);
		if (i ? row->pc <= row[-1].pc || row->rule == row[-1].rule : row->rule == UNWIND_NONE)
			abort();
		if (unwind_table__find(table, table->base + row->pc) != row)
			abort();
	}
	if (unsupported != table->unsupported)
		abort();
	/* Behind the last function there is nothing. */
	if (table->count && table->items[table->count - 1].rule != UNWIND_NONE)
		abort();
	if (table->base && unwind_table__find(table, table->base - 1))
		abort();
}

static void check_result(int err, struct unwind_table *table, size_t size, const struct error *error)
{
	if (!err)
		check(table, size);
	else if (table->items || table->count || !error->text[0])
		abort();
	unwind_table__free(table);
}

static void try_image(const uint8_t *bytes, size_t size)
{
	struct error error = {0};
	struct unwind_table table;
	struct image *image;
	int err;

	if (image__from_memory("fuzz", bytes, size, &image, NULL))
		return;
	err = unwind_table__compile(image, &table, &error);
	/* A compressed section may be a thousand times what the file is. */
	check_result(err, &table, size * 2048, &error);
	image__put(image);
}

static void try_sections(const uint8_t *bytes, size_t size)
{
	struct image_segment segments[] = {{.vaddr = 0x1000, .memory_size = 0x7000, .executable = true},
					   {.vaddr = 0x10000, .memory_size = 1ull << 32, .executable = true}};
	struct image image = {.path = "fuzz", .fd = -1, .segments = segments, .segment_count = 2};
	struct gap gaps[GAPS] = {{0x2000, 0x2010, UNWIND_RULE(UNWIND_PLT, 1, 0, 11)},
				 {0x2010, 0x2020, UNWIND_RULE(UNWIND_RSP, 1, 0, 0)},
				 {0x3ff0, 0x4010, UNWIND_RULE(UNWIND_END, 0, 0, 0)},
				 {0x7ff0, 0x8010, UNWIND_RULE(UNWIND_SIGNAL, 0, 0, 0)},
				 {0x10010, 0x10040, UNWIND_RULE(UNWIND_END, 0, 0, 0)}};
	struct call_frames frames = {
		.debug.is_debug = true, .start_context = 0x4000, .gaps = {gaps, GAPS, GAPS}};
	struct error error = {0};
	struct sections header;
	struct unwind_table table;
	uint8_t *copy;
	int err;

	if (size < sizeof(header))
		return;
	memcpy(&header, bytes, sizeof(header));
	bytes += sizeof(header);
	size -= sizeof(header);
	frames.eh.size = header.eh_share == 255 ? size : size * header.eh_share / 256;
	frames.debug.size = size - frames.eh.size;
	/* Each in an allocation of its own, so that nothing is read behind it unseen. */
	frames.eh.bytes = copy = malloc(frames.eh.size + !frames.eh.size);
	memcpy(copy, bytes, frames.eh.size);
	frames.debug.bytes = copy = malloc(frames.debug.size + !frames.debug.size);
	memcpy(copy, bytes + frames.eh.size, frames.debug.size);
	frames.eh.vaddr = (uint64_t)header.eh_page << 12;
	frames.eh.ends_at_zero = header.eh_ends_at_zero & 1;
	err = unwind_table__from_frames(&image, &frames, &table, &error);
	/* What fills a gap may have a row before and one behind it. */
	check_result(err, &table, size + 3 * GAPS, &error);
	free((void *)frames.eh.bytes);
	free((void *)frames.debug.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size >= SELFMAG && !memcmp(bytes, ELFMAG, SELFMAG))
		try_image(bytes, size);
	else
		try_sections(bytes, size);
	return 0;
}

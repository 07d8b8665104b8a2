// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unwind/unwind_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "unwind/cfi.h"

#define PAGE_SIZE 4096u
/* 128 MiB; libLLVM, one of the largest libraries, has about one million. */
#define MAX_ROWS (1u << 24)
/*
 * In the kernel's signal frame rsp points at a struct ucontext, in which the interrupted rsp, the frame
 * address, is 160 bytes in: 40 to uc_mcontext, 8 × 15 to rsp (arch/x86/include/uapi/asm/sigcontext.h).
 */
#define UCONTEXT_RSP 160

/* A multiple of 8 in a signed field of @bits bits. */
static bool fits(int64_t offset, unsigned bits)
{
	int64_t limit = 8ll << (bits - 1);

	return offset % 8 == 0 && offset >= -limit && offset < limit;
}

static enum unwind_cfa by_register(uint64_t reg)
{
	switch (reg) {
	case CFI_RSP:
		return UNWIND_RSP;
	case CFI_RBP:
		return UNWIND_RBP;
	case CFI_RBX:
		return UNWIND_RBX;
	case CFI_R10:
		return UNWIND_R10;
	}
	return UNWIND_UNSUPPORTED;
}

static enum unwind_cfa frame_of(const struct cfi_state *state, int64_t *offset)
{
	*offset = state->expression_offset;
	switch (state->frame) {
	case CFI_FRAME_REGISTER:
		*offset = state->cfa_offset;
		return by_register(state->cfa_register);
	case CFI_FRAME_DEREF_RBP:
		return UNWIND_DEREF_RBP;
	case CFI_FRAME_DEREF_RSP:
		return UNWIND_DEREF_RSP;
	case CFI_FRAME_DEREF_RSP8:
		return UNWIND_DEREF_RSP8;
	case CFI_FRAME_PLT:
		return UNWIND_PLT;
	case CFI_FRAME_NONE:
	case CFI_FRAME_OTHER:
		break;
	}
	return UNWIND_UNSUPPORTED;
}

/* As UNWIND_RBP_AT has it. Returns false where it has no room to say it. */
static bool place_of(const struct cfi_rule *rule, uint32_t *at)
{
	const int32_t nearest = UNWIND_SAVED(1), farthest = UNWIND_SAVED(UNWIND_SAVED_MAX);

	*at = 0;
	if (rule->saved != CFI_OFFSET)
		return rule->saved != CFI_AT_RBP && rule->saved != CFI_ELSEWHERE;
	if (rule->offset % 8 || rule->offset > nearest || rule->offset < farthest)
		return false;
	*at = (uint32_t)(rule->offset / -8 - 1);
	return true;
}

static uint32_t rule_of(const struct cfi_cie *cie, const struct cfi_state *state)
{
	const struct cfi_rule *rbp = &state->rbp, *back = &state->return_address;
	uint32_t rbp_at = 0, rbx_at = 0;
	int64_t offset;
	enum unwind_cfa cfa = frame_of(state, &offset);

	if (back->saved == CFI_UNDEFINED)
		return UNWIND_RULE(UNWIND_END, 0, 0, 0);
	/* Others too may be marked as signal frames, which only says that their pc is not a return address.
	 */
	if (cie->signal && cfa == UNWIND_DEREF_RSP && offset == UCONTEXT_RSP)
		return UNWIND_RULE(UNWIND_SIGNAL, 0, 0, 0);
	if (cfa == UNWIND_UNSUPPORTED || !fits(offset, 18) || back->saved != CFI_OFFSET || back->offset != -8)
		return UNWIND_RULE(UNWIND_UNSUPPORTED, 0, 0, 0);
	/* The row has no room to say it: *rbp goes with this one kind of frame, always. */
	if ((rbp->saved == CFI_AT_RBP) != (cfa == UNWIND_DEREF_RBP))
		return UNWIND_RULE(UNWIND_UNSUPPORTED, 0, 0, 0);
	if (cfa != UNWIND_DEREF_RBP && !place_of(rbp, &rbp_at))
		return UNWIND_RULE(UNWIND_UNSUPPORTED, 0, 0, 0);
	/* The push's place is where other rows have rbx's. */
	if (cfa == UNWIND_PLT)
		return state->rbx.saved == CFI_UNSPECIFIED || state->rbx.saved == CFI_SAME
			       ? UNWIND_RULE(cfa, offset / 8, rbp_at, state->pushed_at)
			       : UNWIND_RULE(UNWIND_UNSUPPORTED, 0, 0, 0);
	/* Hardly anything is found by rbx: who needs it is told that it is lost, the others go on. */
	if (state->rbx.saved == CFI_UNDEFINED || !place_of(&state->rbx, &rbx_at))
		rbx_at = UNWIND_RBX_LOST;
	return UNWIND_RULE(cfa, offset / 8, rbp_at, rbx_at);
}

/* Where the last row is for @pc already, @rule takes its place. */
static int add_row(struct unwind_table *table, uint32_t pc, uint32_t rule)
{
	if (table->count && table->items[table->count - 1].pc == pc)
		table->count--;
	if (table->count ? table->items[table->count - 1].rule == rule : rule == UNWIND_NONE)
		return 0;
	if (table->count == MAX_ROWS)
		return -E2BIG;
	return vec_push(table, ((struct unwind_row){pc, rule}));
}

/*
 * Cuts the function's range to the segment of code that it starts in. Linkers leave descriptions of functions
 * that they dropped, at address 0.
 */
static bool clip_to_code(const struct image *image, struct cfi_fde *fde)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];

		if (!segment->executable || fde->start < segment->vaddr ||
		    fde->start - segment->vaddr >= segment->memory_size)
			continue;
		if (fde->end > segment->vaddr + segment->memory_size)
			fde->end = segment->vaddr + segment->memory_size;
		return true;
	}
	return false;
}

/* Adds the rows of @fde from *@covered on, and moves that. A broken one leaves the table as it was. */
static int add_function(struct unwind_table *table, struct cfi_run *run, const struct cfi_fde *fde,
			uint64_t start_context, uint64_t *covered)
{
	struct unwind_row last = table->count ? table->items[table->count - 1] : (struct unwind_row){0};
	size_t count = table->count;
	uint64_t start, end;
	int got, err;

	if (fde->start == start_context && *covered < fde->start && fde->start > table->base) {
		/* A return address is looked up by the byte before it. */
		err = add_row(table, (uint32_t)(fde->start - 1 - table->base),
			      UNWIND_RULE(UNWIND_END, 0, 0, 0));
		if (err)
			return err;
	}
	while ((got = cfi_run__next(run, &start, &end)) > 0) {
		if (end <= *covered)
			continue;
		if (start < *covered)
			start = *covered;
		err = add_row(table, (uint32_t)(start - table->base), rule_of(run->cie, &run->state));
		if (err)
			return err;
	}
	if (got < 0) {
		/* The row before may have been replaced: the end of the function before. */
		table->count = count;
		if (count)
			table->items[count - 1] = last;
		return 0;
	}
	if (fde->end <= *covered)
		return 0;
	*covered = fde->end;
	return add_row(table, (uint32_t)(fde->end - table->base), UNWIND_NONE);
}

/* Of two functions that overlap the one that starts first has the common range. */
static int compile_section(const struct image *image, const struct cfi_section *section,
			   uint64_t start_context, struct unwind_table *table)
{
	uint64_t covered = 0;
	struct cfi_run run;
	struct cfi cfi;
	int err;

	err = cfi__parse(section, &cfi);
	if (err)
		return err;
	vec_each (fde, &cfi.fdes) {
		const struct cfi_cie *cie = &cfi.cies.items[fde->cie];

		if (!clip_to_code(image, fde) || fde->end - table->base > UINT32_MAX)
			continue;
		cfi_run__start(&run, section, cie, fde);
		err = add_function(table, &run, fde, start_context, &covered);
		if (err)
			break;
	}
	cfi__free(&cfi);
	return err;
}

/* Fills the gaps of @table by what @second has there. */
static int merge(struct unwind_table *table, const struct unwind_table *second)
{
	struct unwind_table merged = {.base = table->base};
	uint32_t rule = UNWIND_NONE, second_rule = UNWIND_NONE;
	size_t i = 0, j = 0;
	int err = 0;

	while (!err && (i < table->count || j < second->count)) {
		uint32_t pc = UINT32_MAX;

		if (i < table->count)
			pc = table->items[i].pc;
		if (j < second->count && second->items[j].pc < pc)
			pc = second->items[j].pc;
		if (i < table->count && table->items[i].pc == pc)
			rule = table->items[i++].rule;
		if (j < second->count && second->items[j].pc == pc)
			second_rule = second->items[j++].rule;
		err = add_row(&merged, pc, rule != UNWIND_NONE ? rule : second_rule);
	}
	if (err) {
		unwind_table__free(&merged);
		return err;
	}
	unwind_table__free(table);
	*table = merged;
	return 0;
}

static int add_section(const struct image *image, const struct cfi_section *section, uint64_t start_context,
		       struct unwind_table *table)
{
	struct unwind_table second = {.base = table->base};
	int err;

	if (!section->bytes)
		return 0;
	if (!table->count)
		return compile_section(image, section, start_context, table);
	err = compile_section(image, section, start_context, &second);
	if (!err && second.count)
		err = merge(table, &second);
	unwind_table__free(&second);
	return err;
}

/* Whether a row says something of every byte from @start to before @end. */
static bool is_described(const struct unwind_table *table, uint64_t start, uint64_t end)
{
	const struct unwind_row *row = unwind_table__find(table, start);

	if (!row)
		return false;
	for (size_t i = (size_t)(row - table->items); i < table->count; i++) {
		if (table->base + table->items[i].pc >= end)
			break;
		if (table->items[i].rule == UNWIND_NONE)
			return false;
	}
	return true;
}

/* Cuts off what is not in @gap: where a process begins is one piece of code, of which nothing is said. */
static bool fits_in(const struct unwind_table *table, struct gap *gap)
{
	const struct unwind_row *row = unwind_table__find(table, gap->start);
	size_t next = row ? (size_t)(row - table->items) + 1 : 0;

	if (UNWIND_CFA(gap->rule) != UNWIND_END)
		return !is_described(table, gap->start, gap->end);
	if (row && row->rule != UNWIND_NONE)
		return false;
	if (next < table->count && table->base + table->items[next].pc < gap->end)
		gap->end = table->base + table->items[next].pc;
	return true;
}

static int fill_gaps(const struct image *image, const struct gaps *gaps, struct unwind_table *table)
{
	struct unwind_table second = {.base = table->base};
	int err = 0;

	vec_each (gap, gaps) {
		struct cfi_fde range = {.start = gap->start, .end = gap->end};
		struct gap part = *gap;

		if (!clip_to_code(image, &range) || range.end - table->base > UINT32_MAX)
			continue;
		part.end = range.end;
		if (!fits_in(table, &part))
			continue;
		err = add_row(&second, (uint32_t)(part.start - table->base), part.rule);
		err = err ? err : add_row(&second, (uint32_t)(part.end - table->base), UNWIND_NONE);
		if (err)
			break;
	}
	if (!err && second.count)
		err = merge(table, &second);
	unwind_table__free(&second);
	return err;
}

/* Counts, and gives back what the table grew too much. */
static void finish(struct unwind_table *table)
{
	struct unwind_row *items;

	vec_each (row, table) {
		if (UNWIND_CFA(row->rule) == UNWIND_UNSUPPORTED)
			table->unsupported++;
	}
	if (!table->count) {
		vec_free(table);
		return;
	}
	items = realloc(table->items, table->count * sizeof(*items));
	if (items) {
		table->items = items;
		table->capacity = table->count;
	}
}

int unwind_table__from_frames(const struct image *image, const struct call_frames *frames,
			      struct unwind_table *table, struct error *error)
{
	int err;

	*table = (struct unwind_table){.base = image->segment_count ? UINT64_MAX : 0};
	for (size_t i = 0; i < image->segment_count; i++) {
		if (image->segments[i].vaddr < table->base)
			table->base = image->segments[i].vaddr;
	}
	table->base -= table->base % PAGE_SIZE;
	err = add_section(image, &frames->eh, frames->start_context, table);
	err = err ? err : add_section(image, &frames->debug, frames->start_context, table);
	err = err ? err : fill_gaps(image, &frames->gaps, table);
	if (err) {
		unwind_table__free(table);
		return error__set(error, -err, "%s: no room for its unwind table: %s", image->path,
				  strerror(-err));
	}
	finish(table);
	return 0;
}

int unwind_table__compile(const struct image *image, struct unwind_table *table, struct error *error)
{
	struct call_frames frames;
	int err;

	*table = (struct unwind_table){0};
	err = call_frames__read(image, &frames, error);
	if (err)
		return err;
	err = unwind_table__from_frames(image, &frames, table, error);
	call_frames__free(&frames);
	return err;
}

void unwind_table__free(struct unwind_table *table)
{
	if (!table)
		return;
	vec_free(table);
}

const struct unwind_row *unwind_table__find(const struct unwind_table *table, uint64_t vaddr)
{
	size_t low = 0, high = table->count;

	if (vaddr < table->base || vaddr - table->base > UINT32_MAX)
		return NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->items[middle].pc <= vaddr - table->base)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &table->items[low - 1] : NULL;
}

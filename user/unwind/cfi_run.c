// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Runs call frame instructions (DWARF 5, 6.4.2). Each takes at least a byte: a run is as long as its entry.
 */
#include "unwind/cfi.h"

#include <dwarf.h>
#include <errno.h>

/* What both halves of the opcode's byte say in the three that have their operand in it. */
#define OPCODE_MASK  0xc0
#define OPERAND_MASK 0x3f

/* NULL: not one of those that are followed. */
static struct cfi_rule *find_rule(struct cfi_state *state, uint64_t reg)
{
	switch (reg) {
	case CFI_RBP:
		return &state->rbp;
	case CFI_RBX:
		return &state->rbx;
	case CFI_RETURN:
		return &state->return_address;
	}
	return NULL;
}

static void set_rule(struct cfi_state *state, uint64_t reg, enum cfi_saved saved, int64_t offset)
{
	struct cfi_rule *rule = find_rule(state, reg);

	if (rule)
		*rule = (struct cfi_rule){saved, offset};
}

/* "At CFA + @factored × the data factor." */
static void set_offset(struct cfi_run *run, uint64_t reg, int64_t factored)
{
	int64_t offset;

	if (__builtin_mul_overflow(factored, run->cie->data_factor, &offset))
		cursor__fail(&run->cursor);
	else
		set_rule(&run->state, reg, CFI_OFFSET, offset);
}

/* Operands that are unsigned, for what is counted in signed numbers. */
static int64_t unsigned_operand(struct cursor *cursor)
{
	uint64_t value = cursor__uleb(cursor);

	if (value > INT64_MAX) {
		cursor__fail(cursor);
		return 0;
	}
	return (int64_t)value;
}

static struct cursor expression_operand(struct cursor *cursor)
{
	uint64_t size = cursor__uleb(cursor);
	const uint8_t *block = cursor__block(cursor, size);

	return block ? (struct cursor){block, block + size, false} : (struct cursor){0};
}

static bool is_rest(const struct cursor *cursor, const uint8_t *wanted, size_t size)
{
	return !cursor->failed && cursor__rest(cursor) == size && !memcmp(cursor->at, wanted, size);
}

/*
 * The linker's, for lazy PLT entries of 16 bytes each: where in them the push is done is 11, 9 where they
 * begin by endbr64, 5 where by the push itself.
 */
static bool is_plt(const struct cursor *cursor, uint8_t *pushed_at)
{
	uint8_t plt[] = {DW_OP_breg16, 0,          DW_OP_lit15, DW_OP_and, DW_OP_lit0,
			 DW_OP_ge,     DW_OP_lit3, DW_OP_shl,   DW_OP_plus};
	enum { LITERAL = 4 };

	if (cursor__rest(cursor) != sizeof(plt) || cursor->at[LITERAL] < DW_OP_lit0 ||
	    cursor->at[LITERAL] > DW_OP_lit15)
		return false;
	plt[LITERAL] = cursor->at[LITERAL];
	*pushed_at = plt[LITERAL] - DW_OP_lit0;
	return is_rest(cursor, plt, sizeof(plt));
}

/* An expression is not evaluated; those that compilers and linkers write are known by their bytes. */
static void take_frame_expression(struct cursor expression, struct cfi_state *state)
{
	static const uint8_t deref[] = {DW_OP_deref};
	/* OpenSSL's: where the caller's rsp was kept before it pushed the return address. */
	static const uint8_t deref8[] = {DW_OP_deref, DW_OP_plus_uconst, 8};
	uint64_t base = cursor__number(&expression, 1);
	int64_t offset = cursor__sleb(&expression);

	state->frame = CFI_FRAME_OTHER;
	state->expression_offset = offset;
	if (base == DW_OP_breg6 && is_rest(&expression, deref, sizeof(deref)))
		state->frame = CFI_FRAME_DEREF_RBP;
	else if (base == DW_OP_breg7 && is_rest(&expression, deref, sizeof(deref)))
		state->frame = CFI_FRAME_DEREF_RSP;
	else if (base == DW_OP_breg7 && is_rest(&expression, deref8, sizeof(deref8)))
		state->frame = CFI_FRAME_DEREF_RSP8;
	else if (base == DW_OP_breg7 && is_plt(&expression, &state->pushed_at))
		state->frame = CFI_FRAME_PLT;
}

static enum cfi_saved saved_by_expression(struct cursor expression)
{
	static const uint8_t at_rbp[] = {DW_OP_breg6, 0};

	return is_rest(&expression, at_rbp, sizeof(at_rbp)) ? CFI_AT_RBP : CFI_ELSEWHERE;
}

static void restore(struct cfi_run *run, uint64_t reg)
{
	struct cfi_state initial;
	struct cfi_rule *rule = find_rule(&run->state, reg);

	if (!run->initial) {
		cursor__fail(&run->cursor);
	} else if (rule) {
		initial = *run->initial;
		*rule = *find_rule(&initial, reg);
	}
}

static void advance(struct cfi_run *run, uint64_t factored, uint64_t *location)
{
	uint64_t distance;

	if (__builtin_mul_overflow(factored, run->cie->code_factor, &distance) ||
	    __builtin_add_overflow(*location, distance, location))
		cursor__fail(&run->cursor);
}

/* Instructions that define the frame address. Returns false for others. */
static bool step_frame(struct cfi_run *run, uint8_t opcode)
{
	struct cursor *cursor = &run->cursor;
	struct cfi_state *state = &run->state;

	switch (opcode) {
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_sf:
		state->frame = CFI_FRAME_REGISTER;
		state->cfa_register = cursor__uleb(cursor);
		break;
	case DW_CFA_def_cfa_register:
		state->frame = CFI_FRAME_REGISTER;
		state->cfa_register = cursor__uleb(cursor);
		return true;
	case DW_CFA_def_cfa_expression:
		take_frame_expression(expression_operand(cursor), state);
		return true;
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
		break;
	default:
		return false;
	}
	if (opcode == DW_CFA_def_cfa || opcode == DW_CFA_def_cfa_offset)
		state->cfa_offset = unsigned_operand(cursor);
	else if (__builtin_mul_overflow(cursor__sleb(cursor), run->cie->data_factor, &state->cfa_offset))
		cursor__fail(cursor);
	return true;
}

/* Instructions that say where a register was saved. Returns false for others. */
static bool step_register(struct cfi_run *run, uint8_t opcode)
{
	struct cursor *cursor = &run->cursor;
	uint64_t reg;

	switch (opcode) {
	case DW_CFA_nop:
	case DW_CFA_set_loc:
	case DW_CFA_advance_loc1:
	case DW_CFA_advance_loc2:
	case DW_CFA_advance_loc4:
	case DW_CFA_MIPS_advance_loc8:
	case DW_CFA_remember_state:
	case DW_CFA_restore_state:
	case DW_CFA_GNU_window_save:
	case DW_CFA_GNU_args_size:
		return false;
	}
	reg = cursor__uleb(cursor);
	switch (opcode) {
	case DW_CFA_offset_extended:
		set_offset(run, reg, unsigned_operand(cursor));
		return true;
	case DW_CFA_offset_extended_sf:
		set_offset(run, reg, cursor__sleb(cursor));
		return true;
	case DW_CFA_GNU_negative_offset_extended:
		set_offset(run, reg, -unsigned_operand(cursor));
		return true;
	case DW_CFA_restore_extended:
		restore(run, reg);
		return true;
	case DW_CFA_undefined:
		set_rule(&run->state, reg, CFI_UNDEFINED, 0);
		return true;
	case DW_CFA_same_value:
		set_rule(&run->state, reg, CFI_SAME, 0);
		return true;
	case DW_CFA_register:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
		cursor__leb(cursor, opcode == DW_CFA_val_offset_sf);
		set_rule(&run->state, reg, CFI_ELSEWHERE, 0);
		return true;
	case DW_CFA_expression:
		set_rule(&run->state, reg, saved_by_expression(expression_operand(cursor)), 0);
		return true;
	case DW_CFA_val_expression:
		expression_operand(cursor);
		set_rule(&run->state, reg, CFI_ELSEWHERE, 0);
		return true;
	}
	return false;
}

static void step_other(struct cfi_run *run, uint8_t opcode, uint64_t *location)
{
	struct cursor *cursor = &run->cursor;

	switch (opcode) {
	case DW_CFA_nop:
	case DW_CFA_GNU_window_save: /* SPARC's register windows, AArch64's signed addresses */
		return;
	case DW_CFA_GNU_args_size:
		cursor__uleb(cursor);
		return;
	case DW_CFA_set_loc:
		*location = cfi__address(run->section, cursor, run->cie->encoding, 0);
		return;
	case DW_CFA_advance_loc1:
		advance(run, cursor__number(cursor, 1), location);
		return;
	case DW_CFA_advance_loc2:
		advance(run, cursor__number(cursor, 2), location);
		return;
	case DW_CFA_advance_loc4:
		advance(run, cursor__number(cursor, 4), location);
		return;
	case DW_CFA_MIPS_advance_loc8: /* gas knows it for every machine */
		advance(run, cursor__number(cursor, 8), location);
		return;
	case DW_CFA_remember_state:
		if (run->depth == CFI_STACK)
			break;
		run->stack[run->depth++] = run->state;
		return;
	case DW_CFA_restore_state:
		if (!run->depth)
			break;
		run->state = run->stack[--run->depth];
		return;
	}
	cursor__fail(cursor);
}

/* One instruction. Moves *@location where it is one that starts a new row. */
static void step(struct cfi_run *run, uint64_t *location)
{
	uint8_t opcode = *run->cursor.at++;
	uint8_t operand = opcode & OPERAND_MASK;

	switch (opcode & OPCODE_MASK) {
	case DW_CFA_advance_loc:
		advance(run, operand, location);
		return;
	case DW_CFA_offset:
		set_offset(run, operand, unsigned_operand(&run->cursor));
		return;
	case DW_CFA_restore:
		restore(run, operand);
		return;
	}
	if (!step_frame(run, opcode) && !step_register(run, opcode))
		step_other(run, opcode, location);
}

void cfi_run__start(struct cfi_run *run, const struct cfi_section *section, const struct cfi_cie *cie,
		    const struct cfi_fde *fde)
{
	run->section = section;
	run->cie = cie;
	run->initial = &cie->initial;
	run->cursor = (struct cursor){fde->instructions, fde->instructions + fde->size, false};
	run->location = fde->start;
	run->end = fde->end;
	run->state = cie->initial;
	run->depth = 0;
}

int cfi__run_initial(const struct cfi_section *section, struct cfi_cie *cie, const uint8_t *instructions,
		     size_t size)
{
	struct cfi_run run = {
		.section = section, .cie = cie, .cursor = {instructions, instructions + size, false}};
	uint64_t location = 0;

	/* Before any function's start there is nowhere to advance to. */
	while (run.cursor.at < run.cursor.end && !location)
		step(&run, &location);
	if (run.cursor.failed || location)
		return -EBADMSG;
	cie->initial = run.state;
	return 0;
}

int cfi_run__next(struct cfi_run *run, uint64_t *start, uint64_t *end)
{
	uint64_t location = run->location;

	if (location >= run->end)
		return 0;
	while (run->cursor.at < run->cursor.end && location == run->location)
		step(run, &location);
	if (run->cursor.failed || location < run->location)
		return -EBADMSG;
	*start = run->location;
	*end = location == run->location || location > run->end ? run->end : location;
	run->location = *end;
	return 1;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The evaluation function's extent. Compilers split it: what a profile calls cold goes elsewhere, without a
 * symbol in a stripped file (Debian's 3.14: 1 KB where its symbol is, 85 KB elsewhere, the loop among it).
 * Each part has call frame information of its own, and is reached by jumps; by a jump other functions are
 * reached, too, at the end of the function, when its frame is gone. So a part is what is jumped to with the
 * frame still there.
 */
#include "python/python_find_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/cfi.h"
#include "unwind/frames.h"

/* Ten times the largest that was seen. */
#define MAX_PART (1u << 20)

struct search {
	struct python_image *image;
	struct cfi_section section;
	struct cfi cfi;
	bool dispatches; /* there is a jump to an address that is computed */
};

void python_code__start(struct python_code *code, const uint8_t *bytes, size_t size, uint64_t vaddr)
{
	code->bytes = bytes;
	code->size = size;
	code->next = 0;
	code->vaddr = vaddr;
	/* Fails only for modes that do not exist. */
	ZydisDecoderInit(&code->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

bool python_code__next(struct python_code *code)
{
	for (; code->next < code->size; code->next++) {
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&code->decoder, code->bytes + code->next,
						       code->size - code->next, &code->head, code->operands)))
			continue;
		code->at = code->vaddr + code->next;
		code->next += code->head.length;
		return true;
	}
	return false;
}

bool python_code__address(const struct python_code *code, size_t operand, uint64_t *address)
{
	const ZydisDecodedOperand *decoded = &code->operands[operand];

	if (operand >= code->head.operand_count_visible)
		return false;
	if (decoded->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !decoded->imm.is_relative) {
		*address = decoded->imm.value.u;
		return true;
	}
	if (decoded->type != ZYDIS_OPERAND_TYPE_IMMEDIATE && decoded->type != ZYDIS_OPERAND_TYPE_MEMORY)
		return false;
	return ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&code->head, decoded, code->at, address));
}

static const struct cfi_fde *find_fde(const struct search *search, uint64_t vaddr)
{
	size_t low = 0, high = search->cfi.fdes.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (search->cfi.fdes.items[middle].start <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || vaddr >= search->cfi.fdes.items[low - 1].end)
		return NULL;
	return &search->cfi.fdes.items[low - 1];
}

/* Whether a frame is set up at @vaddr: the frame address is other than on entry, rsp + 8. */
static bool has_frame(const struct search *search, const struct cfi_fde *fde, uint64_t vaddr)
{
	struct cfi_run run;
	uint64_t start, end;

	cfi_run__start(&run, &search->section, &search->cfi.cies.items[fde->cie], fde);
	while (cfi_run__next(&run, &start, &end) == 1) {
		if (vaddr < start || vaddr >= end)
			continue;
		return run.state.frame == CFI_FRAME_REGISTER &&
		       (run.state.cfa_register != CFI_RSP || run.state.cfa_offset != 8);
	}
	return false;
}

static bool is_known(const struct python_image *image, uint64_t vaddr)
{
	for (size_t i = 0; i < image->eval_count; i++) {
		if (vaddr >= image->eval[i].start && vaddr < image->eval[i].end)
			return true;
	}
	return false;
}

static int add_part(struct search *search, uint64_t start, uint64_t end, struct error *error)
{
	struct python_image *image = search->image;

	if (image->eval_count == PYTHON_EVAL_MAX || end - start > MAX_PART)
		return error__set(error, EBADMSG,
				  "cannot tell the extent of _PyEval_EvalFrameDefault in %s: too large",
				  image->image->path);
	image->eval[image->eval_count++] = (struct python_range){start, end};
	return 0;
}

/* Adds the part that the jump just decoded leads to. */
static int follow(struct search *search, const struct python_code *code, struct error *error)
{
	const struct cfi_fde *fde;
	uint64_t target;

	if (code->operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		/* Through a fixed slot (a PLT's kind of jump) it leaves for another function. */
		if (code->operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER ||
		    code->operands[0].mem.index != ZYDIS_REGISTER_NONE)
			search->dispatches = true;
		return 0;
	}
	if (!python_code__address(code, 0, &target) || is_known(search->image, target))
		return 0;
	fde = find_fde(search, target);
	if (!fde || !has_frame(search, fde, target))
		return 0;
	return add_part(search, fde->start, fde->end, error);
}

/* Looks through one part for jumps that leave it. */
static int look_through(struct search *search, struct python_range part, struct error *error)
{
	size_t size = part.end - part.start;
	struct python_code code;
	uint8_t *bytes = malloc(size);
	ssize_t got;
	int err = 0;

	if (!bytes)
		return error__set(error, ENOMEM, "out of memory");
	got = image__read(search->image->image, part.start, bytes, size);
	if (got < 0)
		err = error__set(error, (int)-got, "cannot read %s: %s", search->image->image->path,
				 strerror((int)-got));
	for (python_code__start(&code, bytes, got > 0 ? (size_t)got : 0, part.start);
	     !err && python_code__next(&code);) {
		if (code.head.meta.category == ZYDIS_CATEGORY_COND_BR ||
		    code.head.meta.category == ZYDIS_CATEGORY_UNCOND_BR)
			err = follow(search, &code, error);
	}
	free(bytes);
	return err;
}

static int search_parts(struct search *search, uint64_t start, uint64_t size, struct error *error)
{
	const struct cfi_fde *fde = find_fde(search, start);
	struct python_image *image = search->image;
	int err;

	if (fde && fde->start == start)
		size = fde->end - fde->start;
	if (!size)
		return error__set(error, EBADMSG, "cannot tell the extent of _PyEval_EvalFrameDefault in %s",
				  image->image->path);
	err = add_part(search, start, start + size, error);
	for (size_t i = 0; !err && i < image->eval_count; i++)
		err = look_through(search, image->eval[i], error);
	if (err || search->dispatches)
		return err;
	if (image->version >= PYTHON_VERSION(3, 14))
		return error__set(error, ENOTSUP,
				  "%s has a tail-calling interpreter, whose frames cannot be told apart",
				  image->image->path);
	return error__set(error, EBADMSG, "cannot find the loop of _PyEval_EvalFrameDefault in %s",
			  image->image->path);
}

int python_image__find_eval(struct python_image *image, uint64_t start, uint64_t size, struct error *error)
{
	struct search search = {.image = image};
	int err;

	image->eval_count = 0;
	err = frames__read_eh(image->image, &search.section, error);
	if (err)
		return err;
	if (search.section.bytes) {
		err = cfi__parse(&search.section, &search.cfi);
		if (err)
			error__set(error, -err, "cannot read the call frame information of %s: %s",
				   image->image->path, strerror(-err));
	}
	if (!err)
		err = search_parts(&search, start, size, error);
	cfi__free(&search.cfi);
	free((void *)search.section.bytes);
	return err;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DWARF call frame information of x86-64 code (DWARF 5, 6.4; for .eh_frame the Linux Standard Base,
 * "Exception Frames"): finds the functions that a section describes, and runs their instructions into rows.
 * Of the registers only those are followed that are needed to walk the stack: the frame address, rbp, rbx
 * (some hand-written code's frame pointer), the return address.
 */
#ifndef MEMWATCH_UNWIND_CFI_H
#define MEMWATCH_UNWIND_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/vec.h"
#include "unwind/cursor.h"

/* Numbers of registers in DWARF: the System V ABI's AMD64 supplement, figure 3.36. */
enum cfi_register {
	CFI_RBX = 3,
	CFI_RBP = 6,
	CFI_RSP = 7,
	CFI_R10 = 10,
	CFI_RETURN = 16,
};

enum cfi_saved {
	CFI_UNSPECIFIED = 0,
	CFI_UNDEFINED,
	CFI_SAME,
	CFI_OFFSET, /* at CFA + offset */
	CFI_AT_RBP, /* at *rbp: gcc's way where it realigns the stack */
	CFI_ELSEWHERE,
};

struct cfi_rule {
	enum cfi_saved saved;
	int64_t offset;
};

/* How the frame address is found. */
enum cfi_frame {
	CFI_FRAME_NONE = 0,
	CFI_FRAME_REGISTER,   /* cfa_register + cfa_offset */
	CFI_FRAME_DEREF_RBP,  /* *(rbp + expression_offset) */
	CFI_FRAME_DEREF_RSP,  /* *(rsp + expression_offset) */
	CFI_FRAME_DEREF_RSP8, /* *(rsp + expression_offset) + 8 */
	CFI_FRAME_PLT,        /* rsp + expression_offset, 8 more where rip & 15 is pushed_at or above */
	CFI_FRAME_OTHER,
};

struct cfi_state {
	enum cfi_frame frame;
	uint64_t cfa_register;
	int64_t cfa_offset, expression_offset;
	uint8_t pushed_at;
	struct cfi_rule rbp, rbx, return_address;
};

struct cfi_section {
	const uint8_t *bytes;
	size_t size;
	uint64_t vaddr;    /* of bytes[0] */
	bool is_debug;     /* .debug_frame, else .eh_frame */
	bool ends_at_zero; /* the size is a guess: an entry of no length is the last */
};

struct cfi_cie {
	size_t offset; /* in the section */
	uint64_t code_factor;
	int64_t data_factor;
	uint8_t encoding; /* of addresses: DW_EH_PE_… */
	bool augmented;   /* FDEs have augmentation data, after its length */
	bool signal;
	struct cfi_state initial;
};

struct cfi_fde {
	uint64_t start, end; /* vaddrs */
	const uint8_t *instructions;
	uint32_t size;
	uint32_t cie; /* index */
};

struct cfi {
	VEC(struct cfi_cie) cies; /* by rising offset */
	VEC(struct cfi_fde) fdes; /* by rising start; alike ones in the section's order */
};

/*
 * Finds the entries of @section, whose bytes must outlive @cfi. Those that are broken, or of a kind that is
 * not known, are left out. Returns 0, -ENOMEM, or -E2BIG for more than any program has.
 */
int cfi__parse(const struct cfi_section *section, struct cfi *cfi);
void cfi__free(struct cfi *cfi);

/*
 * Reads an address in @encoding. @data_base is what "data-relative" refers to, or 0 where that is not known;
 * the cursor lies within @section. Fails the cursor where the encoding is not one that can be followed.
 */
uint64_t cfi__address(const struct cfi_section *section, struct cursor *cursor, uint8_t encoding,
		      uint64_t data_base);

#define CFI_STACK 32 /* compilers use one level */

/* The rows of a function, one after the other. */
struct cfi_run {
	const struct cfi_section *section;
	const struct cfi_cie *cie;
	const struct cfi_state *initial; /* NULL while a CIE's own instructions run */
	struct cursor cursor;
	uint64_t location, end;
	struct cfi_state state;
	struct cfi_state stack[CFI_STACK];
	unsigned depth;
};

void cfi_run__start(struct cfi_run *run, const struct cfi_section *section, const struct cfi_cie *cie,
		    const struct cfi_fde *fde);

/* Runs a CIE's @size bytes of @instructions into cie->initial. Returns 0 or -EBADMSG. */
int cfi__run_initial(const struct cfi_section *section, struct cfi_cie *cie, const uint8_t *instructions,
		     size_t size);

/*
 * Goes on to the next row: @run's state holds from *@start to before *@end, which is above it. Returns 1, 0
 * after the last row, or -EBADMSG: the instructions are broken, and what was seen of them is not to be
 * trusted.
 */
int cfi_run__next(struct cfi_run *run, uint64_t *start, uint64_t *end);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unwind tables as both sides of the kernel border know them: what .eh_frame says of x86-64 code, eight bytes
 * a row.
 */
#ifndef MEMWATCH_UNWIND_ABI_H
#define MEMWATCH_UNWIND_ABI_H

#include <linux/types.h>

/* How a frame's canonical frame address (the stack pointer before its call) is found. */
enum unwind_cfa {
	UNWIND_NONE = 0,  /* no rule: fall back to the frame pointer for this step */
	UNWIND_RSP,       /* rsp + offset */
	UNWIND_RBP,       /* rbp + offset */
	UNWIND_DEREF_RBP, /* *(rbp + offset): dynamic realignment (gcc's DRAP); the caller's rbp is at *rbp */
	UNWIND_DEREF_RSP, /* *(rsp + offset) */
	UNWIND_PLT,       /* rsp + offset + ((rip & 15) >= 11 ? 8 : 0): lazy PLT stubs */
	UNWIND_SIGNAL,    /* a signal frame: all registers are in the ucontext that rsp points at */
	UNWIND_END,       /* the return address is undefined: the outermost frame */
	UNWIND_RBX,       /* rbx + offset, where rbx is still known */
	UNWIND_R10,       /* r10 + offset: only in the innermost frame (a prologue) */
	UNWIND_UNSUPPORTED, /* a rule that is none of these: stop, and count it */
};

/*
 * A row holds from its pc to the next row's. rule: bits 0–3 enum unwind_cfa; 4–19 offset / 8, signed; 20–31
 * where the caller's rbp is saved, as (address − CFA) / 8, signed; 0: in rbp still. The return address is at
 * CFA − 8 always. With UNWIND_DEREF_RBP the saved field is 0, and the caller's rbp is at *rbp.
 */
struct unwind_row {
	__u32 pc; /* from the image's lowest mapped vaddr */
	__u32 rule;
};

#define UNWIND_RULE(cfa, offset8, rbp8)                                                                      \
	((__u32)(cfa) | ((__u32)(offset8)&0xffff) << 4 | ((__u32)(rbp8)&0xfff) << 20)
#define UNWIND_CFA(rule)    ((rule)&15)
#define UNWIND_OFFSET(rule) ((__s32)((__s32)((rule) << 12) >> 16) * 8)
#define UNWIND_SAVED(rule)  ((__s32)((__s32)(rule) >> 20) * 8)

/*
 * An image's rows in the kernel: pages of one array. Page 0 is the header; then come index pages, whose entry
 * i is the number of the last row that begins at or before i × 4 KiB (the entry after a page's last is
 * repeated there as its last); then the rows, 512 a page.
 */
#define UNWIND_PAGE_WORDS 1024
#define UNWIND_INDEX_STEP 512 /* entries that an index page adds: a power of two, to be found by shifts */
#define UNWIND_PAGE_ROWS  512
#define UNWIND_PC_SHIFT   12

struct unwind_page {
	__u32 words[UNWIND_PAGE_WORDS];
};

struct unwind_header {
	__u32 row_count;
	__u32 index_pages;
	__u32 index_count; /* entries: the last row's pc >> UNWIND_PC_SHIFT, + 2 */
	__u32 reserved;
};

/* The executable mappings of an address space, by rising start. */
#define UNWIND_MAPPINGS_MAX 512
#define UNWIND_IMAGES_MAX   4096

struct unwind_mapping {
	__u64 start, end;
	__u32 pc;    /* of start, within the image */
	__u32 image; /* index into unwind_images; 0: none has been loaded for it */
};

struct unwind_space {
	__u32 count;
	__u32 reserved;
	struct unwind_mapping mappings[UNWIND_MAPPINGS_MAX];
};

_Static_assert(sizeof(struct unwind_row) == 8, "unwind_row");
_Static_assert(sizeof(struct unwind_mapping) == 24, "unwind_mapping");

#endif

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
	UNWIND_RBX,       /* rbx + offset */
	UNWIND_DEREF_RBP, /* *(rbp + offset): dynamic realignment (gcc's DRAP); the caller's rbp is at *rbp */
	UNWIND_DEREF_RSP, /* *(rsp + offset): hand-written code that keeps its caller's rsp */
	UNWIND_PLT,       /* rsp + offset + ((rip & 15) >= UNWIND_PUSHED_AT ? 8 : 0): lazy PLT stubs */
	UNWIND_SIGNAL,    /* a signal frame: all registers are in the ucontext that rsp points at */
	UNWIND_END,       /* the return address is undefined: the outermost frame */
	UNWIND_R10, /* r10 + offset: the few instructions of a prologue, known in the innermost frame only */
	UNWIND_DEREF_RSP8,  /* *(rsp + offset) + 8 */
	UNWIND_UNSUPPORTED, /* a rule that is none of these: stop, and count it */
};

/*
 * A row holds from its pc to the next row's. rule: bits 0–3 enum unwind_cfa; 4–8 where the caller's rbp is
 * saved: 0 in rbp still, n at CFA − 8 (n + 1); 9–13 the same for rbx, with UNWIND_RBX_LOST: it cannot be
 * told; 14–31 offset / 8, signed. The return address is at CFA − 8 always. With UNWIND_DEREF_RBP bits 4–8 are
 * 0, and the caller's rbp is at *rbp. With UNWIND_PLT bits 9–13 are where in 16 bytes of code the push is
 * done: no stub changes rbx.
 */
struct unwind_row {
	__u32 pc; /* from the image's lowest mapped vaddr */
	__u32 rule;
};

#define UNWIND_SAVED_MAX 30u /* CFA − 248 */
#define UNWIND_RBX_LOST  31u
#define UNWIND_RULE(cfa, offset8, rbp, rbx)                                                                  \
	((__u32)(cfa) | (__u32)(rbp) << 4 | (__u32)(rbx) << 9 | (__u32)(offset8) << 14)
#define UNWIND_CFA(rule)       ((rule)&15)
#define UNWIND_RBP_AT(rule)    ((rule) >> 4 & 31)
#define UNWIND_RBX_AT(rule)    ((rule) >> 9 & 31)
#define UNWIND_PUSHED_AT(rule) UNWIND_RBX_AT(rule)
#define UNWIND_OFFSET(rule)    ((__s32)((__s32)(rule) >> 14) * 8)
/* From the CFA to the saved register; @at is not 0. */
#define UNWIND_SAVED(at) (-8 * ((__s32)(at) + 1))

/*
 * An image's rows in the kernel: pages that follow one another. The first is the header; then come index
 * pages, whose entry i is the number of the last row that begins at or before i × 4 KiB (the entry after a
 * page's last is repeated there as its last); then the rows, 512 a page. All images' pages have numbers in
 * one row of chunks; page 0 is not used.
 */
#define UNWIND_CHUNK_PAGES 256u
#define UNWIND_CHUNKS_MAX  1024u
#define UNWIND_PAGE_WORDS  1024
#define UNWIND_INDEX_STEP  512 /* entries that an index page adds: a power of two, to be found by shifts */
#define UNWIND_PAGE_ROWS   512
#define UNWIND_PC_SHIFT    12

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

struct unwind_mapping {
	__u64 start, end;
	__u32 pc;    /* of start, within the image */
	__u32 image; /* the first page of its table; 0: it has none */
};

struct unwind_space {
	__u32 count;
	__u32 generation; /* of its contents: a number that no others have, 1 … UNWIND_GENERATIONS - 1 */
	__u32 asked;      /* 1: user space has been asked to read the mappings again, and has not yet */
	__u32 python;     /* slot in pythons; 0: none */
	struct unwind_mapping mappings[UNWIND_MAPPINGS_MAX];
};

/*
 * rules: what has been found for an address lately, so that most steps need no search. Written by any thread
 * at any time without a lock: first is the tag ^ a mix of second, so that halves of different writers match
 * no tag. A mapping that changes gives its space a new generation, and so leaves no entry valid.
 */
#define UNWIND_RULES_BITS                    13
#define UNWIND_GENERATIONS                   (1u << 17)
#define UNWIND_RULE_TAG(address, generation) ((address) | (__u64)(generation) << 47)
#define UNWIND_RULE_CHECK(second)            ((second)*0xff51afd7ed558ccdull)
struct unwind_cached {
	__u64 first, second;
};

_Static_assert(sizeof(struct unwind_row) == 8, "unwind_row");
_Static_assert(sizeof(struct unwind_mapping) == 24, "unwind_mapping");

#endif

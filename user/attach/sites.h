/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which instruction of a function is probed, and what that costs. */
#ifndef MEMWATCH_ATTACH_SITES_H
#define MEMWATCH_ATTACH_SITES_H

#include <stdbool.h>
#include <stdint.h>
#include "abi.h"
#include "attach/allocators.h"
#include "base/vec.h"
#include "target/image.h"

enum site_cost {
	SITE_NOP5,     /* 5-byte nop: a call on kernels from 6.18 */
	SITE_EMULATED, /* the kernel emulates the instruction: one trap */
	SITE_STEPPED,  /* single-stepped out of line: a second trap (a VM exit in a virtual machine) */
	SITE_REFUSED,  /* the kernel takes no probe there: never chosen */
};

struct site {
	const struct allocator_function *function;
	char symbol[64];   /* the plainest of the table's names for this address: malloc before tc_malloc */
	char aliases[128]; /* further names of the same address, comma-separated; may be cut with "…" */
	uint64_t vaddr;    /* of the symbol */
	uint64_t file_offset; /* of the probed instruction */
	uint32_t offset;      /* of the probed instruction within the function */
	uint32_t sp_adjust;   /* bytes between the stack pointer there and the return address */
	enum site_cost cost;
	char instruction[64]; /* the probed instruction, disassembled */
	char reason[96]; /* why this one: "first emulated instruction, arguments and return address in place"
			    … */
};

/* A symbol of the table that is not probed, and why. */
struct site_skip {
	char symbol[64];
	uint64_t vaddr;
	char reason[96];
};

/* Starts as zeros. */
struct sites {
	struct site *items;
	size_t count, capacity;
	struct {
		struct site_skip *items;
		size_t count, capacity;
	} skipped;
};

/*
 * Finds the sites of @domains (a bit mask of 1 << enum domain) in @image. Frees come first: a link puts its
 * probes in one by one, and a block must not be seen allocated before its free can be seen. An image without
 * any gives 0 and adds none. Symbols that share an address are one site. operator new/delete are left out
 * where every way through them calls (or jumps to) a function of the malloc family, in the same file or
 * through the PLT or GOT: attach/calls.h. What is left out, also functions that the dynamic linker picks at
 * run time (STT_GNU_IFUNC), goes to sites->skipped. On an error (-ENOMEM, an unreadable file, -ENOEXEC: not
 * x86-64) what was added before stays.
 */
int sites__find(const struct image *image, unsigned domains, struct sites *sites, struct error *error);

void sites__free(struct sites *sites);

/* How far from the function's start a site is looked for, and how much of the function is searched for loops
 * back. */
#define SITES_CHOICE_BYTES   64
#define SITES_FUNCTION_BYTES 65536

/*
 * Chooses the instruction to probe in @code (up to @size bytes from the function's start, at @vaddr: the
 * whole function, so that branches back into its beginning are seen). @wants_return: a return probe will be
 * set too, so the stack pointer must still point at the return address; without it, nothing may have been
 * written outside the stack yet, as a block must be taken off the books before another thread can get it.
 * @arguments: how many integer arguments must still be in their registers (rdi, rsi, rdx, …). Fills offset,
 * sp_adjust, cost, instruction and reason. The cost is SITE_REFUSED where no instruction of the beginning can
 * take a probe.
 */
void sites__choose(const uint8_t *code, size_t size, uint64_t vaddr, bool wants_return, unsigned arguments,
		   struct site *site);

/*
 * Whether Linux emulates this instruction under a uprobe (arch/x86/kernel/uprobes.c, branch and push xol ops,
 * as they are from 6.1 to 6.18; attach/decode.c tells where these differ). @length (may be NULL) gets the
 * instruction's length, 0 for bytes that are none.
 */
enum site_cost sites__classify(const uint8_t *code, size_t size, uint64_t vaddr, size_t *length);

/* How many integer arguments a kind reads at entry, and whether its return matters. */
unsigned sites__arguments(enum call_kind kind);
bool sites__wants_return(enum call_kind kind);

const char *site_cost__name(enum site_cost cost); /* "nop5", "emulated", "single-stepped", "refused" */

#endif

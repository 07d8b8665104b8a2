/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The exported entry points. A return probe replaces the return address on the stack when its breakpoint is hit, so
 * the recorder could not tell its caller any more. The address is therefore fetched by an instruction that the kernel
 * does not emulate, in front of one that it does: memwatch probes the latter. Should it ever probe the first one, the
 * recorder's sites are all in "[uprobes]" and the comparison fails.
 */
	.text

	.macro entry name, to
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:
	movq	(%rsp), %rcx
	jmp	\to
	.size	\name, . - \name
	.endm

	entry malloc, oracle_malloc
	entry calloc, oracle_calloc
	entry realloc, oracle_realloc
	entry reallocarray, oracle_reallocarray
	entry posix_memalign, oracle_posix_memalign
	entry aligned_alloc, oracle_aligned_alloc
	entry memalign, oracle_memalign
	entry valloc, oracle_valloc
	entry pvalloc, oracle_pvalloc
	entry free, oracle_free
	entry cfree, oracle_free
	entry free_sized, oracle_free
	entry free_aligned_sized, oracle_free

	.section .note.GNU-stack, "", @progbits

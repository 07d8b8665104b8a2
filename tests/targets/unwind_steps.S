/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
	.text
	.globl	steps_call
	.type	steps_call, @function
/* steps_call(function, value): calls function(value) with a trap after each of its instructions. */
steps_call:
	.cfi_startproc
	sub	$8, %rsp
	.cfi_adjust_cfa_offset 8
	mov	%rdi, %rax
	mov	%esi, %edi
	pushfq
	.cfi_adjust_cfa_offset 8
	orl	$0x100, (%rsp)
	popfq
	.cfi_adjust_cfa_offset -8
	call	*%rax
	pushfq
	.cfi_adjust_cfa_offset 8
	andl	$~0x100, (%rsp)
	popfq
	.cfi_adjust_cfa_offset -8
	add	$8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	steps_call, . - steps_call

	.section .note.GNU-stack, "", @progbits

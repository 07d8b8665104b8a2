/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames as hand-written code has them. Each function is called as NAME(next, value), and calls next(value).
 */
	.macro	function name
	.globl	assembly_\name
	.hidden	assembly_\name
	.type	assembly_\name, @function
	.balign	16
assembly_\name:
	.endm

	.macro	done name
	.size	assembly_\name, . - assembly_\name
	.endm

	.text

/* rbx is what the frame is found by. */
	function rbx
	.cfi_startproc
	push	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	mov	%rsp, %rbx
	.cfi_def_cfa_register %rbx
	sub	$112, %rsp
	and	$-64, %rsp
	mov	%rdi, %rax
	mov	%esi, %edi
	call	*%rax
	mov	%rbx, %rsp
	.cfi_def_cfa_register %rsp
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	ret
	.cfi_endproc
	done	rbx

/*
 * The caller's stack pointer is kept in the frame, as in OpenSSL's block ciphers, whose saved registers are
 * below the caller's rsp: CFA = *(rsp + 32) + 8.
 */
	function aligned
	.cfi_startproc
	mov	%rsp, %rax
	.cfi_def_cfa_register %rax
	push	%rbx
	.cfi_offset %rbx, -16
	push	%rbp
	.cfi_offset %rbp, -24
	push	%r12
	.cfi_offset %r12, -32
	sub	$96, %rsp
	and	$-64, %rsp
	mov	%rax, 32(%rsp)
	/* DW_CFA_def_cfa_expression: DW_OP_breg7 32, DW_OP_deref, DW_OP_plus_uconst 8 */
	.cfi_escape 0x0f, 0x05, 0x77, 0x20, 0x06, 0x23, 0x08
	mov	$0x1234567, %ebp
	mov	$0x7654321, %ebx
	mov	%rdi, %rax
	mov	%esi, %edi
	call	*%rax
	mov	32(%rsp), %rsi
	.cfi_def_cfa %rsi, 8
	mov	-24(%rsi), %r12
	.cfi_restore %r12
	mov	-16(%rsi), %rbp
	.cfi_restore %rbp
	mov	-8(%rsi), %rbx
	.cfi_restore %rbx
	mov	%rsi, %rsp
	.cfi_def_cfa_register %rsp
	ret
	.cfi_endproc
	done	aligned

/* The same with a wide operand, without what is added: CFA = *(rsp + 264). */
	function aligned_early
	.cfi_startproc
	lea	8(%rsp), %rax
	.cfi_def_cfa %rax, 0
	push	%rbp
	.cfi_offset %rbp, -16
	sub	$512, %rsp
	and	$-256, %rsp
	mov	%rax, 264(%rsp)
	/* DW_OP_breg7 264, DW_OP_deref */
	.cfi_escape 0x0f, 0x04, 0x77, 0x88, 0x02, 0x06
	xor	%ebp, %ebp
	mov	%rdi, %rax
	mov	%esi, %edi
	call	*%rax
	mov	264(%rsp), %rsi
	.cfi_def_cfa %rsi, 0
	mov	-16(%rsi), %rbp
	.cfi_restore %rbp
	lea	-8(%rsi), %rsp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	done	aligned_early

/* Pushes around the call, and an epilogue in the middle. (clang's assembler does not know the offset any more then.) */
	function pushes
	.cfi_startproc
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	push	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	push	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	.cfi_remember_state
	test	%rdi, %rdi
	jnz	1f
	pop	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	pop	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
1:	.cfi_restore_state
	mov	$0x55, %ebp
	mov	$0x66, %ebx
	push	%rdi
	.cfi_def_cfa_offset 40
	push	%rsi
	.cfi_def_cfa_offset 48
	push	$17
	.cfi_def_cfa_offset 56
	push	$18
	.cfi_def_cfa_offset 64
	mov	%rdi, %rax
	mov	%esi, %edi
	call	*%rax
	add	$32, %rsp
	.cfi_def_cfa_offset 32
	pop	%r15
	.cfi_def_cfa_offset 24
	.cfi_restore %r15
	pop	%rbx
	.cfi_def_cfa_offset 16
	.cfi_restore %rbx
	pop	%rbp
	.cfi_def_cfa_offset 8
	.cfi_restore %rbp
	ret
	.cfi_endproc
	done	pushes

/* No CFI, but a frame pointer. */
	function pointer
	push	%rbp
	mov	%rsp, %rbp
	sub	$48, %rsp
	mov	%rdi, %rax
	mov	%esi, %edi
	call	*%rax
	leave
	ret
	done	pointer

/* rbp is saved by a move, below what has been allocated yet. */
	function moved
	.cfi_startproc
	push	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	mov	%rbp, 24 - 64(%rsp)
	sub	$64, %rsp
	.cfi_adjust_cfa_offset 64
	.cfi_rel_offset %rbp, 24
	mov	$0x77, %ebp
	mov	%rdi, %rax
	mov	%esi, %edi
	call	*%rax
	mov	24(%rsp), %rbp
	.cfi_restore %rbp
	add	$64, %rsp
	.cfi_adjust_cfa_offset -64
	pop	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	ret
	.cfi_endproc
	done	moved

/* Where a stack ends: the return address is undefined. */
	function undefined
	.cfi_startproc
	.cfi_undefined %rip
	sub	$8, %rsp
	.cfi_adjust_cfa_offset 8
	mov	%rdi, %rax
	mov	%esi, %edi
	call	*%rax
	add	$8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	done	undefined

/* In a section, and in a segment, of their own. */
	.section other_code, "ax", @progbits
	function section
	.cfi_startproc
	sub	$24, %rsp
	.cfi_adjust_cfa_offset 24
	mov	%rdi, %rax
	mov	%esi, %edi
	call	*%rax
	add	$24, %rsp
	.cfi_adjust_cfa_offset -24
	ret
	.cfi_endproc
	done	section

	.section far_code, "ax", @progbits
	function far
	.cfi_startproc
	sub	$40, %rsp
	.cfi_adjust_cfa_offset 40
	mov	%rdi, %rax
	mov	%esi, %edi
	call	*%rax
	add	$40, %rsp
	.cfi_adjust_cfa_offset -40
	ret
	.cfi_endproc
	done	far

	.section .note.GNU-stack, "", @progbits

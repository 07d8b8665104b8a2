/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A 32-bit program: says "ready", waits for the end of its input, exits with status 0. */
	.code32
	.globl	_start
	.text
_start:
	movl	$4, %eax		/* write */
	movl	$1, %ebx
	movl	$ready, %ecx
	movl	$6, %edx
	int	$0x80
again:
	movl	$3, %eax		/* read */
	xorl	%ebx, %ebx
	leal	-64(%esp), %ecx
	movl	$64, %edx
	int	$0x80
	testl	%eax, %eax
	jg	again
	movl	$1, %eax		/* exit */
	xorl	%ebx, %ebx
	int	$0x80

	.section .rodata
ready:
	.ascii	"ready\n"

	.section .note.GNU-stack, "", @progbits

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The choice of an instruction: bytes assembled and offsets worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "attach/sites.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

struct kernel_case {
	const char *what;
	const uint8_t *code;
	size_t size;
	enum site_cost cost;
};

static void the_kernel_emulates_these(void **state)
{
	const struct kernel_case cases[] = {
		{"jmp rel8", BYTES(0xeb, 0x10), SITE_EMULATED},
		{"jmp rel32", BYTES(0xe9, 0, 1, 0, 0), SITE_EMULATED},
		{"call rel32", BYTES(0xe8, 0, 1, 0, 0), SITE_EMULATED},
		{"je rel8", BYTES(0x74, 0x05), SITE_EMULATED},
		{"jg rel8", BYTES(0x7f, 0x05), SITE_EMULATED},
		{"je rel32", BYTES(0x0f, 0x84, 1, 0, 0, 0), SITE_EMULATED},
		{"jg rel32", BYTES(0x0f, 0x8f, 1, 0, 0, 0), SITE_EMULATED},
		{"push %rbp", BYTES(0x55), SITE_EMULATED},
		{"push %r12", BYTES(0x41, 0x54), SITE_EMULATED},
		{"nop", BYTES(0x90), SITE_EMULATED},
		{"5-byte nop", BYTES(0x0f, 0x1f, 0x44, 0, 0), SITE_NOP5},
		{"3-byte nop", BYTES(0x0f, 0x1f, 0x00), SITE_STEPPED},
		{"push %rbp with a needless prefix", BYTES(0x40, 0x55), SITE_STEPPED},
		{"push %bp", BYTES(0x66, 0x55), SITE_STEPPED},
		{"push $1", BYTES(0x6a, 0x01), SITE_STEPPED},
		{"endbr64", BYTES(0xf3, 0x0f, 0x1e, 0xfa), SITE_STEPPED},
		{"pop %rbp", BYTES(0x5d), SITE_STEPPED},
		{"ret", BYTES(0xc3), SITE_STEPPED},
		{"jmp *%rax", BYTES(0xff, 0xe0), SITE_STEPPED},
		{"jrcxz", BYTES(0xe3, 0x05), SITE_STEPPED},
		{"sub $8,%rsp", BYTES(0x48, 0x83, 0xec, 0x08), SITE_STEPPED},
		{"sete %al", BYTES(0x0f, 0x94, 0xc0), SITE_STEPPED},
		{"callw", BYTES(0x66, 0xe8, 0, 0, 0, 0), SITE_REFUSED},
		{"lock incl (%rdi)", BYTES(0xf0, 0xff, 0x07), SITE_REFUSED},
		{"notrack jmp *%rax", BYTES(0x3e, 0xff, 0xe0), SITE_REFUSED},
		{"cs nopw", BYTES(0x2e, 0x0f, 0x1f, 0x40, 0x00), SITE_REFUSED},
		{"int3", BYTES(0xcc), SITE_REFUSED},
		{"hlt", BYTES(0xf4), SITE_REFUSED},
		{"mov %eax,%ss", BYTES(0x8e, 0xd0), SITE_REFUSED},
		{"mov %eax,%ds", BYTES(0x8e, 0xd8), SITE_STEPPED},
		{"vzeroupper", BYTES(0xc5, 0xf8, 0x77), SITE_REFUSED},
		{"xchg %r8,%rax", BYTES(0x49, 0x90), SITE_REFUSED},
		{"no instruction", BYTES(0x06), SITE_REFUSED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length = 0;
		enum site_cost cost = sites__classify(cases[i].code, cases[i].size, 0x1000, &length);

		if (cost != cases[i].cost)
			fail_msg("%s: %s", cases[i].what, site_cost__name(cost));
		if (strcmp(cases[i].what, "no instruction") == 0)
			assert_int_equal(length, 0);
		else if (strcmp(cases[i].what, "callw") != 0) /* 4 bytes by AMD, 6 by Intel */
			assert_int_equal(length, cases[i].size);
	}
}

static void a_nop_across_pages_is_no_call(void **state)
{
	const uint8_t nop[] = {0x0f, 0x1f, 0x44, 0, 0};

	(void)state;
	assert_int_equal(sites__classify(nop, 5, 0x1ffb, NULL), SITE_NOP5);
	assert_int_equal(sites__classify(nop, 5, 0x1ffc, NULL), SITE_STEPPED);
	/* cut off */
	assert_int_equal(sites__classify(nop, 4, 0x1000, NULL), SITE_REFUSED);
}

struct choice {
	const char *what;
	const uint8_t *code;
	size_t size;
	bool wants_return;
	unsigned arguments;
	uint32_t offset, sp_adjust;
	enum site_cost cost;
};

static void check(const struct choice *choices, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct choice *choice = &choices[i];
		struct site site;

		memset(&site, 0xa5, sizeof(site));
		sites__choose(choice->code, choice->size, 0x401000, choice->wants_return, choice->arguments,
			      &site);
		if (site.offset != choice->offset || site.sp_adjust != choice->sp_adjust ||
		    site.cost != choice->cost)
			fail_msg("%s: +%u, stack %u, %s, %s: %s", choice->what, site.offset, site.sp_adjust,
				 site_cost__name(site.cost), site.instruction, site.reason);
		assert_true(memchr(site.reason, 0, sizeof(site.reason)) && site.reason[0]);
		assert_true(memchr(site.instruction, 0, sizeof(site.instruction)) && site.instruction[0]);
	}
}

#define TEST_RDI   0x48, 0x85, 0xff
#define ENDBR64    0xf3, 0x0f, 0x1e, 0xfa
#define RET        0xc3
#define MOV_RDI_0  0x48, 0xc7, 0xc7, 0, 0, 0, 0 /* 7 bytes */
#define MOV_RSI_0  0x48, 0xc7, 0xc6, 0, 0, 0, 0
#define MOV_EAX_1  0xb8, 1, 0, 0, 0 /* 5 bytes */
#define SUB_RSP_8  0x48, 0x83, 0xec, 0x08
#define STORE_HEAP 0x48, 0x89, 0x3d, 0, 1, 0, 0 /* mov %rdi,0x100(%rip) */

static void the_first_emulated_instruction(void **state)
{
	const struct choice choices[] = {
		{"push", BYTES(0x55, RET), true, 1, 0, 0, SITE_EMULATED},
		{"endbr64; push", BYTES(ENDBR64, 0x55, RET), true, 1, 4, 0, SITE_EMULATED},
		/* glibc 2.36 free: test; je; push */
		{"test; je; push", BYTES(TEST_RDI, 0x0f, 0x84, 0x10, 0, 0, 0, 0x55, RET), false, 1, 3, 0,
		 SITE_EMULATED},
		/* glibc 2.43 calloc: mov %rdi,%rax; mul %rsi; jo */
		{"mov; mul; jo", BYTES(0x48, 0x89, 0xf8, 0x48, 0xf7, 0xe6, 0x70, 0x10, RET), true, 2, 6, 0,
		 SITE_EMULATED},
		/* with three arguments mul has clobbered rdx */
		{"mov; mul; jo, rdx", BYTES(0x48, 0x89, 0xf8, 0x48, 0xf7, 0xe6, 0x70, 0x10, RET), true, 3, 0,
		 0, SITE_STEPPED},
		/* jemalloc 5.3 malloc: cmp $0x1000,%rdi; ja */
		{"cmp; ja", BYTES(0x48, 0x81, 0xff, 0, 0x10, 0, 0, 0x0f, 0x87, 1, 0, 0, 0, RET), true, 1, 7,
		 0, SITE_EMULATED},
		{"xor; jmp", BYTES(0x31, 0xc9, 0xeb, 0x20), true, 2, 2, 0, SITE_EMULATED},
		{"nop5; ret", BYTES(ENDBR64, 0x0f, 0x1f, 0x44, 0, 0, RET), true, 1, 4, 0, SITE_NOP5},
		{"nop5; push", BYTES(0x0f, 0x1f, 0x44, 0, 0, 0x55, RET), true, 1, 5, 0, SITE_EMULATED},
		{"a nop5 behind other code", BYTES(MOV_EAX_1, 0x0f, 0x1f, 0x44, 0, 0, RET), true, 1, 0, 0,
		 SITE_STEPPED},
	};

	(void)state;
	check(choices, sizeof(choices) / sizeof(choices[0]));
}

static void arguments_must_be_in_place(void **state)
{
	const struct choice choices[] = {
		{"rdi written", BYTES(MOV_RDI_0, 0x55, RET), true, 1, 0, 0, SITE_STEPPED},
		{"rsi written, not needed", BYTES(MOV_RSI_0, 0x55, RET), true, 1, 7, 0, SITE_EMULATED},
		{"rsi written, needed", BYTES(MOV_RSI_0, 0x55, RET), true, 2, 0, 0, SITE_STEPPED},
		/* mov $1,%dil: a part is enough */
		{"dil written", BYTES(0x40, 0xb7, 0x01, 0x55, RET), true, 1, 0, 0, SITE_STEPPED},
		/* cmove %rax,%rdi: sometimes is enough */
		{"rdi written if", BYTES(0x48, 0x0f, 0x44, 0xf8, 0x55, RET), true, 1, 0, 0, SITE_STEPPED},
		/* the push comes before the write */
		{"push; mov", BYTES(MOV_EAX_1, 0x53, MOV_RDI_0, RET), true, 1, 5, 0, SITE_EMULATED},
		/* a call, a system call end it: what follows is behind the work */
		{"syscall", BYTES(MOV_EAX_1, 0x0f, 0x05, 0x55, RET), false, 2, 0, 0, SITE_STEPPED},
		{"call *%rax", BYTES(0xff, 0xd0, 0x55, RET), false, 1, 0, 0, SITE_STEPPED},
		{"ret; push", BYTES(RET, 0x55), true, 1, 0, 0, SITE_STEPPED},
		/* a jump on every way is the last, though what follows it would be emulated: jrcxz is stepped
		 */
		{"jrcxz; push", BYTES(0xe3, 0x01, 0x55, RET), true, 1, 0, 0, SITE_STEPPED},
	};

	(void)state;
	check(choices, sizeof(choices) / sizeof(choices[0]));
}

static void the_stack_must_be_known(void **state)
{
	const struct choice choices[] = {
		{"sub; push with return", BYTES(SUB_RSP_8, 0x55, RET), true, 1, 0, 0, SITE_STEPPED},
		{"sub; push without", BYTES(SUB_RSP_8, 0x55, RET), false, 1, 4, 8, SITE_EMULATED},
		{"push $1; push", BYTES(0x6a, 0x01, 0x55, RET), false, 1, 2, 8, SITE_EMULATED},
		{"lea -0x18(%rsp),%rsp; push", BYTES(0x48, 0x8d, 0x64, 0x24, 0xe8, 0x55, RET), false, 1, 5,
		 24, SITE_EMULATED},
		{"sub; add; push", BYTES(SUB_RSP_8, 0x48, 0x83, 0xc4, 0x08, 0x55, RET), false, 1, 8, 0,
		 SITE_EMULATED},
		/* 248 fits the cookie, 256 does not */
		{"sub $0xf8", BYTES(0x48, 0x81, 0xec, 0xf8, 0, 0, 0, 0x55, RET), false, 1, 7, 248,
		 SITE_EMULATED},
		{"sub $0x100", BYTES(0x48, 0x81, 0xec, 0, 1, 0, 0, 0x55, RET), false, 1, 0, 0, SITE_STEPPED},
		{"and $-16,%rsp", BYTES(0x48, 0x83, 0xe4, 0xf0, 0x55, RET), false, 1, 0, 0, SITE_STEPPED},
		{"pop above the return address", BYTES(0x58, 0x50, RET), false, 1, 0, 0, SITE_STEPPED},
		{"mov %rax,%rsp", BYTES(0x48, 0x89, 0xc4, 0x55, RET), false, 1, 0, 0, SITE_STEPPED},
	};

	(void)state;
	check(choices, sizeof(choices) / sizeof(choices[0]));
}

static void a_free_is_seen_before_it_happens(void **state)
{
	const struct choice choices[] = {
		{"stored; push, free", BYTES(STORE_HEAP, 0x55, RET), false, 1, 0, 0, SITE_STEPPED},
		{"stored; push, malloc", BYTES(STORE_HEAP, 0x55, RET), true, 1, 7, 0, SITE_EMULATED},
		/* mov %rdi,-8(%rsp) stays with the thread */
		{"spilled; push, free", BYTES(0x48, 0x89, 0x7c, 0x24, 0xf8, 0x55, RET), false, 1, 5, 0,
		 SITE_EMULATED},
	};

	(void)state;
	check(choices, sizeof(choices) / sizeof(choices[0]));
}

static void hit_once_a_call(void **state)
{
	const struct choice choices[] = {
		/* 0: mov; 5: push; 6: jmp 5. The push would be hit again and again. */
		{"a loop to the push", BYTES(MOV_EAX_1, 0x55, 0xeb, 0xfd), true, 1, 0, 0, SITE_STEPPED},
		/* 0: mov; 5: push; 6: jmp 3, into the middle */
		{"a loop to before the push", BYTES(MOV_EAX_1, 0x55, 0xeb, 0xfb), true, 1, 0, 0,
		 SITE_STEPPED},
		/* 0: mov; 5: push; 6: jmp 6 */
		{"a loop behind the push", BYTES(MOV_EAX_1, 0x55, 0xeb, 0xfe), true, 1, 5, 0, SITE_EMULATED},
		/* 0: mov; 5: push; 6: jmp 0 is a call of its own */
		{"a tail call of itself", BYTES(MOV_EAX_1, 0x55, 0xeb, 0xf8), true, 1, 5, 0, SITE_EMULATED},
		/* 0: mov; 5: push; 6: ret; 7: je 5, far behind the first return */
		{"a loop from behind a return", BYTES(MOV_EAX_1, 0x55, RET, 0x74, 0xfc), true, 1, 0, 0,
		 SITE_STEPPED},
	};

	(void)state;
	check(choices, sizeof(choices) / sizeof(choices[0]));
}

static void what_the_kernel_refuses_is_passed_over(void **state)
{
	const struct choice choices[] = {
		/* lock incl (%rdi); test; push */
		{"lock; test; push", BYTES(0xf0, 0xff, 0x07, TEST_RDI, 0x55, RET), true, 1, 6, 0,
		 SITE_EMULATED},
		{"lock; test; ret", BYTES(0xf0, 0xff, 0x07, TEST_RDI, RET), true, 1, 3, 0, SITE_STEPPED},
		{"int3", BYTES(0xcc, 0x55), true, 1, 0, 0, SITE_REFUSED},
		{"no code", BYTES(0x06), true, 1, 0, 0, SITE_REFUSED},
		{"cut off", BYTES(0x48), true, 1, 0, 0, SITE_REFUSED},
	};
	struct site site;

	(void)state;
	check(choices, sizeof(choices) / sizeof(choices[0]));
	sites__choose((const uint8_t *)"", 0, 0, true, 1, &site);
	assert_int_equal(site.cost, SITE_REFUSED);
}

/* The site lies within the first 64 bytes, also where the first emulated instruction lies behind them. */
static void the_walk_is_bounded(void **state)
{
	uint8_t code[128];
	struct site site;

	(void)state;
	for (size_t i = 0; i < sizeof(code); i += 3)
		memcpy(code + i, (const uint8_t[]){TEST_RDI}, i + 3 <= sizeof(code) ? 3 : sizeof(code) - i);
	code[63] = 0x55;
	sites__choose(code, sizeof(code), 0, true, 1, &site);
	assert_int_equal(site.offset, 63);
	memcpy(code + 63, (const uint8_t[]){TEST_RDI}, 3);
	code[66] = 0x55;
	sites__choose(code, sizeof(code), 0, true, 1, &site);
	assert_int_equal(site.offset, 0);
	assert_int_equal(site.cost, SITE_STEPPED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_emulates_these),
		cmocka_unit_test(a_nop_across_pages_is_no_call),
		cmocka_unit_test(the_first_emulated_instruction),
		cmocka_unit_test(arguments_must_be_in_place),
		cmocka_unit_test(the_stack_must_be_known),
		cmocka_unit_test(a_free_is_seen_before_it_happens),
		cmocka_unit_test(hit_once_a_call),
		cmocka_unit_test(what_the_kernel_refuses_is_passed_over),
		cmocka_unit_test(the_walk_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

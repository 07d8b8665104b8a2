// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A signal handler that allocates at every single instruction: of functions with frames of many kinds, or of
 * calls that a library's functions are bound by. Thread n stands still in the handler after n instructions
 * (unwind_run.h).
 *
 * usage: unwind_steps functions|calls COUNT
 */
#include <alloca.h>
#include <signal.h>
#include "unwind_run.h"
#include "unwind_library.h"

int steps_call(int (*function)(int value), int value);

static __thread int steps_left;
static char names[256][16];

/* A report has one entry for all stacks that differ in nothing but the instruction in a line. */
#define STEP_LEAF(number)                                                                                    \
	static NOINLINE void leaf_##number(void)                                                             \
	{                                                                                                    \
		kept = malloc(block_size);                                                                   \
		stand_still();                                                                               \
		__asm__ volatile("" ::"i"(number) : "memory");                                               \
	}
/* clang-format off */
#define STEP_LEAVES(F) \
	EIGHT_NUMBERS(F, 1) EIGHT_NUMBERS(F, 2) EIGHT_NUMBERS(F, 3) EIGHT_NUMBERS(F, 4) \
	EIGHT_NUMBERS(F, 5) EIGHT_NUMBERS(F, 6) EIGHT_NUMBERS(F, 7) EIGHT_NUMBERS(F, 8) \
	EIGHT_NUMBERS(F, 9) EIGHT_NUMBERS(F, 10) EIGHT_NUMBERS(F, 11) EIGHT_NUMBERS(F, 12) \
	EIGHT_NUMBERS(F, 13) EIGHT_NUMBERS(F, 14) EIGHT_NUMBERS(F, 15) EIGHT_NUMBERS(F, 16) \
	EIGHT_NUMBERS(F, 17) EIGHT_NUMBERS(F, 18) EIGHT_NUMBERS(F, 19) EIGHT_NUMBERS(F, 20) \
	EIGHT_NUMBERS(F, 21) EIGHT_NUMBERS(F, 22) EIGHT_NUMBERS(F, 23) EIGHT_NUMBERS(F, 24) \
	EIGHT_NUMBERS(F, 25) EIGHT_NUMBERS(F, 26) EIGHT_NUMBERS(F, 27) EIGHT_NUMBERS(F, 28)
/* clang-format on */
STEP_LEAVES(STEP_LEAF)

static void (*const leaves[])(void) = {
#define LEAF_NAME(number) leaf_##number,
	STEP_LEAVES(LEAF_NAME)};
#define STEPS_MAX ((int)(sizeof(leaves) / sizeof(leaves[0])) - 1)

static NOINLINE int plain(int number)
{
	leaves[number]();
	KEEP(number);
	return number;
}

static __thread int thread_number;

static void on_trap(int number)
{
	if (--steps_left == 0)
		plain(thread_number);
	KEEP(number);
}

static int identity(int value)
{
	return value;
}

static NOINLINE int simple(int value)
{
	KEEP(value);
	return identity(value) + 3;
}

/* Registers to save. */
static NOINLINE int saving(int value)
{
	int a = value, b = value + 1, c = value + 2, d = value + 3, e = value + 4, f = value + 5;

	__asm__ volatile(""
			 : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f)::"rbx", "r12", "r13",
			   "memory");
	a = simple(a);
	return a * b + c * d + e * f;
}

static NOINLINE int with_alloca(int value)
{
	char *room = alloca(value * 16 + 100);

	KEEP(room);
	room[value] = (char)value;
	return room[value] + value;
}

static NOINLINE int realigned(int value)
{
	_Alignas(64) volatile char aligned[64];
	char *room = alloca(value * 32 + 1);

	KEEP(room);
	aligned[value] = room[0] = (char)value;
	value = simple(value);
	return value + aligned[value & 63] + room[0];
}

static NOINLINE int early(int value)
{
	if (value & 1)
		return value * 2;
	return saving(value) + saving(value + 1);
}

int assembly_rbx(int (*next)(int value), int value);
int assembly_aligned(int (*next)(int value), int value);
int assembly_aligned_early(int (*next)(int value), int value);
int assembly_pushes(int (*next)(int value), int value);
int assembly_moved(int (*next)(int value), int value);

static int functions(int value)
{
	int sum = simple(value);

	sum += assembly_rbx(identity, value) + assembly_pushes(identity, value) +
	       assembly_moved(identity, value);
	sum += assembly_aligned(identity, value) + assembly_aligned_early(identity, value);
	sum += with_alloca(value) + early(value) + early(value + 1) + realigned(value);
	KEEP(sum);
	return sum;
}

/* For each thread a function that nobody has called before. */
#define CALL(number)                                                                                         \
	static NOINLINE int call_##number(int value)                                                         \
	{                                                                                                    \
		value = library_##number(value);                                                             \
		KEEP(value);                                                                                 \
		return value + 1;                                                                            \
	}
LIBRARY_FUNCTIONS(CALL)

static int (*const calls[])(int value) = {
#define CALL_NAME(number) call_##number,
	LIBRARY_FUNCTIONS(CALL_NAME)};

static int run_steps(int (*function)(int value), int number)
{
	steps_left = thread_number = number;
	steps_call(function, 2);
	return steps_left > 0 ? plain(number) : 0; /* it has fewer instructions */
}

static int run_functions(int number)
{
	return run_steps(functions, number);
}

static int run_calls(int number)
{
	return run_steps(calls[number], number);
}

int main(int argc, char **argv)
{
	static struct unwind_case cases[STEPS_MAX + 1];
	struct sigaction action = {.sa_handler = on_trap};
	int is_functions = argc > 1 && !strcmp(argv[1], "functions");
	int most = is_functions ? STEPS_MAX : (int)(sizeof(calls) / sizeof(calls[0])) - 1;
	int count = argc > 2 ? atoi(argv[2]) : most;

	if (count < 1 || count > most)
		return 2;
	sigaction(SIGTRAP, &action, NULL);
	for (int i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "%d", i + 1);
		cases[i] = (struct unwind_case){names[i], is_functions ? run_functions : run_calls, i + 1};
	}
	cases[count] = (struct unwind_case){"end", plain, 0};
	return run_cases(cases, count + 1);
}

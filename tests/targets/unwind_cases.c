// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Allocates one block of 7777 bytes at the end of a stack that is hard to unwind, and stands still there, so
 * that a debugger can be asked what the stack is.
 *
 * usage: unwind_cases CASE
 */
#include <alloca.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <pthread.h>
#include "handshake.h"

#define NOINLINE __attribute__((noinline, noclone))

static void *volatile kept;
static volatile int depth_left;

/* Stands still where the block has been allocated, in this very frame. */
static NOINLINE int leaf(int value)
{
	kept = malloc(7777);
	reach("here");
	return value + 1;
}

static NOINLINE int plain(int value)
{
	return leaf(value + 1) + 1;
}

static NOINLINE int with_alloca(int value)
{
	char *room = alloca(value * 16 + 100);

	memset(room, value, value * 16 + 100);
	return plain(value) + room[value];
}

static NOINLINE int with_array(int value)
{
	char room[value * 8 + 1];

	memset(room, value, sizeof(room));
	return plain(value) + room[value];
}

/* Over-aligned locals beside alloca: the frame is reached by a pointer that is saved on the stack. */
static NOINLINE int realigned(int value)
{
	_Alignas(64) char aligned[64];
	char *room = alloca(value * 32 + 1);

	memset(aligned, value, sizeof(aligned));
	memset(room, value, value * 32 + 1);
	return with_alloca(value) + aligned[value & 63] + room[0];
}

static NOINLINE int recurse(int value)
{
	if (depth_left-- > 0)
		return recurse(value + 1) + 1;
	return plain(value);
}

/* Ends in a tail call where the compiler optimizes. */
static NOINLINE int tail(int value)
{
	return plain(value * 3);
}

static NOINLINE int through_tail(int value)
{
	return tail(value) + 1;
}

static int compare(const void *a, const void *b)
{
	static int done;

	if (!done++)
		plain(1);
	return *(const int *)a - *(const int *)b;
}

/* Called back through libc's code, which has no frame pointers. */
static NOINLINE int callback(int value)
{
	int numbers[] = {3, 1, 2};

	qsort(numbers, 3, sizeof(numbers[0]), compare);
	return numbers[0] + value;
}

static void on_signal(int number)
{
	plain(number);
}

static NOINLINE int in_signal(int value)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	return value;
}

static ucontext_t outside, inside;

static void coroutine(void)
{
	plain(1);
}

static NOINLINE int switched(int value)
{
	getcontext(&inside);
	inside.uc_stack.ss_size = 65536;
	inside.uc_stack.ss_sp = mmap(NULL, inside.uc_stack.ss_size, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	inside.uc_link = &outside;
	makecontext(&inside, coroutine, 0);
	swapcontext(&outside, &inside);
	return value;
}

static void *thread_main(void *argument)
{
	plain(1);
	return argument;
}

static NOINLINE int in_thread(int value)
{
	pthread_t thread;

	pthread_create(&thread, NULL, thread_main, NULL);
	pthread_join(thread, NULL);
	return value;
}

static NOINLINE int deep(int value)
{
	depth_left = 100;
	return recurse(value);
}

static const struct {
	const char *name;
	int (*run)(int value);
} cases[] = {
	{"plain", plain},       {"alloca", with_alloca}, {"array", with_array},  {"realigned", realigned},
	{"deep", deep},         {"tail", through_tail},  {"callback", callback}, {"signal", in_signal},
	{"switched", switched}, {"thread", in_thread},
};

int main(int argc, char **argv)
{
	reach("ready");
	for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!strcmp(argv[1], cases[i].name))
			return cases[i].run(argc) == 0;
	}
	return 2;
}

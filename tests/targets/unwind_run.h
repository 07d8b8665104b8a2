/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs that allocate at the end of stacks that are hard to unwind: each case runs in a thread of its own,
 * allocates one block, whose size tells the case, and stands still there for good; the last one runs in the
 * main thread. So a debugger can be asked once what all the stacks are.
 *
 * Says "ready", then "case SIZE THREAD NAME" for each, then "here".
 */
#ifndef MEMWATCH_TARGETS_UNWIND_RUN_H
#define MEMWATCH_TARGETS_UNWIND_RUN_H

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include "handshake.h"

#ifdef __clang__
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noclone))
#endif
/* Something that is done after a call, so that it does not become a jump or a loop. */
#define KEEP(value) __asm__ volatile("" : "+r"(value)::"memory")

/* A case's size: a multiple of what blocks are rounded up to. */
#define CASE_SIZE(number) (7168 + 16 * (number))

struct unwind_case {
	const char *name;
	int (*run)(int value);
	int value;
};

static __thread size_t block_size;
static __thread const char *case_name;
static __thread int in_main;
static void *volatile kept;
static volatile int released;
static sem_t standing;

/* Says which case this is, and stands still. Can be called in a signal handler. */
static NOINLINE void stand_still(void)
{
	char line[128];

	snprintf(line, sizeof(line), "case %zu %ld %s", block_size, syscall(SYS_gettid), case_name);
	say(line);
	if (in_main)
		reach("here");
	else
		sem_post(&standing);
	while (!in_main && !released)
		pause();
}

/* Stands still where the block has been allocated, in this very frame. */
static NOINLINE __attribute__((unused)) int leaf(int value)
{
	kept = malloc(block_size);
	stand_still();
	KEEP(value);
	return value + 1;
}

static inline void begin_case(const struct unwind_case *one, size_t number)
{
	block_size = CASE_SIZE(number);
	case_name = one->name;
}

struct unwind_start {
	const struct unwind_case *one;
	size_t number;
};

static void *thread_main(void *argument)
{
	struct unwind_start *start = (struct unwind_start *)argument;
	int value = start->one->value;

	begin_case(start->one, start->number);
	value = start->one->run(value);
	KEEP(value);
	return NULL;
}

/* Never returns to its caller's caller: ends the process. */
static NOINLINE int run_cases(const struct unwind_case *cases, size_t count)
{
	static struct unwind_start starts[256];
	pthread_t thread;
	int value;

	sem_init(&standing, 0, 0);
	reach("ready");
	for (size_t i = 0; i + 1 < count; i++) {
		starts[i].one = &cases[i];
		starts[i].number = i;
		if (pthread_create(&thread, NULL, thread_main, &starts[i]))
			_exit(3);
		while (sem_wait(&standing))
			;
	}
	begin_case(&cases[count - 1], count - 1);
	in_main = 1;
	value = cases[count - 1].run(cases[count - 1].value);
	KEEP(value);
	_exit(0);
}

#endif

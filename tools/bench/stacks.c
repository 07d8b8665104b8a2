// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Allocates from as many different stacks as a line of its input says, one block each; then prints "done". A
 * path is a binary number: at each of its digits one of two functions calls on.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH 17

static void left(unsigned long path, int depth);
static void right(unsigned long path, int depth);

static void *opaque(void *block)
{
	__asm__ volatile("" : "+r"(block)::"memory");
	return block;
}

static void step(unsigned long path, int depth)
{
	if (!depth) {
		if (!opaque(malloc(16)))
			errx(1, "out of memory");
		return;
	}
	if (path & 1)
		left(path >> 1, depth - 1);
	else
		right(path >> 1, depth - 1);
	__asm__ volatile("" ::: "memory");
}

static __attribute__((noinline)) void left(unsigned long path, int depth)
{
	step(path, depth);
	__asm__ volatile("" ::: "memory");
}

static __attribute__((noinline)) void right(unsigned long path, int depth)
{
	step(path, depth);
	__asm__ volatile("" ::: "memory");
}

int main(void)
{
	unsigned long count;
	char line[64];

	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%lu", &count) != 1 || count > 1ul << DEPTH)
			errx(2, "not a number of stacks up to %lu: %s", 1ul << DEPTH, line);
		for (unsigned long path = 0; path < count; path++)
			step(path, DEPTH);
		puts("done");
		fflush(stdout);
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Does what each line of its input says, and answers "ok": `alloc SIZE N` keeps N blocks, `free N` gives back
 * the newest N, `churn N` allocates and frees N times, `time N` answers how many ns a pair took, `quit`.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "handshake.h"

#define BLOCKS (1 << 20)

static void *blocks[BLOCKS];
static size_t used;

static __attribute__((noinline)) void keep(size_t size, size_t n)
{
	while (n-- && used < BLOCKS)
		blocks[used++] = opaque(malloc(size)); /* kept */
}

static void give_back(size_t n)
{
	while (n-- && used)
		free(blocks[--used]);
}

static __attribute__((noinline)) void churn(size_t n)
{
	while (n--)
		free(opaque(malloc(64))); /* churned */
}

static void time_pairs(size_t n)
{
	struct timespec from, to;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &from);
	churn(n);
	clock_gettime(CLOCK_MONOTONIC, &to);
	snprintf(text, sizeof(text), "%.1f",
		 ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / n);
	say(text);
}

int main(void)
{
	char line[128];
	size_t a, b;

	/* By read(2) alone: stdio's buffers would be blocks of its own. */
	for (;;) {
		size_t length = 0;

		while (length < sizeof(line) - 1 && read(STDIN_FILENO, line + length, 1) == 1 &&
		       line[length] != '\n')
			length++;
		line[length] = '\0';
		if (length == 0 || !strcmp(line, "quit"))
			return 0;
		if (sscanf(line, "time %zu", &a) == 1) {
			time_pairs(a);
			continue;
		}
		if (sscanf(line, "alloc %zu %zu", &a, &b) == 2)
			keep(a, b);
		else if (sscanf(line, "free %zu", &a) == 1)
			give_back(a);
		else if (sscanf(line, "churn %zu", &a) == 1)
			churn(a);
		else
			return 2;
		say("ok");
	}
}

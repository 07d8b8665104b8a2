// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a malloc+free pair costs at the end of a deep stack. Reads lines "DEPTH PAIRS PATHS" and answers each
 * with the CPU time of a pair in nanoseconds. The stack from malloc's caller to _start has DEPTH frames.
 * PATHS is 1: all pairs are made by one call of the innermost function; or up to 64: the innermost function
 * makes one pair, and is called again by another of as many ways through the functions, by turns. PAIRS is 0:
 * one block of KEPT_BYTES is allocated and kept.
 *
 * A way through 64 functions, which call each other from four places each: that is 256 return addresses in
 * functions whose frames and saved registers differ.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define OUTER_FRAMES 4 /* main, two of libc, _start */
#define DEPTH_MAX    120
#define PATHS_MAX    64
#define BLOCK_BYTES  64
#define KEPT_BYTES   7777

struct way {
	uint8_t turns[DEPTH_MAX]; /* of a frame: bits 0–5 the function that it calls, 6–7 from where */
	uint64_t pairs;
};

typedef uint64_t step_fn(const struct way *way, unsigned left, uint64_t value);

static step_fn *const steps[];
static void *volatile kept;

/* Hides the block from the compiler, so that the pair is not optimised away. */
static inline void *opaque(void *block)
{
	__asm__ volatile("" : "+r"(block)::"memory");
	return block;
}

static inline __attribute__((always_inline)) uint64_t make_pairs(const struct way *way)
{
	for (uint64_t i = 0; i < way->pairs; i++)
		free(opaque(malloc(BLOCK_BYTES)));
	if (!way->pairs)
		kept = malloc(KEPT_BYTES);
	return way->pairs;
}

/* One of the four calls; the comments keep the compiler from making one of them. */
#define CALL(n, place)                                                                                       \
	case place:                                                                                          \
		value = steps[turn & 63](way, left - 1, value);                                              \
		__asm__ volatile("# " #n " " #place);                                                        \
		break;

/*
 * @live values are wanted after the call, so that many registers are saved. With a block whose size is not a
 * constant, the compiler sets up a frame pointer.
 */
#define STEP(n, live, length, varying)                                                                       \
	static __attribute__((noinline))                                                                     \
	uint64_t step##n(const struct way *way, unsigned left, uint64_t value)                               \
	{                                                                                                    \
		uint64_t values[5] = {value * 3, value * 5, value * 7, value * 11, value * 13};              \
		uint64_t words[length];                                                                      \
		void *block = (varying) ? __builtin_alloca(8 + way->turns[0] % 64) : NULL;                   \
		uint8_t turn = way->turns[left];                                                             \
                                                                                                             \
		for (int i = 0; i < (live); i++)                                                             \
			__asm__ volatile("" : "+r"(values[i]));                                              \
		__asm__ volatile("" ::"r"(words), "r"(block) : "memory");                                    \
		if (!left)                                                                                   \
			return make_pairs(way) + value;                                                      \
		switch (turn >> 6) {                                                                         \
			CALL(n, 0)                                                                           \
			CALL(n, 1)                                                                           \
			CALL(n, 2)                                                                           \
			CALL(n, 3)                                                                           \
		}                                                                                            \
		for (int i = 0; i < (live); i++)                                                             \
			value += values[i];                                                                  \
		return value;                                                                                \
	}

#define STEPS(n)                                                                                             \
	STEP(n##0, 0, 1, 0)                                                                                  \
	STEP(n##1, 1, 3, 0)                                                                                  \
	STEP(n##2, 2, 20, 0)                                                                                 \
	STEP(n##3, 3, 7, 0)                                                                                  \
	STEP(n##4, 4, 2, 0)                                                                                  \
	STEP(n##5, 5, 60, 0)                                                                                 \
	STEP(n##6, 2, 4, 0)                                                                                  \
	STEP(n##7, 1, 2, 1)
#define NAMES(n)                                                                                             \
	step##n##0, step##n##1, step##n##2, step##n##3, step##n##4, step##n##5, step##n##6, step##n##7,

#define ALL(DO) DO(a) DO(b) DO(c) DO(d) DO(e) DO(f) DO(g) DO(h)

ALL(STEPS)

static step_fn *const steps[] = {ALL(NAMES)};

static void choose_ways(struct way ways[PATHS_MAX])
{
	uint64_t state = 1;

	for (int i = 0; i < PATHS_MAX; i++) {
		for (int turn = 0; turn < DEPTH_MAX; turn++) {
			/* xorshift64 (Marsaglia, 2003): the same in every run */
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			ways[i].turns[turn] = state >> 32;
		}
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* The CPU time of a pair. The functions are called from main: the last frame that is the program's own. */
static inline __attribute__((always_inline)) double measure(struct way ways[PATHS_MAX], unsigned depth,
							    uint64_t pairs, unsigned paths)
{
	uint64_t started, value = 0, calls = paths == 1 || !pairs ? 1 : pairs;

	for (unsigned i = 0; i < PATHS_MAX; i++)
		ways[i].pairs = pairs / calls;
	started = cpu_ns();
	for (uint64_t i = 0; i < calls; i++) {
		const struct way *way = &ways[i % paths];

		value += steps[way->turns[DEPTH_MAX - 1] & 63](way, depth - OUTER_FRAMES - 1, value);
	}
	__asm__ volatile("" ::"r"(value));
	return (double)(cpu_ns() - started) / (pairs ? pairs : 1);
}

int main(void)
{
	static struct way ways[PATHS_MAX];
	unsigned long long pairs;
	unsigned depth, paths;
	char line[64];

	choose_ways(ways);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%u %llu %u", &depth, &pairs, &paths) != 3 || depth <= OUTER_FRAMES ||
		    depth > DEPTH_MAX || !paths || paths > PATHS_MAX)
			errx(2, "not DEPTH PAIRS PATHS: %s", line);
		printf("%.2f\n", measure(ways, depth, pairs, paths));
		fflush(stdout);
	}
	return 0;
}

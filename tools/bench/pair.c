// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a malloc+free pair costs. Reads lines "THREADS PAIRS HELD" and answers each with "WALL CPU":
 * nanoseconds a pair by the wall clock (of the slowest thread) and of CPU time (all threads' sum over all
 * pairs). Every thread makes PAIRS pairs with blocks of its own, after all have started. HELD blocks stay
 * allocated meanwhile: each pair allocates one and frees the oldest. 0: a pair frees the block that it has
 * just allocated.
 */
#include <err.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define THREADS_MAX 64
#define HELD_MAX    10000000
#define HELD_STEP   78643 /* a prime */
#define BLOCK_BYTES 64

struct worker {
	pthread_t thread;
	pthread_barrier_t *start;
	uint64_t pairs, held;
	void **blocks;
	uint64_t started_ns, ended_ns, cpu_ns;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* Hides the block from the compiler, so that the pair is not optimised away. */
static void *opaque(void *block)
{
	__asm__ volatile("" : "+r"(block)::"memory");
	return block;
}

static void run_pairs(uint64_t pairs)
{
	for (uint64_t i = 0; i < pairs; i++)
		free(opaque(malloc(BLOCK_BYTES)));
}

static void run_held_pairs(uint64_t pairs, void **blocks, uint64_t held)
{
	for (uint64_t i = 0, slot = 0; i < pairs; i++, slot = (slot + HELD_STEP) % held) {
		free(blocks[slot]);
		blocks[slot] = opaque(malloc(BLOCK_BYTES));
	}
}

static void *work(void *context)
{
	struct worker *worker = context;
	uint64_t cpu_before;

	for (uint64_t i = 0; i < worker->held; i++)
		worker->blocks[i] = malloc(BLOCK_BYTES);
	pthread_barrier_wait(worker->start);
	worker->started_ns = clock_ns(CLOCK_MONOTONIC);
	cpu_before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	if (worker->held)
		run_held_pairs(worker->pairs, worker->blocks, worker->held);
	else
		run_pairs(worker->pairs);
	worker->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_before;
	worker->ended_ns = clock_ns(CLOCK_MONOTONIC);
	for (uint64_t i = 0; i < worker->held; i++)
		free(worker->blocks[i]);
	return NULL;
}

static void measure(unsigned threads, uint64_t pairs, uint64_t held)
{
	struct worker workers[THREADS_MAX] = {0};
	uint64_t first = UINT64_MAX, last = 0, cpu = 0;
	pthread_barrier_t start;

	pthread_barrier_init(&start, NULL, threads);
	for (unsigned i = 0; i < threads; i++) {
		workers[i].start = &start;
		workers[i].pairs = pairs;
		workers[i].held = held;
		workers[i].blocks = held ? calloc(held, sizeof(void *)) : NULL;
		if (held && !workers[i].blocks)
			errx(1, "out of memory");
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			errx(1, "cannot start a thread");
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		free(workers[i].blocks);
		first = workers[i].started_ns < first ? workers[i].started_ns : first;
		last = workers[i].ended_ns > last ? workers[i].ended_ns : last;
		cpu += workers[i].cpu_ns;
	}
	pthread_barrier_destroy(&start);
	printf("%.2f %.2f\n", (double)(last - first) / pairs, (double)cpu / pairs / threads);
	fflush(stdout);
}

int main(void)
{
	unsigned long long pairs, held;
	unsigned threads;
	char line[64];

	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%u %llu %llu", &threads, &pairs, &held) != 3 || !threads ||
		    threads > THREADS_MAX || !pairs || held > HELD_MAX)
			errx(2, "not THREADS PAIRS HELD: %s", line);
		measure(threads, pairs, held);
	}
	return 0;
}

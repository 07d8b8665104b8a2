// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Every entry point of the malloc family, on eight threads that hand blocks to each other. It keeps its own
 * account of what is outstanding, by source line, as a third witness: "expect LINE BYTES BLOCKS" lines at the
 * end.
 *
 * usage: stress [-n CALLS] [-s SEED] [-e] [-P]
 *   -e  print the account; -P  without pvalloc and cfree, which jemalloc lacks (glibc's would be reached
 * instead)
 */
#include <err.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8
#define SLOTS   256
#define QUEUE   64
#define HELPERS 16
#define LINES   1024
#define FORKS   8

/* C23; only where the allocator has it. */
void free_sized(void *block, size_t size) __attribute__((weak));
void free_aligned_sized(void *block, size_t alignment, size_t size) __attribute__((weak));
/* Gone from glibc's headers, still in allocators that replace it. */
void cfree(void *block) __attribute__((weak));

struct block {
	void *address;
	size_t size;
	unsigned line;
};

struct worker {
	pthread_t thread;
	unsigned number;
	uint64_t random, calls, wanted;
	struct block slots[SLOTS];
	struct block left[HELPERS]; /* by helper threads that have ended */
	unsigned helpers;
	pthread_mutex_t lock;
	struct block queue[QUEUE];
	unsigned queued;
};

static struct worker workers[THREADS];
static struct block account[LINES];
static bool portable;

static uint64_t next(struct worker *worker)
{
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	return worker->random >> 11;
}

static size_t pick_size(struct worker *worker)
{
	uint64_t value = next(worker);

	switch (value & 255) {
	case 0:
		return 0;
	case 1:
		return 128 * 1024 + value % 65536; /* past glibc's mmap threshold */
	case 2 ... 16:
		return 1024 + value % 8192;
	default:
		return 1 + value % 400;
	}
}

/* Hides from the compiler what malloc and free are, so that no pair is optimised away. */
static void *opaque(void *block)
{
	__asm__ volatile("" : "+r"(block)::"memory");
	return block;
}

/* The line is the call's own: everything stands on one. */
#define TAKE(block, bytes, call)                                                                             \
	do {                                                                                                 \
		size_t bytes_ = (bytes);                                                                     \
		(block)->address = opaque(call);                                                             \
		(block)->size = bytes_, (block)->line = __LINE__;                                            \
		if ((block)->address && bytes_)                                                              \
			memset((block)->address, 0x5a, bytes_ < 64 ? bytes_ : 64);                           \
	} while (0)

static __attribute__((noinline)) void allocate(struct worker *worker, struct block *block)
{
	size_t size = pick_size(worker), n = 1 + next(worker) % 7;
	void *result = NULL;

	worker->calls++;
	switch (next(worker) % 64) {
	case 0:
		TAKE(block, size, memalign(64, size));
		break;
	case 1:
		TAKE(block, size, aligned_alloc(256, size));
		break;
	case 2:
		TAKE(block, size, valloc(size));
		break;
	case 3:
		TAKE(block, size, portable ? valloc(size) : pvalloc(size));
		break;
	case 4 ... 5:
		TAKE(block, size, posix_memalign(&result, 32, size) ? NULL : result);
		break;
	case 6 ... 17:
		TAKE(block, n * size, calloc(n, size));
		break;
	case 18 ... 22:
		TAKE(block, size, realloc(NULL, size));
		break;
	case 23 ... 26:
		TAKE(block, n * size, reallocarray(NULL, n, size));
		break;
	case 27 ... 40: /* a line of its own */
		TAKE(block, size, malloc(size));
		break;
	default:
		TAKE(block, size, malloc(size));
		break;
	}
	if (!block->address)
		errx(1, "line %u: no memory for %zu bytes", block->line, block->size);
}

static __attribute__((noinline)) void release(struct worker *worker, struct block *block)
{
	void *address = opaque(block->address);

	worker->calls++;
	switch (next(worker) % 8) {
	case 0:
		if (free_sized) {
			free_sized(address, block->size);
			break;
		}
		/* fallthrough */
	case 1:
		if (cfree && !portable) {
			cfree(address);
			break;
		}
		/* fallthrough */
	default:
		free(address);
	}
	block->address = NULL;
}

/* realloc in all its cases. */
static __attribute__((noinline)) void resize(struct worker *worker, struct block *block)
{
	size_t size = pick_size(worker), less = block->size - block->size / 8;
	volatile size_t huge = PTRDIFF_MAX;
	struct block was = *block;

	worker->calls++;
	size += !size;
	less += !less;
	switch (next(worker) % 8) {
	case 0: /* fails, the block lives on */
		TAKE(block, 0, realloc(was.address, huge));
		if (block->address)
			errx(1, "realloc to PTRDIFF_MAX did not fail");
		*block = was;
		break;
	case 1: /* overflows */
		TAKE(block, 0, reallocarray(was.address, huge, 16));
		if (block->address)
			errx(1, "reallocarray did not fail");
		*block = was;
		break;
	case 2: /* frees in glibc, and gives an empty block in others */
		TAKE(block, 0, realloc(was.address, 0));
		break;
	case 3: /* most often stays */
		TAKE(block, less, realloc(was.address, less));
		break;
	case 4:
		TAKE(block, 2 * size, reallocarray(was.address, 2, size));
		break;
	default: /* most often moves */
		TAKE(block, size + 500, realloc(was.address, size + 500));
		break;
	}
}

/* Calls that change nothing. */
static __attribute__((noinline)) void in_vain(struct worker *worker)
{
	volatile size_t huge = PTRDIFF_MAX;
	void *block = NULL;

	worker->calls += 6;
	free(opaque(NULL));
	if (opaque(malloc(huge)) || opaque(calloc(huge, 4)) || opaque(reallocarray(NULL, huge, 4)) ||
	    !posix_memalign(&block, 3, 100) || !posix_memalign(&block, 64, huge))
		errx(1, "an impossible allocation did not fail");
}

/* A jump over frames that have allocated, but not out of the allocator. */
static __attribute__((noinline)) void deep(struct worker *worker, jmp_buf *back, unsigned depth, void *block)
{
	if (depth == 0) {
		worker->calls += 2;
		free(block);
		if (opaque(back))
			longjmp(*back, 1);
		return;
	}
	deep(worker, back, depth - 1, block ? block : opaque(malloc(depth)));
	__asm__ volatile("" ::: "memory");
}

static void jump(struct worker *worker)
{
	jmp_buf back;

	if (!setjmp(back))
		deep(worker, &back, 20, NULL);
}

/* Hands @block to another thread, which frees or keeps it. */
static bool give(struct worker *to, struct block *block)
{
	bool room;

	pthread_mutex_lock(&to->lock);
	room = to->queued < QUEUE;
	if (room)
		to->queue[to->queued++] = *block;
	pthread_mutex_unlock(&to->lock);
	if (room)
		block->address = NULL;
	return room;
}

static void receive(struct worker *worker)
{
	struct block got[QUEUE];
	unsigned count;

	pthread_mutex_lock(&worker->lock);
	count = worker->queued;
	memcpy(got, worker->queue, count * sizeof(got[0]));
	worker->queued = 0;
	pthread_mutex_unlock(&worker->lock);
	for (unsigned i = 0; i < count; i++) {
		struct block *slot = &worker->slots[next(worker) % SLOTS];

		if (!slot->address)
			*slot = got[i];
		else
			release(worker, &got[i]);
	}
}

static void *help(void *argument)
{
	struct block *left = argument, other = {0};

	TAKE(&other, 40, malloc(40));
	TAKE(left, 24, malloc(24));
	free(other.address);
	return NULL;
}

/* A thread that ends while blocks of its own live on. */
static void call_helper(struct worker *worker)
{
	pthread_t thread;

	if (worker->helpers == HELPERS)
		return;
	if (pthread_create(&thread, NULL, help, &worker->left[worker->helpers++]))
		errx(1, "pthread_create");
	pthread_join(thread, NULL);
	worker->calls += 3;
}

static void step(struct worker *worker)
{
	struct block *block = &worker->slots[next(worker) % SLOTS];
	uint64_t value = next(worker) % 1024;

	if (value == 0)
		in_vain(worker);
	else if (value == 1)
		jump(worker);
	if (value < 64)
		receive(worker);
	if (!block->address)
		allocate(worker, block);
	else if (value < 256)
		resize(worker, block);
	else if (value >= 448 || !give(&workers[next(worker) % THREADS], block))
		release(worker, block);
}

static void *work(void *argument)
{
	struct worker *worker = argument;

	while (worker->calls < worker->wanted) {
		step(worker);
		if (worker->calls > worker->wanted / HELPERS * (worker->helpers + 1))
			call_helper(worker);
	}
	return NULL;
}

/* A child has memory of its own: nothing of this shows in the parent's account. */
static void fork_child(void)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		void *block = opaque(malloc(1000));

		block = opaque(realloc(block, 3000));
		free(block);
		block = opaque(calloc(3, 33));
		_exit(block ? 0 : 1);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "child: status %#x", status);
}

static void enter_account(const struct block *block)
{
	if (!block->address)
		return;
	account[block->line].line = block->line;
	account[block->line].size += block->size;
	account[block->line].address = (char *)account[block->line].address + 1; /* a count */
}

static void print_account(void)
{
	for (unsigned i = 0; i < THREADS; i++) {
		for (unsigned j = 0; j < SLOTS; j++)
			enter_account(&workers[i].slots[j]);
		for (unsigned j = 0; j < workers[i].queued; j++)
			enter_account(&workers[i].queue[j]);
		for (unsigned j = 0; j < workers[i].helpers; j++)
			enter_account(&workers[i].left[j]);
	}
	for (unsigned i = 0; i < LINES; i++)
		if (account[i].line)
			printf("expect %u %zu %" PRIuPTR "\n", i, account[i].size,
			       (uintptr_t)account[i].address);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	uint64_t calls = 21000000, seed = 42;
	bool print = false;
	int option;

	while ((option = getopt(argc, argv, "n:s:eP")) != -1) {
		if (option == 'n')
			calls = strtoull(optarg, NULL, 0);
		else if (option == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (option == 'e')
			print = true;
		else if (option == 'P')
			portable = true;
		else
			return 2;
	}
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].number = i;
		workers[i].random = seed * 0x9e3779b97f4a7c15 + i + 1;
		workers[i].wanted = calls / THREADS;
		pthread_mutex_init(&workers[i].lock, NULL);
	}
	for (unsigned i = 0; i < THREADS; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			errx(1, "pthread_create");
	for (unsigned i = 0; i < FORKS; i++)
		fork_child();
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	calls = 0;
	for (unsigned i = 0; i < THREADS; i++)
		calls += workers[i].calls;
	if (print) {
		printf("calls %" PRIu64 "\n", calls);
		print_account();
	}
	return 0;
}

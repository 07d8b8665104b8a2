// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What Python's ctypes calls to allocate in ways that Python itself has no hand in. Frames and calls stay
 * what they are. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define APART __attribute__((noinline, noclone))

typedef void (*callback_t)(void);

void *native_malloc(size_t size);
void *malloc_when(volatile int *flag, size_t size);
void *malloc_in_thread(size_t size, callback_t callback);

struct request {
	size_t size;
	callback_t callback;
	void *block;
};

APART void *native_malloc(size_t size)
{
	void *block = malloc(size);

	__asm__ volatile("" : : "r"(block) : "memory"); /* no jump to malloc */
	return block;
}

/* Lets others run until one says so. */
APART void *malloc_when(volatile int *flag, size_t size)
{
	while (!*flag)
		sched_yield();
	return native_malloc(size);
}

static void *run(void *argument)
{
	struct request *request = argument;

	if (request->callback)
		request->callback();
	request->block = native_malloc(request->size);
	return NULL;
}

/* In a thread that Python does not know of, but for @callback, if there is one, which comes before. */
APART void *malloc_in_thread(size_t size, callback_t callback)
{
	struct request request = {size, callback, NULL};
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, &request))
		return NULL;
	pthread_join(thread, NULL);
	return request.block;
}

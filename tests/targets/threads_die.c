// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Threads that end at awkward moments: cancelled between allocations, by pthread_exit under frames that hold
 * blocks, and by exit(2) of the bare thread from a signal handler that interrupts whatever ran, the allocator
 * included. Each leaves exactly one block of its own before. A thread that dies inside of the allocator may
 * hold its arena's lock; glibc gives the next thread another one, up to 8 times the number of processors.
 * Handshake: "done".
 *
 * usage: threads_die [THREADS]
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "handshake.h"

static atomic_int ended;
static pthread_barrier_t barrier;

static __attribute__((noinline)) void leave_one(void)
{
	opaque(malloc(123)); /* left */
}

static void *cancelled(void *unused)
{
	leave_one();
	while (opaque(&ended)) {
		free(opaque(malloc(50)));
		pthread_testcancel();
	}
	return unused;
}

static __attribute__((noinline)) void exit_at(int depth)
{
	if (depth == 0) {
		if (opaque(&ended))
			pthread_exit(NULL);
		return;
	}
	exit_at(depth - 1);
	__asm__ volatile("" ::: "memory");
}

static void *exits(void *unused)
{
	leave_one();
	exit_at(10);
	return unused;
}

static void die(int signal_number)
{
	(void)signal_number;
	atomic_fetch_add(&ended, 1);
	syscall(SYS_exit, 0);
}

static void *killed(void *unused)
{
	leave_one();
	pthread_barrier_wait(&barrier);
	while (opaque(&ended))
		free(opaque(malloc(60)));
	return unused;
}

static void kill_one(void)
{
	pthread_t thread;
	int before = atomic_load(&ended);

	pthread_barrier_init(&barrier, NULL, 2);
	if (pthread_create(&thread, NULL, killed, NULL))
		errx(1, "pthread_create");
	pthread_barrier_wait(&barrier);
	pthread_kill(thread, SIGUSR1);
	while (atomic_load(&ended) == before)
		sched_yield();
	pthread_join(thread, NULL); /* the kernel clears the thread's id, which is all that join waits for */
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 8;
	struct sigaction action = {.sa_handler = die};
	pthread_t thread;

	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < threads; i++) {
		if (pthread_create(&thread, NULL, exits, NULL))
			errx(1, "pthread_create");
		pthread_join(thread, NULL);
		if (pthread_create(&thread, NULL, cancelled, NULL))
			errx(1, "pthread_create");
		pthread_cancel(thread);
		pthread_join(thread, NULL);
	}
	for (int i = 0; i < threads; i++)
		kill_one();
	reach("done");
	_exit(0); /* exit(3) might wait for a lock that a dead thread holds */
}

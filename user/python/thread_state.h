/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The threads of an interpreter and their frames, read from outside while they run: what was read may be out
 * of date by the time it is returned, and a frame list read from a running thread may end anywhere.
 */
#ifndef MEMWATCH_PYTHON_THREAD_STATE_H
#define MEMWATCH_PYTHON_THREAD_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"
#include "base/vec.h"
#include "python/python_find.h"
#include "python/remote.h"

struct python_thread {
	uint64_t state;       /* address of its PyThreadState */
	uint64_t interpreter; /* of its PyInterpreterState */
	uint64_t thread_id;   /* pthread_self() of the thread that it was made for */
	pid_t native_id;      /* its tid in its own pid namespace; 0: not known (≤ 3.10) */
	uint64_t frame;       /* the innermost one; 0: it runs no Python code */
};

struct python_threads {
	struct python_thread *items;
	size_t count, capacity;
};

struct python_frame {
	uint64_t address;
	uint64_t code;       /* of its code object */
	int64_t instruction; /* as the frame has it; where that is an address, less that of the first
				instruction */
	bool entry;          /* the outermost of those that one native evaluation frame runs */
};

struct python_frames {
	struct python_frame *items; /* innermost first */
	size_t count, capacity;
};

/* Whether what the functions below need lies where they look: true for all that the table has. */
bool python_offsets__fit(const struct python_offsets *offsets);

/*
 * Reads the threads of all interpreters, replacing what is in @threads. -EAGAIN: there is no interpreter
 * (yet); -EBADMSG, -EFAULT: the lists are not as expected. A list that is longer than any process has threads
 * is such.
 */
int python__threads(const struct python *python, struct python_remote *remote, struct python_threads *threads,
		    struct error *error);
void python_threads__free(struct python_threads *threads);

/*
 * Reads the frames of @thread, replacing what is in @frames: at most @limit, the innermost, and those that
 * sys._current_frames() shows. Returns 0 or a negative errno, what was read until then in @frames.
 */
int python__frames(const struct python *python, struct python_remote *remote,
		   const struct python_thread *thread, size_t limit, struct python_frames *frames,
		   struct error *error);
void python_frames__free(struct python_frames *frames);

/* What the key's value is in the thread with fs base @base: the address of its PyThreadState. Returns 0 or
 * -errno. */
int python__state_by_key(const struct python *python, struct python_remote *remote, uint64_t base,
			 uint64_t *state, struct error *error);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * CPython in a process: which file holds the interpreter, which version it is, where its state stands, and
 * which code is the evaluation function. Works on stripped builds; nothing is run in the process, which is
 * not stopped.
 */
#ifndef MEMWATCH_PYTHON_PYTHON_FIND_H
#define MEMWATCH_PYTHON_PYTHON_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"
#include "python/offsets.h"
#include "target/image.h"
#include "target/maps.h"

struct python_range {
	uint64_t start, end; /* [start, end), vaddrs of the file */
};

/* Compilers make two parts of a function; profile tools that lay it out anew, some more. */
#define PYTHON_EVAL_MAX 8

/* What is the same for all processes that have the file mapped. */
struct python_image {
	struct image *image; /* a reference of its own */
	uint32_t version;    /* PYTHON_VERSION(); one that has a row in the table */
	/* Vaddrs: */
	uint64_t runtime;      /* _PyRuntime; 0 in 3.6, which has none */
	uint64_t interpreters; /* where the address of the newest interpreter is kept */
	uint64_t key;          /* int: of the pthread key; 0: not known */
	/* _PyEval_EvalFrameDefault: the first is where it starts. Its cold part may be most of it. */
	struct python_range eval[PYTHON_EVAL_MAX];
	size_t eval_count;
};

/*
 * Looks for an interpreter in @image. Returns 1, 0 where there is none, or a negative errno: -ENOTSUP for one
 * that cannot be followed, named in the error (PyPy, Python 2, a version that is not known, a tail-calling
 * interpreter).
 */
int python_image__read(struct image *image, struct python_image *found, struct error *error);
void python_image__free(struct python_image *image); /* one of zeros is fine */

/* How a thread's own data are found from its fs base F; key is that of PyGILState. */
enum python_key_kind {
	PYTHON_KEY_NONE, /* no thread was seen that has it */
	PYTHON_KEY_GLIBC, /* key < 32: *(F + first + key·16 + 8); else *(*(F + second + key/32·8) + key%32·16
			     + 8) */
	PYTHON_KEY_MUSL, /* *(*(F + first) + key·8) */
};

struct python_key {
	enum python_key_kind kind;
	uint32_t key;
	uint32_t first, second;
};

struct python {
	pid_t pid;
	struct python_image image;
	uint64_t bias; /* address in the process − vaddr of the file */
	struct python_offsets offsets;
	uint64_t runtime;      /* address of _PyRuntime; 0 in 3.6 */
	uint64_t interpreters; /* address of the address of the newest interpreter */
	struct python_key key;
	bool frames_seen; /* a frame and its code object were read; false: no thread ran Python code */
};

/*
 * Finds the interpreter of @pid, whose mappings are @maps, and makes sure that its state can be read: the
 * lists of interpreters and threads, a thread's frames, a code object. -ENOENT: no Python in it; -EAGAIN: not
 * started yet; -ENOTSUP: as above, or a free-threaded build; -EBADMSG: the state is not as expected.
 */
int python__find(pid_t pid, const struct maps *maps, struct image_cache *cache, struct python **python,
		 struct error *error);
void python__free(struct python *python); /* NULL is fine */

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading Python objects out of another process while it runs. It may free, reuse or unmap what is read at
 * any moment: nothing that was read is believed, least of all a size. Errors: -EFAULT, not readable;
 * -EBADMSG, not what it should be; -ESRCH, no such process (any more); -EPERM; -ENOMEM.
 */
#ifndef MEMWATCH_PYTHON_REMOTE_H
#define MEMWATCH_PYTHON_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"
#include "python/offsets.h"

/* A string longer than what is asked for is cut there and ends in "…"; one longer than this is nonsense. */
#define PYTHON_STRING_MAX (1u << 20)

/* Types that stay where they are for as long as the process lives, once found to be what they are called. */
struct python_known_types {
	uint64_t string, bytes, code;
};

struct python_remote {
	pid_t pid;
	const struct python_offsets *offsets;
	struct python_known_types types;
	uint64_t calls; /* of the kernel */
};

struct python_remote python_remote__of(pid_t pid, const struct python_offsets *offsets);

/* Reads all of @size bytes or fails; what stands in @buffer then is of no use. */
int python_remote__read(struct python_remote *remote, uint64_t address, void *buffer, size_t size,
			struct error *error);

#define PYTHON_SPANS_MAX     8
#define PYTHON_SPAN_SIZE_MAX 4096

/* A place to read from, and what has been read from its start on: it may be less than was wanted, or nothing.
 */
struct python_span {
	uint64_t address;
	void *buffer;
	size_t size; /* wanted, at most PYTHON_SPAN_SIZE_MAX */
	size_t got;
};

/*
 * Reads several places by one call, in their order. Places that cannot be read are no error. At most
 * PYTHON_SPANS_MAX.
 */
int python_remote__read_spans(struct python_remote *remote, struct python_span *spans, size_t count,
			      struct error *error);

/*
 * Whether an object that begins with these bytes has not been freed, so far as can be seen: the allocator
 * writes addresses into the first word of what has been, and leaves the others as they were.
 */
bool python_remote__is_alive(const struct python_remote *remote, const void *object);

/*
 * The str of which @head is the beginning, as UTF-8, which the caller frees; at most @limit characters of it.
 * Bytes that were no text in the target (os.fsencode) are themselves again; other lone surrogates and NULs
 * become U+FFFD.
 */
int python_remote__string(struct python_remote *remote, const struct python_span *head, size_t limit,
			  char **text, struct error *error);

/* The bytes object of which @head is the beginning; -E2BIG: longer than @limit. The caller frees *@bytes. */
int python_remote__bytes(struct python_remote *remote, const struct python_span *head, size_t limit,
			 uint8_t **bytes, size_t *size, struct error *error);
/* Its size alone, however large. */
int python_remote__bytes_size(struct python_remote *remote, const struct python_span *head, uint64_t *size,
			      struct error *error);

/* Whether the type at @type is that of code objects: 0, or -EBADMSG with its name. */
int python_remote__check_code_type(struct python_remote *remote, uint64_t type, struct error *error);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The code objects of one process, each read once and kept: from (code object, instruction) to file, function
 * and line, also when the object has gone since.
 *
 * Time goes in rounds. What was known before a round began is read again before it is believed in that round:
 * its address may be another object's by now. An object that has gone meanwhile is believed to have been what
 * was last seen at its address, and the answer says so.
 */
#ifndef MEMWATCH_PYTHON_CODES_H
#define MEMWATCH_PYTHON_CODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"
#include "python/code.h"

/* What is kept may take this much; beyond it, all is forgotten and read anew. */
#define PYTHON_CODES_BYTES_MAX (256u << 20)

struct python_codes;

struct python_codes_stats {
	uint64_t read;       /* times that a code object was read, again or for the first time */
	uint64_t replaced;   /* addresses that had another code object when looked at again */
	uint64_t gone;       /* code objects that were not there any more when looked at again */
	uint64_t failed;     /* addresses where none could be read and none was known */
	uint64_t forgotten;  /* times that all was forgotten for want of room */
	uint64_t calls;      /* of the kernel */
	size_t count, bytes; /* kept */
};

struct python_place {
	const char *file, *function;
	int32_t line; /* PYTHON_NO_LINE, or as python_lines__at gives it */
	int32_t first_line;
	bool gone; /* read earlier; not there any more */
};

/* @offsets must outlive it. NULL: no memory. */
struct python_codes *python_codes__new(pid_t pid, const struct python_offsets *offsets);
void python_codes__free(struct python_codes *codes); /* NULL is fine */

/* A new round begins. Keeps all that is known, but what was seen before the last object at an address. */
void python_codes__begin_round(struct python_codes *codes);

/*
 * The code object at @address, read now if it has not been in this round. Valid until the next call that is
 * not python_codes__find. Returns 0 or python_code__read's errors.
 */
int python_codes__get(struct python_codes *codes, uint64_t address, const struct python_code **code,
		      bool *gone, struct error *error);

/* The one that was seen at @address with this identity, in this round or as its last; NULL: none. Reads
 * nothing. */
const struct python_code *python_codes__find(const struct python_codes *codes, uint64_t address,
					     const struct python_identity *identity);

/*
 * Where @lasti, as in python_lines__offset, is in the code object at @address. Strings are valid as above.
 */
int python_codes__lookup(struct python_codes *codes, uint64_t address, int64_t lasti,
			 struct python_place *place, struct error *error);

void python_codes__stats(const struct python_codes *codes, struct python_codes_stats *stats);

#endif

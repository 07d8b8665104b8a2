/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a code object of another process stands for: file, function, lines. */
#ifndef MEMWATCH_PYTHON_CODE_H
#define MEMWATCH_PYTHON_CODE_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"
#include "python/lines.h"
#include "python/offsets.h"
#include "python/remote.h"

#define PYTHON_NAME_MAX       4096u        /* characters of a name that are kept */
#define PYTHON_LINE_TABLE_MAX (1u << 20)   /* bytes; a function with a larger one has no lines */
#define PYTHON_CODE_SIZE_MAX  (1ull << 30) /* bytes of instructions; more is nonsense */

/*
 * What tells a code object from another one that has taken its address: programs that compile as they run get
 * the same addresses, even of the parts, over and over.
 */
struct python_identity {
	uint64_t fields; /* of the struct's own words that stay as they are while it lives, addresses included
			  */
	uint64_t contents; /* of names and line table */
};

struct python_code {
	uint64_t address;
	uint64_t instructions; /* where they stand, inside the object; ≥ 3.11, else 0 */
	struct python_identity identity;
	char *file; /* as the program says it: <string>, <frozen …>, and what no longer exists, too */
	char *name;
	char *qualified_name; /* ≥ 3.11, else NULL */
	struct python_lines lines;
	uint8_t *line_table; /* lines.table */
};

/*
 * Reads the code object at @address, whole and of one moment. -EBADMSG: there is no code object (any more);
 * -EFAULT: there or where it points is no memory; -EAGAIN: it changed while it was read, twice; and
 * remote.h's. One that is just being made has parts of what stood there before; no frame holds it yet, so
 * where a frame's is asked for, that one has gone. @code is all zeros then, else it is for python_code__free.
 */
int python_code__read(struct python_remote *remote, uint64_t address, struct python_code *code,
		      struct error *error);
void python_code__free(struct python_code *code);

/* The name to show: qualified where there is one. */
const char *python_code__function(const struct python_code *code);

#endif

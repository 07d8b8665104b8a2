/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From an instruction to its line: CPython's line tables, over bytes that nobody vouches for. What they say
 * is what the interpreter itself (PyCode_Addr2Line) makes of the same bytes.
 */
#ifndef MEMWATCH_PYTHON_LINES_H
#define MEMWATCH_PYTHON_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/vec.h"
#include "python/offsets.h"

/* Instructions that stand for no line of the source (≥ 3.10), and those of which nothing is known. */
#define PYTHON_NO_LINE (-1)

enum python_lines_format {
	PYTHON_LINES_UNKNOWN,
	PYTHON_LINES_LNOTAB,    /* co_lnotab, 3.6 … 3.9: pairs of steps from one line's start to the next */
	PYTHON_LINES_RANGES,    /* co_linetable, 3.10 (PEP 626): pairs of a range's length and its line */
	PYTHON_LINES_LOCATIONS, /* co_linetable, ≥ 3.11 (PEP 657): entries of varying length with columns */
};

/* A code object's table, as it stands in the process. Lines start from @first_line. */
struct python_lines {
	enum python_lines_format format;
	const uint8_t *table;
	size_t size;
	int32_t first_line;
	uint64_t code_size; /* bytes of instructions: behind them there is no line */
};

enum python_lines_format python_lines__format(uint32_t version);

/*
 * What a frame holds as its instruction, in bytes from the first one: below 0 before the first has run.
 * @lasti is the number that the frame holds where that is a number, and its address less that of the code
 * object's instructions where it is an address.
 */
int64_t python_lines__offset(enum python_instruction kind, int64_t lasti);

/* The line of the instruction at @offset; 0 is a line, too: a module's first instruction has it from 3.11 on.
 */
int32_t python_lines__at(const struct python_lines *lines, int64_t offset);

/* --- One range after the other
 * --------------------------------------------------------------------------------- */

struct python_lines_cursor {
	const struct python_lines *lines;
	size_t next; /* in the table */
	bool ended;
	uint32_t computed;   /* wraps around as the interpreter's int does */
	uint64_t start, end; /* of the range, in bytes of instructions */
	int32_t line;
};

struct python_lines_cursor python_lines__begin(const struct python_lines *lines);
/* Goes on to the next range that is not empty; false: there is none. */
bool python_lines__next(struct python_lines_cursor *cursor);

/* --- The whole table, for many questions
 * ----------------------------------------------------------------------- */

struct python_line_range {
	uint32_t end; /* starts where the one before ends */
	int32_t line;
};

/* Starts as zeros. */
struct python_line_map {
	VEC(struct python_line_range) ranges;
	bool built;
	int32_t first_line;
};

/* Returns 0 or -ENOMEM, the map empty. */
int python_line_map__build(struct python_line_map *map, const struct python_lines *lines);
int32_t python_line_map__at(const struct python_line_map *map, int64_t offset);
void python_line_map__free(struct python_line_map *map);

#endif

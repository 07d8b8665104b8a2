/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files that find an interpreter share, and nobody else includes. */
#ifndef MEMWATCH_PYTHON_PYTHON_FIND_PRIVATE_H
#define MEMWATCH_PYTHON_PYTHON_FIND_PRIVATE_H

#include <Zydis/Zydis.h>
#include "python/python_find.h"

/* One instruction after the other, of bytes that are in memory. */
struct python_code {
	ZydisDecoder decoder;
	const uint8_t *bytes;
	size_t size, next;
	uint64_t vaddr; /* of bytes[0] */
	/* The one that was decoded: */
	uint64_t at;
	ZydisDecodedInstruction head;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

void python_code__start(struct python_code *code, const uint8_t *bytes, size_t size, uint64_t vaddr);
/* False at the end. What is no instruction is passed over, byte by byte. */
bool python_code__next(struct python_code *code);
/* The address that the operand refers to: rip-relative, absolute, or a number that may be one. */
bool python_code__address(const struct python_code *code, size_t operand, uint64_t *address);

/*
 * Follows the jumps of the function at @start to all of its parts: fills in image->eval. A version is said
 * only in errors. @size: what its symbol says.
 */
int python_image__find_eval(struct python_image *image, uint64_t start, uint64_t size, struct error *error);

/* The version number in the code of Py_GetVersion, at @start; 0: none there. */
uint32_t python_image__version_in_code(const struct image *image, uint64_t start);
/* Of "3.9.2+" and the like; 0: it is no version number. */
uint32_t python_version__parse(const char *text);
/* Of a path: libpython3.9.so.1.0, python3.9. 0: it says none. */
uint32_t python_version__of_path(const char *path);

/* Until 3.6 the state stood in variables of their own: what the function at @start reads first. 0: it cannot
 * be told.
 */
uint64_t python_image__variable_of(const struct image *image, uint64_t start, size_t width);

/* Checks that @python's state can be read, and finds its key. Returns 0 or a negative errno. */
int python__verify(struct python *python, struct error *error);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads DWARF's numbers from untrusted bytes. A read that goes wrong gives 0 and marks the cursor as failed,
 * for good: check once, after a run of reads.
 */
#ifndef MEMWATCH_UNWIND_CURSOR_H
#define MEMWATCH_UNWIND_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *at, *end;
	bool failed;
};

static inline size_t cursor__rest(const struct cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

static inline void cursor__fail(struct cursor *cursor)
{
	cursor->failed = true;
	cursor->at = cursor->end;
}

/* The next @size bytes, or NULL. */
static inline const uint8_t *cursor__block(struct cursor *cursor, uint64_t size)
{
	const uint8_t *block = cursor->at;

	if (size > cursor__rest(cursor)) {
		cursor__fail(cursor);
		return NULL;
	}
	cursor->at += size;
	return block;
}

/* A little-endian number of @size bytes, at most 8. */
static inline uint64_t cursor__number(struct cursor *cursor, size_t size)
{
	const uint8_t *block = cursor__block(cursor, size);
	uint64_t value = 0;

	if (block)
		memcpy(&value, block, size);
	return value;
}

static inline uint64_t cursor__leb(struct cursor *cursor, bool is_signed)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		if (cursor->at == cursor->end || shift >= 64) {
			cursor__fail(cursor);
			return 0;
		}
		byte = *cursor->at++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	/* The tenth byte has room for one bit of the number, or its sign. */
	if (shift > 64 && byte > 1 && !(is_signed && byte == 0x7f)) {
		cursor__fail(cursor);
		return 0;
	}
	if (is_signed && byte & 0x40 && shift < 64)
		value |= ~0ull << shift;
	return value;
}

static inline uint64_t cursor__uleb(struct cursor *cursor)
{
	return cursor__leb(cursor, false);
}

static inline int64_t cursor__sleb(struct cursor *cursor)
{
	return (int64_t)cursor__leb(cursor, true);
}

#endif

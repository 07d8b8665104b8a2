// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "python/lines.h"

#include <errno.h>

#define CODE_UNIT 2 /* bytes; since 3.6 */

/* 3.10's line step for a range that has no line. */
#define RANGE_WITHOUT_LINE (-128)

/* Kinds of location table entries (CPython's Objects/locations.md); those left out are on the same line. */
#define LOCATION_ONE_LINE1  11
#define LOCATION_ONE_LINE2  12
#define LOCATION_NO_COLUMNS 13
#define LOCATION_LONG       14
/* With the bit that marks an entry's first byte. */
#define LOCATION_WITHOUT_LINE 0x1f

enum python_lines_format python_lines__format(uint32_t version)
{
	/* A version that does not stand here has not been compared with its interpreter. */
	if (version < PYTHON_VERSION(3, 6) || version > PYTHON_VERSION(3, 14))
		return PYTHON_LINES_UNKNOWN;
	if (version >= PYTHON_VERSION(3, 11))
		return PYTHON_LINES_LOCATIONS;
	return version == PYTHON_VERSION(3, 10) ? PYTHON_LINES_RANGES : PYTHON_LINES_LNOTAB;
}

int64_t python_lines__offset(enum python_instruction kind, int64_t lasti)
{
	if (kind == PYTHON_LASTI_UNITS && lasti >= 0)
		return lasti > INT64_MAX / CODE_UNIT ? INT64_MAX : lasti * CODE_UNIT;
	return lasti;
}

struct python_lines_cursor python_lines__begin(const struct python_lines *lines)
{
	return (struct python_lines_cursor){
		.lines = lines,
		.computed = (uint32_t)lines->first_line,
		.line = PYTHON_NO_LINE,
	};
}

/* Lines below zero come from nonsense only. */
static int32_t line_of(uint32_t computed)
{
	int32_t line = (int32_t)computed;

	return line < 0 ? PYTHON_NO_LINE : line;
}

/*
 * An entry says where the *next* line starts: it ends the range under way. What follows the last entry
 * belongs to the last line, up to the end of the code.
 */
static bool next_lnotab(struct python_lines_cursor *cursor)
{
	const struct python_lines *lines = cursor->lines;

	cursor->start = cursor->end;
	cursor->line = line_of(cursor->computed);
	while (lines->size - cursor->next >= 2) {
		const uint8_t *entry = lines->table + cursor->next;

		cursor->next += 2;
		cursor->end += entry[0];
		cursor->computed += (uint32_t)(int8_t)entry[1];
		if (cursor->end > cursor->start)
			return true;
		cursor->line = line_of(cursor->computed);
	}
	cursor->ended = true;
	if (cursor->end < lines->code_size)
		cursor->end = lines->code_size;
	return cursor->end > cursor->start;
}

static bool next_range(struct python_lines_cursor *cursor)
{
	const struct python_lines *lines = cursor->lines;

	cursor->start = cursor->end;
	while (cursor->next < lines->size) {
		const uint8_t *entry = lines->table + cursor->next;
		/* A bytes object has a zero behind its end. */
		int8_t step = lines->size - cursor->next >= 2 ? (int8_t)entry[1] : 0;

		cursor->next += lines->size - cursor->next >= 2 ? 2 : 1;
		cursor->end += entry[0];
		if (step != RANGE_WITHOUT_LINE)
			cursor->computed += (uint32_t)step;
		cursor->line = step == RANGE_WITHOUT_LINE ? PYTHON_NO_LINE : line_of(cursor->computed);
		if (cursor->end > cursor->start)
			return true;
	}
	cursor->ended = true;
	return false;
}

/* Six bits a byte, the lowest first; the sign is the lowest bit of all. */
static uint32_t signed_varint(const struct python_lines *lines, size_t at)
{
	uint32_t value = 0, magnitude;
	bool more = true;

	for (unsigned int shift = 0; more && at < lines->size && shift < 32; shift += 6) {
		uint8_t byte = lines->table[at++];

		value |= (uint32_t)(byte & 63) << shift;
		more = byte & 64;
	}
	magnitude = value >> 1;
	return value & 1 ? 0u - magnitude : magnitude;
}

static bool next_location(struct python_lines_cursor *cursor)
{
	const struct python_lines *lines = cursor->lines;
	uint8_t first;

	if (cursor->next >= lines->size) {
		cursor->ended = true;
		return false;
	}
	first = lines->table[cursor->next];
	switch (first >> 3 & 15) {
	case LOCATION_ONE_LINE1:
		cursor->computed += 1;
		break;
	case LOCATION_ONE_LINE2:
		cursor->computed += 2;
		break;
	case LOCATION_NO_COLUMNS:
	case LOCATION_LONG:
		cursor->computed += signed_varint(lines, cursor->next + 1);
		break;
	default:
		break;
	}
	cursor->line = first >> 3 == LOCATION_WITHOUT_LINE ? PYTHON_NO_LINE : line_of(cursor->computed);
	cursor->start = cursor->end;
	cursor->end += ((uint64_t)(first & 7) + 1) * CODE_UNIT;
	do {
		cursor->next++;
	} while (cursor->next < lines->size && !(lines->table[cursor->next] & 128));
	return true;
}

bool python_lines__next(struct python_lines_cursor *cursor)
{
	if (cursor->ended)
		return false;
	switch (cursor->lines->format) {
	case PYTHON_LINES_LNOTAB:
		return next_lnotab(cursor);
	case PYTHON_LINES_RANGES:
		return next_range(cursor);
	case PYTHON_LINES_LOCATIONS:
		return next_location(cursor);
	case PYTHON_LINES_UNKNOWN:
		break;
	}
	return false;
}

int32_t python_lines__at(const struct python_lines *lines, int64_t offset)
{
	struct python_lines_cursor cursor = python_lines__begin(lines);

	if (lines->format == PYTHON_LINES_UNKNOWN)
		return PYTHON_NO_LINE;
	if (offset < 0)
		return line_of((uint32_t)lines->first_line);
	if ((uint64_t)offset >= lines->code_size)
		return PYTHON_NO_LINE;
	while (python_lines__next(&cursor)) {
		if (cursor.end > (uint64_t)offset)
			return cursor.line;
	}
	return PYTHON_NO_LINE;
}

int python_line_map__build(struct python_line_map *map, const struct python_lines *lines)
{
	struct python_lines_cursor cursor = python_lines__begin(lines);
	uint64_t limit = lines->code_size < UINT32_MAX ? lines->code_size : UINT32_MAX;

	python_line_map__free(map);
	map->first_line = python_lines__at(lines, -1);
	while (cursor.end < limit && python_lines__next(&cursor)) {
		uint32_t end = (uint32_t)(cursor.end < limit ? cursor.end : limit);

		if (map->ranges.count && map->ranges.items[map->ranges.count - 1].line == cursor.line) {
			map->ranges.items[map->ranges.count - 1].end = end;
		} else if (vec_push(&map->ranges, (struct python_line_range){end, cursor.line}) < 0) {
			python_line_map__free(map);
			return -ENOMEM;
		}
	}
	map->built = true;
	return 0;
}

int32_t python_line_map__at(const struct python_line_map *map, int64_t offset)
{
	size_t low = 0, high = map->ranges.count;

	if (!map->built)
		return PYTHON_NO_LINE;
	if (offset < 0)
		return map->first_line;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->ranges.items[middle].end > (uint64_t)offset)
			high = middle;
		else
			low = middle + 1;
	}
	return low < map->ranges.count ? map->ranges.items[low].line : PYTHON_NO_LINE;
}

void python_line_map__free(struct python_line_map *map)
{
	vec_free(&map->ranges);
	map->built = false;
	map->first_line = PYTHON_NO_LINE;
}

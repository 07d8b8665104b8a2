// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any bytes as a line table. The first byte says of which format, then come the first line and the size of
 * the code. Walking the table, asking it and asking its map give the same lines.
 */
#include <stdint.h>
#include <string.h>
#include "python/lines.h"

#define HEADER 9

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void agree(const struct python_lines *lines, const struct python_line_map *map, int64_t offset,
		  int32_t line)
{
	if (python_lines__at(lines, offset) != line || python_line_map__at(map, offset) != line)
		__builtin_trap();
}

static void check(const struct python_lines *lines)
{
	struct python_lines_cursor cursor = python_lines__begin(lines);
	struct python_line_map map = {0};
	uint64_t end = 0;
	size_t ranges = 0;

	if (python_line_map__build(&map, lines) < 0)
		return;
	while (python_lines__next(&cursor)) {
		if (cursor.start != end || cursor.end <= end || cursor.line < PYTHON_NO_LINE)
			__builtin_trap();
		end = cursor.end;
		/* Each question walks the table: of long ones only some are asked. */
		if (cursor.start < lines->code_size && (ranges < 64 || ranges % 97 == 0)) {
			uint64_t last = cursor.end < lines->code_size ? cursor.end : lines->code_size;

			agree(lines, &map, (int64_t)cursor.start, cursor.line);
			agree(lines, &map, (int64_t)last - 1, cursor.line);
		}
		ranges++;
	}
	if (ranges > lines->size + 1)
		__builtin_trap();
	agree(lines, &map, (int64_t)lines->code_size, PYTHON_NO_LINE);
	agree(lines, &map, INT64_MAX, PYTHON_NO_LINE);
	agree(lines, &map, -1, map.first_line);
	python_line_map__free(&map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct python_lines lines = {0};
	uint32_t code_size;

	if (size < HEADER)
		return 0;
	lines.format = data[0] % (PYTHON_LINES_LOCATIONS + 1);
	memcpy(&lines.first_line, data + 1, sizeof(lines.first_line));
	memcpy(&code_size, data + 5, sizeof(code_size));
	lines.code_size = code_size;
	lines.table = data + HEADER;
	lines.size = size - HEADER;
	check(&lines);
	return 0;
}

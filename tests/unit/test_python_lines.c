// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Tables by hand, after CPython's Objects/lnotab_notes.txt and locations.md; tests/python/ asks the
 * interpreters. */
#include "python/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define NONE PYTHON_NO_LINE

/* Walking it and asking its map: the same. */
static void expect(const struct python_lines *lines, int64_t offset, int32_t line)
{
	struct python_line_map map = {0};

	assert_int_equal(python_lines__at(lines, offset), line);
	assert_int_equal(python_line_map__build(&map, lines), 0);
	assert_int_equal(python_line_map__at(&map, offset), line);
	python_line_map__free(&map);
}

#define LINES(kind, first, code, ...)                                                                        \
	{                                                                                                    \
		.format = (kind), .table = (const uint8_t[]){__VA_ARGS__},                                   \
		.size = sizeof((const uint8_t[]){__VA_ARGS__}), .first_line = (first), .code_size = (code),  \
	}

static void lnotab(void **state)
{
	/* 6 bytes of code on the next line, 50 two behind it; 300 lines forward; back by 3. */
	const struct python_lines lines = LINES(PYTHON_LINES_LNOTAB, 1, 400, 0, 1, 6, 1, 50, 2, 44, 127, 0,
						127, 0, 46, 255, 0, 5, 0xfd, 9);

	(void)state;
	expect(&lines, -1, 1);
	expect(&lines, 0, 2);
	expect(&lines, 5, 2);
	expect(&lines, 6, 3);
	expect(&lines, 55, 3);
	expect(&lines, 56, 5);
	expect(&lines, 100, 305);
	expect(&lines, 358, 305);
	expect(&lines, 360, 302);
	expect(&lines, 399, 302);
	expect(&lines, 400, NONE);
	expect(&lines, INT64_MAX, NONE);
}

static void lnotab_without_entries(void **state)
{
	const struct python_lines lines = {.format = PYTHON_LINES_LNOTAB, .first_line = 7, .code_size = 10};

	(void)state;
	expect(&lines, 0, 7);
	expect(&lines, 8, 7);
	expect(&lines, 10, NONE);
}

/* PEP 626: −128 has no line and does not count; the table may end before the code does. */
static void ranges(void **state)
{
	const struct python_lines lines =
		LINES(PYTHON_LINES_RANGES, 10, 100, 4, 1, 6, 0x80, 0, 100, 2, 0xff, 254, 0, 6, 1);
	const struct python_lines short_table = LINES(PYTHON_LINES_RANGES, 10, 100, 4, 1, 6);

	(void)state;
	expect(&lines, -1, 10);
	expect(&lines, 3, 11);
	expect(&lines, 4, NONE);
	expect(&lines, 9, NONE);
	expect(&lines, 10, 110);
	expect(&lines, 12, 110);
	expect(&lines, 98, 110);
	expect(&short_table, 4, 11);
	expect(&short_table, 9, 11);
	expect(&short_table, 10, NONE);
}

static void locations(void **state)
{
	/* Two units by each kind of entry: no column, two lines on, long with −70 (141 = 2·64 + 13), none,
	 * short. */
	const struct python_lines lines = LINES(PYTHON_LINES_LOCATIONS, 100, 40, 0xe9, 6, 0xe1, 1, 2, 0xf1,
						0x4d, 2, 0, 1, 1, 0xf9, 0x81, 0x12, 0xd9, 1, 2);

	(void)state;
	expect(&lines, -2, 100);
	expect(&lines, 0, 103);
	expect(&lines, 3, 103);
	expect(&lines, 4, 105);
	expect(&lines, 8, 105 - 70);
	expect(&lines, 12, NONE);
	expect(&lines, 16, 35);
	expect(&lines, 20, 36);
	expect(&lines, 23, 36);
	expect(&lines, 24, NONE);
}

/* Numbers that do not end, that are cut off, that have too many bits: an answer, and the end. */
static void nonsense(void **state)
{
	uint8_t endless[1000];
	struct python_lines lines = {PYTHON_LINES_LOCATIONS, endless, sizeof(endless), INT32_MAX, 1 << 20};

	(void)state;
	for (size_t i = 0; i < sizeof(endless); i++)
		endless[i] = 0x7f;
	assert_true(python_lines__at(&lines, 0) >= NONE);
	expect(&lines, 16, NONE);
	for (size_t i = 0; i < sizeof(endless); i++)
		endless[i] = 0xe8; /* one unit, of which the number is in the next */
	assert_true(python_lines__at(&lines, 1998) >= NONE);
	expect(&lines, 2000, NONE);
	/* Beyond the largest line is none; a line below zero is none. */
	endless[0] = 0xd9;
	lines.size = 1;
	expect(&lines, 0, NONE);
	lines.first_line = -5;
	expect(&lines, -1, NONE);
	lines.format = PYTHON_LINES_UNKNOWN;
	expect(&lines, 0, NONE);
	expect(&lines, -1, NONE);
}

static void units(void **state)
{
	(void)state;
	assert_int_equal(python_lines__offset(PYTHON_LASTI_BYTES, 12), 12);
	assert_int_equal(python_lines__offset(PYTHON_LASTI_UNITS, 12), 24);
	assert_int_equal(python_lines__offset(PYTHON_LASTI_UNITS, -1), -1);
	assert_int_equal(python_lines__offset(PYTHON_LASTI_UNITS, INT64_MAX), INT64_MAX);
	assert_int_equal(python_lines__offset(PYTHON_PREV_INSTR, -2), -2);
	assert_int_equal(python_lines__offset(PYTHON_INSTR_PTR, 12), 12);
}

static void versions(void **state)
{
	(void)state;
	assert_int_equal(python_lines__format(PYTHON_VERSION(3, 5)), PYTHON_LINES_UNKNOWN);
	assert_int_equal(python_lines__format(PYTHON_VERSION(3, 6)), PYTHON_LINES_LNOTAB);
	assert_int_equal(python_lines__format(PYTHON_VERSION(3, 9)), PYTHON_LINES_LNOTAB);
	assert_int_equal(python_lines__format(PYTHON_VERSION(3, 10)), PYTHON_LINES_RANGES);
	assert_int_equal(python_lines__format(PYTHON_VERSION(3, 11)), PYTHON_LINES_LOCATIONS);
	assert_int_equal(python_lines__format(PYTHON_VERSION(3, 14)), PYTHON_LINES_LOCATIONS);
	assert_int_equal(python_lines__format(PYTHON_VERSION(3, 15)), PYTHON_LINES_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lnotab),   cmocka_unit_test(lnotab_without_entries),
		cmocka_unit_test(ranges),   cmocka_unit_test(locations),
		cmocka_unit_test(nonsense), cmocka_unit_test(units),
		cmocka_unit_test(versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

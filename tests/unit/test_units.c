// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/units.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct row {
	const char *text;
	int err;
	uint64_t value;
};

static void check_rows(const struct row *rows, size_t count,
		       int (*parse)(const char *, uint64_t *, struct error *))
{
	for (size_t i = 0; i < count; i++) {
		struct error error = {0};
		uint64_t value = 4711;
		int err = parse(rows[i].text, &value, &error);

		if (err != rows[i].err || value != (err ? 4711 : rows[i].value))
			fail_msg("'%s': %d, %llu", rows[i].text, err, (unsigned long long)value);
		assert_int_equal(!!err, !!error.text[0]);
		if (err)
			assert_non_null(strstr(error.text, rows[i].text));
	}
}

static void sizes(void **state)
{
	static const struct row rows[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"1B", 0, 1},
		{"64K", 0, 65536},
		{"10kB", 0, 10240},
		{"10KiB", 0, 10240},
		{"1.5M", 0, 1572864},
		{".5k", 0, 512},
		{"0.3K", 0, 307},
		{"2GiB", 0, 2147483648ull},
		{"3t", 0, 3298534883328ull},
		{"18446744073709551615", 0, UINT64_MAX},
		/* One byte more than a double could hold exactly. */
		{"9007199254740993", 0, 9007199254740993ull},
		{"1.00000000000000000000000000000000001K", 0, 1024},
		{"16777215.999999999999999999T", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"16777216T", -ERANGE, 0},
		{"99999999999999999999999", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"K", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 K", -EINVAL, 0},
		{"1Q", -EINVAL, 0},
		{"1KK", -EINVAL, 0},
		{"1.", -EINVAL, 0},
		{".", -EINVAL, 0},
		{"1.2.3", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"nan", -EINVAL, 0},
		{"inf", -EINVAL, 0},
	};

	(void)state;
	check_rows(rows, COUNT(rows), units__parse_size);
}

static void times(void **state)
{
	static const struct row rows[] = {
		{"5", 0, 5000000000ull},
		{"0.5", 0, 500000000},
		{"500ms", 0, 500000000},
		{"0.5s", 0, 500000000},
		{"2m", 0, 120000000000ull},
		{"1h", 0, 3600000000000ull},
		{"1.5h", 0, 5400000000000ull},
		{"7us", 0, 7000},
		{"7ns", 0, 7},
		{"1d", 0, 86400000000000ull},
		{"0.1", 0, 100000000},
		{"18446744073", 0, 18446744073000000000ull},
		{"18446744074", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"-5", -EINVAL, 0},
		{"5K", -EINVAL, 0},
		{"5 s", -EINVAL, 0},
	};

	(void)state;
	check_rows(rows, COUNT(rows), units__parse_time);
}

static void counts(void **state)
{
	struct error error = {0};
	uint64_t count = 0;

	(void)state;
	assert_int_equal(units__parse_count("1", "frames", 1, 127, &count, &error), 0);
	assert_int_equal(count, 1);
	assert_int_equal(units__parse_count("127", "frames", 1, 127, &count, &error), 0);
	assert_int_equal(count, 127);
	assert_int_equal(units__parse_count("0", "frames", 1, 127, &count, &error), -ERANGE);
	assert_string_equal(error.text, "frames 0 is out of range: 1 to 127");
	assert_int_equal(units__parse_count("128", "frames", 1, 127, &count, &error), -ERANGE);
	assert_int_equal(units__parse_count("99999999999999999999", "frames", 1, 127, &count, &error),
			 -ERANGE);
	assert_int_equal(units__parse_count("1.0", "frames", 1, 127, &count, &error), -EINVAL);
	assert_string_equal(error.text, "frames '1.0' is not a whole number");
	assert_int_equal(units__parse_count("1K", "frames", 1, 127, &count, &error), -EINVAL);
	assert_int_equal(units__parse_count("", "frames", 1, 127, &count, &error), -EINVAL);
	assert_int_equal(units__parse_count("-1", "frames", 1, 127, &count, NULL), -EINVAL);
	assert_int_equal(count, 127);
}

/* As CPython 3.11's tracemalloc._format_size printed them, without and with sign. */
static void format(void **state)
{
	static const struct {
		int64_t bytes;
		const char *plain, *with_sign;
	} rows[] = {
		{0, "0 B", "+0 B"},
		{99, "99 B", "+99 B"},
		{10239, "10239 B", "+10239 B"},
		{10240, "10.0 KiB", "+10.0 KiB"},
		{-10240, "-10.0 KiB", "-10.0 KiB"},
		{102399, "100.0 KiB", "+100.0 KiB"},
		{102400, "100 KiB", "+100 KiB"},
		{104806, "102 KiB", "+102 KiB"},
		{1572864, "1536 KiB", "+1536 KiB"},
		{10485759, "10240 KiB", "+10240 KiB"},
		{10485760, "10.0 MiB", "+10.0 MiB"},
		{-5, "-5 B", "-5 B"},
		{5368709120, "5120 MiB", "+5120 MiB"},
		{123456789012345, "112 TiB", "+112 TiB"},
		{INT64_MAX, "8388608 TiB", "+8388608 TiB"},
		{INT64_MIN, "-8388608 TiB", "-8388608 TiB"},
	};
	char buffer[32], small[4];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_string_equal(units__format_size(buffer, sizeof(buffer), rows[i].bytes, 0),
				    rows[i].plain);
		assert_string_equal(units__format_size(buffer, sizeof(buffer), rows[i].bytes, 1),
				    rows[i].with_sign);
	}
	assert_string_equal(units__format_size(small, sizeof(small), 10239, 0), "102");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(times),
		cmocka_unit_test(counts),
		cmocka_unit_test(format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

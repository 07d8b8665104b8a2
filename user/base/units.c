// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <strings.h>

struct unit {
	const char *name;
	uint64_t scale;
};

static const struct unit size_units[] = {
	{"", 1},
	{"b", 1},
	{"k", 1ull << 10},
	{"kb", 1ull << 10},
	{"kib", 1ull << 10},
	{"m", 1ull << 20},
	{"mb", 1ull << 20},
	{"mib", 1ull << 20},
	{"g", 1ull << 30},
	{"gb", 1ull << 30},
	{"gib", 1ull << 30},
	{"t", 1ull << 40},
	{"tb", 1ull << 40},
	{"tib", 1ull << 40},
};

static const struct unit time_units[] = {
	{"", 1000000000ull},
	{"ns", 1},
	{"us", 1000},
	{"ms", 1000000},
	{"s", 1000000000ull},
	{"m", 60 * 1000000000ull},
	{"h", 3600 * 1000000000ull},
	{"d", 86400 * 1000000000ull},
};

#define UNIT_COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* A decimal number as whole + fraction / scale: floating point would lose bytes of a large size. */
struct decimal {
	uint64_t whole;
	uint64_t fraction;
	uint64_t scale;
};

/* Digits past the 18th of a fraction change nothing that a unit here could express. */
#define FRACTION_DIGITS 18

/* Returns the first character after the number, or NULL: not a number (-EINVAL) or too large (-ERANGE). */
static const char *parse_decimal(const char *text, struct decimal *decimal, int *err)
{
	const char *start = text;
	int kept = 0;

	*decimal = (struct decimal){.scale = 1};
	for (; isdigit((unsigned char)*text); text++) {
		if (__builtin_mul_overflow(decimal->whole, 10, &decimal->whole) ||
		    __builtin_add_overflow(decimal->whole, (uint64_t)(*text - '0'), &decimal->whole)) {
			*err = -ERANGE;
			return NULL;
		}
	}
	if (*text == '.' && isdigit((unsigned char)text[1])) {
		for (text++; isdigit((unsigned char)*text); text++) {
			if (kept++ >= FRACTION_DIGITS)
				continue;
			decimal->fraction = decimal->fraction * 10 + (uint64_t)(*text - '0');
			decimal->scale *= 10;
		}
	}
	if (text == start) {
		*err = -EINVAL;
		return NULL;
	}
	return text;
}

static int parse_with_unit(const char *text, const struct unit *units, size_t count, uint64_t *result)
{
	struct decimal decimal;
	unsigned __int128 product;
	const char *rest;
	int err = 0;

	rest = parse_decimal(text, &decimal, &err);
	if (!rest)
		return err;
	for (size_t i = 0; i < count; i++) {
		if (strcasecmp(rest, units[i].name))
			continue;
		product = (unsigned __int128)decimal.whole * units[i].scale +
			  (unsigned __int128)decimal.fraction * units[i].scale / decimal.scale;
		if (product > UINT64_MAX)
			return -ERANGE;
		*result = (uint64_t)product;
		return 0;
	}
	return -EINVAL;
}

int units__parse_size(const char *text, uint64_t *bytes, struct error *error)
{
	int err = parse_with_unit(text, size_units, UNIT_COUNT(size_units), bytes);

	if (err == -ERANGE)
		return error__set(error, ERANGE, "size '%s' is too large", text);
	if (err)
		return error__set(error, EINVAL,
				  "'%s' is not a size: give a number, with K, M, G or T after it", text);
	return 0;
}

int units__parse_time(const char *text, uint64_t *ns, struct error *error)
{
	int err = parse_with_unit(text, time_units, UNIT_COUNT(time_units), ns);

	if (err == -ERANGE)
		return error__set(error, ERANGE, "time '%s' is too long", text);
	if (err)
		return error__set(
			error, EINVAL,
			"'%s' is not a time: give a number of seconds, or one with ms, s, m or h after it",
			text);
	return 0;
}

int units__parse_count(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *count,
		       struct error *error)
{
	struct decimal decimal = {0};
	const char *rest;
	int err = 0;

	rest = parse_decimal(text, &decimal, &err);
	if (err == -EINVAL || (rest && (*rest || decimal.scale != 1)))
		return error__set(error, EINVAL, "%s '%s' is not a whole number", what, text);
	if (err || decimal.whole < min || decimal.whole > max)
		return error__set(error, ERANGE, "%s %s is out of range: %" PRIu64 " to %" PRIu64, what, text,
				  min, max);
	*count = decimal.whole;
	return 0;
}

char *units__format_size(char *buffer, size_t length, int64_t bytes, int sign)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	const size_t last = sizeof(names) / sizeof(names[0]) - 1;
	double size = (double)bytes;
	size_t unit = 0;
	bool decimals;

	while (unit < last && (size >= 10 * 1024 || size <= -10 * 1024)) {
		size /= 1024;
		unit++;
	}
	decimals = unit > 0 && size < 100 && size > -100;
	snprintf(buffer, length, sign ? "%+.*f %s" : "%.*f %s", decimals ? 1 : 0, size, names[unit]);
	return buffer;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sizes, times and counts as a user types them and as a report prints them. */
#ifndef MEMWATCH_BASE_UNITS_H
#define MEMWATCH_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>
#include "base/error.h"

/* "4096", "64K", "1.5M", "2GiB", "10kB": powers of 1024, bytes. Returns 0, -EINVAL or -ERANGE. */
int units__parse_size(const char *text, uint64_t *bytes, struct error *error);

/* "5", "500ms", "0.5s", "2m", "1h": seconds where there is no unit; the result is in ns. */
int units__parse_time(const char *text, uint64_t *ns, struct error *error);

/* A decimal count within [@min, @max]; @what names it in the error. */
int units__parse_count(const char *text, const char *what, uint64_t min, uint64_t max, uint64_t *count,
		       struct error *error);

/*
 * As tracemalloc's _format_size: below 100 of a unit and not bytes with one decimal ("1.5 KiB"), else none
 * ("4855 KiB"), moving to the next unit at 10 × 1024; @sign prints "+" for what is not negative.
 * (CPython Lib/tracemalloc.py, _format_size.) Returns @buffer.
 */
char *units__format_size(char *buffer, size_t length, int64_t bytes, int sign);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Errors travel upwards as a negative errno and one line for the user: what could not be done, why, and what
 * to do about it. Only main() prints that line.
 */
#ifndef MEMWATCH_BASE_ERROR_H
#define MEMWATCH_BASE_ERROR_H

struct error {
	char text[512]; /* one line without a newline; "" where nothing was said */
};

/*
 * Fills @error (may be NULL) and returns -@code, so that `return error__set(error, ENOENT, "…")` is the whole
 * of a failing path. @code is a positive errno.
 */
int error__set(struct error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "text: " in front of what @error says; keeps it one line. Returns @code unchanged (a negative errno).
 */
int error__prefix(struct error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif

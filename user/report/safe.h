/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Text that comes from a target (names of functions, files and processes, source lines) on its way to a
 * terminal or into JSON: it may hold anything, escape sequences included.
 */
#ifndef MEMWATCH_REPORT_SAFE_H
#define MEMWATCH_REPORT_SAFE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define UTF8_REPLACEMENT 0xfffdu

/*
 * Decodes the character at the start of @text, @length > 0 bytes long, into @code: U+FFFD for what is not
 * UTF-8 (overlong forms and surrogates included; the Unicode Standard, table 3-7). Returns how many bytes it
 * took.
 */
size_t utf8__decode(const char *text, size_t length, uint32_t *code);

/* Encodes @code (a Unicode scalar value) into @bytes; returns how many. */
size_t utf8__encode(uint32_t code, char bytes[4]);

/* Whether a terminal would act on it rather than show it: C0, C1, DEL, line separators, bidirectional
 * controls. */
int utf8__is_control(uint32_t code);

/* Terminal columns of valid UTF-8: 2 for East Asian wide characters, 0 for combining marks. */
size_t utf8__columns(const char *text, size_t length);

/* Copies @text with every control character replaced by '?' and every invalid byte by U+FFFD. */
void safe__put(FILE *out, const char *text, size_t length);
void safe__puts(FILE *out, const char *text);

/* Writes valid UTF-8, with "…" for its middle (more of the end is kept) where it takes more than @columns. */
void safe__put_middle(FILE *out, const char *text, size_t columns);
/* The same with "…" for its end. */
void safe__put_start(FILE *out, const char *text, size_t columns);

#endif

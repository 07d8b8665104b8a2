/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A str's characters as UTF-8. */
#ifndef MEMWATCH_PYTHON_TEXT_H
#define MEMWATCH_PYTHON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * @count characters of @width bytes each (1: latin-1, 2, 4: code points), with a "…" behind them if they are
 * @cut. U+DC80 … U+DCFF stand for bytes that were no text (PEP 383) and become these bytes; NUL, other lone
 * surrogates and what is no code point become U+FFFD. The caller frees it; NULL: no memory.
 */
char *python_text__utf8(const void *characters, size_t count, unsigned int width, bool cut);

#endif

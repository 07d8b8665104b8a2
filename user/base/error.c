// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A message is one line whatever it quotes: file names may hold newlines and escape sequences. */
static void make_one_line(char *text)
{
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
}

int error__set(struct error *error, int code, const char *format, ...)
{
	va_list args;

	if (!error)
		return -code;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	make_one_line(error->text);
	return -code;
}

int error__prefix(struct error *error, int code, const char *format, ...)
{
	char said[sizeof(error->text)];
	size_t used;
	va_list args;

	if (!error)
		return code;
	memcpy(said, error->text, sizeof(said));
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	used = strlen(error->text);
	snprintf(error->text + used, sizeof(error->text) - used, ": %s", said);
	make_one_line(error->text);
	return code;
}

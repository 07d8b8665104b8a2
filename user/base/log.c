// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/log.h"

#include <stdarg.h>

void log__say(const struct log *log, int level, const char *format, ...)
{
	va_list args;

	if (!log || level > log->level)
		return;
	fputs("memwatch: ", log->stream);
	va_start(args, format);
	vfprintf(log->stream, format, args);
	va_end(args);
	fputc('\n', log->stream);
}

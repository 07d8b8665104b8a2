/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What -v shows: facts about how memwatch went about it, on stderr, never mixed into a report. A log is
 * passed to those who have something to say; NULL is a log that is off.
 */
#ifndef MEMWATCH_BASE_LOG_H
#define MEMWATCH_BASE_LOG_H

#include <stdio.h>

struct log {
	FILE *stream; /* borrowed */
	int level;    /* 0: silent, 1: -v, 2: -vv */
};

/* Prints a line (the newline is added) where @log is on and @level is at most its level. */
void log__say(const struct log *log, int level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How a test program and a test wait for each other, without sleeps: the program writes a line to its
 * standard output when it has reached a point, and reads a line from its standard input before it goes on. At
 * the end of its input it goes on at every point, so it runs by itself under </dev/null. Uses no stdio: that
 * would allocate.
 */
#ifndef MEMWATCH_TARGETS_HANDSHAKE_H
#define MEMWATCH_TARGETS_HANDSHAKE_H

#include <string.h>
#include <unistd.h>

static inline void say(const char *text)
{
	char line[128];
	size_t length = strnlen(text, sizeof(line) - 1);

	memcpy(line, text, length);
	line[length] = '\n';
	if (write(STDOUT_FILENO, line, length + 1) < 0)
		_exit(99);
}

static inline void wait_for_line(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
		;
}

static inline void reach(const char *point)
{
	say(point);
	wait_for_line();
}

/* Hides a value from the compiler, so that no allocation is optimised away. */
static inline void *opaque(void *value)
{
	__asm__ volatile("" : "+r"(value)::"memory");
	return value;
}

#endif

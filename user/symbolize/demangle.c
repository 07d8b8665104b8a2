// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * By GNU libiberty, the demangler of gdb and binutils: one library for all three schemes. libstdc++'s
 * __cxa_demangle knows neither of Rust's. The callback interface is used because a short hostile name can
 * unfold without end (each substitution doubling the one before it): the callback leaves as soon as the text
 * is too long.
 */
#include "symbolize/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MANGLED 16384
#define MAX_OUTPUT  65536

struct output {
	jmp_buf too_long;
	char *text;
	size_t length, capacity;
};

/*
 * The library's callers of this hold nothing but their stack while they print (a decoded punycode identifier
 * of Rust apart, which such a name may leak), so leaving by longjmp is sound.
 */
static void append(const char *piece, size_t length, void *context)
{
	struct output *output = context;

	if (length >= MAX_OUTPUT - output->length)
		longjmp(output->too_long, 1);
	if (output->length + length >= output->capacity) {
		size_t grown = (output->length + length + 1) * 2;
		char *moved = realloc(output->text, grown);

		if (!moved)
			longjmp(output->too_long, 1);
		output->text = moved;
		output->capacity = grown;
	}
	memcpy(output->text + output->length, piece, length);
	output->length += length;
	output->text[output->length] = '\0';
}

static bool unfold(const char *name, struct output *output)
{
	if (setjmp(output->too_long))
		return false;
	/* Rust first: its legacy names are valid C++ names too, and would come out with their hash and
	 * escapes. */
	if (rust_demangle_callback(name, DMGL_NO_OPTS, append, output))
		return true;
	output->length = 0;
	return name[0] == '_' && name[1] != 'R' &&
	       cplus_demangle_v3_callback(name, DMGL_PARAMS | DMGL_ANSI, append, output);
}

char *demangle__name(const char *name)
{
	struct output *output;
	char *text = NULL;

	if (strncmp(name, "_Z", 2) != 0 && strncmp(name, "_R", 2) != 0 && strncmp(name, "_GLOBAL_", 8) != 0)
		return NULL;
	if (strnlen(name, MAX_MANGLED) == MAX_MANGLED)
		return NULL;
	/* Not on the stack: its fields change between setjmp and longjmp. */
	output = calloc(1, sizeof(*output));
	if (!output)
		return NULL;
	if (unfold(name, output) && output->length > 0)
		text = output->text;
	else
		free(output->text);
	free(output);
	return text;
}

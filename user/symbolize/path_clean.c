// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/path_clean.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the component before @end starts, or NULL where there is none to take back. */
static char *last_component(char *start, char *end)
{
	char *from = end;

	if (from == start)
		return NULL;
	while (from > start && from[-1] != '/')
		from--;
	return end - from == 2 && from[0] == '.' && from[1] == '.' ? NULL : from;
}

/* In place: the result is never longer. */
static void clean(char *path)
{
	bool absolute = path[0] == '/';
	char *start = path + absolute, *out = start, *in = start;

	while (*in) {
		size_t length = strcspn(in, "/");
		char *next = in[length] ? in + length + 1 : in + length;

		if (length == 2 && in[0] == '.' && in[1] == '.') {
			char *back = last_component(start, out);

			if (back) {
				out = back > start ? back - 1 : start;
				in = next;
				continue;
			}
			if (absolute) {
				in = next;
				continue;
			}
		}
		if (length > 0 && !(length == 1 && in[0] == '.')) {
			if (out > start)
				*out++ = '/';
			memmove(out, in, length);
			out += length;
		}
		in = next;
	}
	*out = '\0';
}

char *path_clean__join(const char *directory, const char *name)
{
	char *path;

	if (name[0] == '/' || !directory || directory[0] != '/') {
		path = strdup(name);
		if (!path)
			return NULL;
	} else if (asprintf(&path, "%s/%s", directory, name) < 0) {
		return NULL;
	}
	clean(path);
	return path;
}

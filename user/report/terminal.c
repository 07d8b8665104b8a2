// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/units.h"

#define WIDTH_DEFAULT 80
#define WIDTH_MAX     10000

static bool wants_colour(void)
{
	const char *refusal = getenv("NO_COLOR"), *term = getenv("TERM");

	if (refusal && *refusal)
		return false;
	return term && *term && strcmp(term, "dumb") != 0;
}

/* The terminal knows best: COLUMNS does not follow when it is resized. */
static size_t find_width(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t count;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	if (columns && units__parse_count(columns, "COLUMNS", 1, WIDTH_MAX, &count, NULL) == 0)
		return count;
	return WIDTH_DEFAULT;
}

struct terminal terminal__detect(int fd)
{
	if (!isatty(fd))
		return (struct terminal){0};
	return (struct terminal){.colour = wants_colour(), .width = find_width(fd)};
}

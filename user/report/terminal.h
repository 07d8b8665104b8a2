/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What kind of thing a report is printed to. */
#ifndef MEMWATCH_REPORT_TERMINAL_H
#define MEMWATCH_REPORT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

struct terminal {
	bool colour;  /* a terminal that knows colours, and NO_COLOR is not set (no-color.org) */
	size_t width; /* columns; 0: not a terminal */
};

/* Looks at @fd and the environment. Cheap: ask before every report, a terminal can be resized. */
struct terminal terminal__detect(int fd);

#endif

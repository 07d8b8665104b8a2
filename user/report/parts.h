/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The parts that a text report is put together from. Private to report/. */
#ifndef MEMWATCH_REPORT_PARTS_H
#define MEMWATCH_REPORT_PARTS_H

#include "report/report.h"

enum paint {
	PAINT_HEADING, /* bold */
	PAINT_ASIDE,   /* dim */
	PAINT_GROWTH,  /* red */
	PAINT_SHRINK,  /* green */
};

/* Print nothing where @style has no colour. The sixteen-colour set is readable on dark and on light. */
void paint__on(FILE *out, const struct report_style *style, enum paint paint);
void paint__off(FILE *out, const struct report_style *style);

/* "size=4855 KiB (+1024 KiB), count=39328 (+8192)", as tracemalloc.StatisticDiff prints it. */
void report__values(FILE *out, const struct stat_values *values, const struct report_style *style);
/* The same with ", average=126 B" where there is anything to average over. */
void report__values_average(FILE *out, const struct stat_values *values, const struct report_style *style);

/* "(+1.5 MiB)" */
void report__size_diff(FILE *out, int64_t diff, const struct report_style *style);

/* "memwatch: python3 (pid 4242), …" and the notes. */
void report__header(FILE *out, const struct report_info *info, const struct report_style *style);
/* "Total: …", then what was lost. */
void report__footer(FILE *out, const struct view *view, const struct report_info *info,
		    const struct report_style *style);

/* Writes @length bytes and flushes: 0, or what write(2) said as a negative errno. */
int report__write(FILE *out, const char *text, size_t length);

/* What stands before ": size=": "app.py:42", "function (module)", "module+0x1234", … */
void report__name(FILE *out, const struct statistic *stat, enum group_by group_by);
/* One frame of a traceback, without its indentation: "File "app.py", line 42, in process_data". */
void report__frame(FILE *out, const struct view_frame *frame);

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/parts.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include "base/units.h"
#include "report/safe.h"

void paint__on(FILE *out, const struct report_style *style, enum paint paint)
{
	static const char *const codes[] = {
		[PAINT_HEADING] = "\033[1m",
		[PAINT_ASIDE] = "\033[2m",
		[PAINT_GROWTH] = "\033[31m",
		[PAINT_SHRINK] = "\033[32m",
	};

	if (style->colour)
		fputs(codes[paint], out);
}

void paint__off(FILE *out, const struct report_style *style)
{
	if (style->colour)
		fputs("\033[0m", out);
}

static bool paint__sign(FILE *out, const struct report_style *style, int64_t diff)
{
	if (!diff || !style->colour)
		return false;
	paint__on(out, style, diff > 0 ? PAINT_GROWTH : PAINT_SHRINK);
	return true;
}

void report__size_diff(FILE *out, int64_t diff, const struct report_style *style)
{
	bool painted = paint__sign(out, style, diff);
	char text[32];

	fprintf(out, "(%s)", units__format_size(text, sizeof(text), diff, 1));
	if (painted)
		paint__off(out, style);
}

static void put_count_diff(FILE *out, int64_t diff, const struct report_style *style)
{
	bool painted = paint__sign(out, style, diff);

	fprintf(out, "(%+" PRId64 ")", diff);
	if (painted)
		paint__off(out, style);
}

void report__values(FILE *out, const struct stat_values *values, const struct report_style *style)
{
	char text[32];

	fprintf(out, "size=%s ", units__format_size(text, sizeof(text), values->size, 0));
	report__size_diff(out, values->size_diff, style);
	fprintf(out, ", count=%" PRId64 " ", values->count);
	put_count_diff(out, values->count_diff, style);
}

/*
 * tracemalloc's averages are floats, so that a fraction of a byte decides how they are rounded: whole bytes,
 * as units__format_size takes them, would print some otherwise. (CPython Lib/tracemalloc.py, _format_size.)
 */
static void put_average(FILE *out, double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;

	while (fabs(bytes) >= 10 * 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1024;
		unit++;
	}
	fprintf(out, ", average=%.*f %s", unit && fabs(bytes) < 100 ? 1 : 0, bytes, units[unit]);
}

void report__values_average(FILE *out, const struct stat_values *values, const struct report_style *style)
{
	report__values(out, values, style);
	if (values->count)
		put_average(out, (double)values->size / (double)values->count);
}

static void put_module_offset(FILE *out, const struct view_frame *frame)
{
	safe__puts(out, frame->module);
	fprintf(out, "%s0x%" PRIx64, *frame->module ? "+" : "", frame->module_offset);
}

/* The line, or the nearest thing to it that is known. */
static void put_place(FILE *out, const struct view_frame *frame)
{
	if (*frame->file) {
		safe__puts(out, frame->file);
		fprintf(out, ":%" PRIu32, frame->line);
	} else if (*frame->function) {
		safe__puts(out, frame->function);
		if (*frame->module) {
			fputs(" (", out);
			safe__puts(out, frame->module);
			fputc(')', out);
		}
	} else if (*frame->module || frame->module_offset) {
		put_module_offset(out, frame);
	} else {
		fputs("[no stack]", out);
	}
}

static void put_first(FILE *out, const char *name, const char *other, const char *neither)
{
	if (*name)
		safe__puts(out, name);
	else if (*other)
		safe__puts(out, other);
	else
		fputs(neither, out);
}

void report__name(FILE *out, const struct statistic *stat, enum group_by group_by)
{
	const struct view_frame *frame = &stat->frame;

	switch (group_by) {
	case GROUP_TYPE:
		put_first(out, stat->type, "", "[no type]");
		return;
	case GROUP_MODULE:
		put_first(out, frame->module, frame->file, "[no module]");
		return;
	case GROUP_FILENAME:
		put_first(out, frame->file, frame->module, "[no file]");
		if (*frame->file)
			fputs(":0", out); /* as tracemalloc: FILE:LINE whatever the grouping */
		return;
	case GROUP_FUNCTION:
		if (*frame->function && *frame->file) {
			safe__puts(out, frame->function);
			fputs(" (", out);
			safe__puts(out, frame->file);
			fputc(')', out);
			return;
		}
		break;
	case GROUP_LINENO:
	case GROUP_TRACEBACK:
		break;
	}
	put_place(out, frame);
}

void report__frame(FILE *out, const struct view_frame *frame)
{
	if (*frame->file) {
		fputs("File \"", out);
		safe__puts(out, frame->file);
		fprintf(out, "\", line %" PRIu32, frame->line);
		if (*frame->function) {
			fputs(", in ", out);
			safe__puts(out, frame->function);
		}
	} else if (*frame->function) {
		safe__puts(out, frame->function);
		fputs(" (", out);
		put_module_offset(out, frame);
		fputc(')', out);
	} else {
		put_module_offset(out, frame);
	}
}

int report__write(FILE *out, const char *text, size_t length)
{
	errno = 0;
	if (fwrite(text, 1, length, out) != length || fflush(out))
		return errno ? -errno : -EIO;
	return 0;
}

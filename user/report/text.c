// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "base/units.h"
#include "report/parts.h"
#include "report/safe.h"

/* A name is not shortened below this: the line is then longer than the terminal is wide. */
#define NAME_COLUMNS_MIN 16
/* Recursion repeats a line: so many of them are printed, then how often it comes again. */
#define LINES_OF_RUN 3

/* What every part of the table needs. */
struct table {
	FILE *out;
	const struct view *view;
	const struct report_info *info;
	const struct report_style *style;
	struct source_cache *sources;
	bool name_domains; /* the same line can stand in the table twice, once a domain */
};

/* A piece of text that must be measured before it is printed. */
struct piece {
	FILE *stream;
	char *text;
	size_t length;
};

static int piece__open(struct piece *piece)
{
	*piece = (struct piece){0};
	piece->stream = open_memstream(&piece->text, &piece->length);
	return piece->stream ? 0 : -ENOMEM;
}

/* Completes text and length. */
static int piece__close(struct piece *piece)
{
	int failed = ferror(piece->stream);

	return fclose(piece->stream) || failed ? -ENOMEM : 0;
}

static void put_source(const struct table *table, const struct view_frame *frame)
{
	const struct report_style *style = table->style;
	const char *line;

	if (!style->source || !table->sources || !*frame->file || !frame->line)
		return;
	line = source_cache__line(table->sources, frame->file, frame->line);
	if (!line || !*line)
		return;
	fputs("    ", table->out);
	paint__on(table->out, style, PAINT_ASIDE);
	safe__put_start(table->out, line, style->width > 4 ? style->width - 4 : SIZE_MAX);
	paint__off(table->out, style);
	fputc('\n', table->out);
}

/* The frame as text; its file's name takes at most @columns. The caller frees piece->text. */
static int format_frame(struct piece *piece, const struct view_frame *frame, size_t columns)
{
	struct view_frame shown = *frame;
	struct piece file;
	int err = piece__open(&file);

	if (err)
		return err;
	safe__put_middle(file.stream, frame->file, columns);
	err = piece__close(&file);
	if (!err)
		err = piece__open(piece);
	if (!err) {
		shown.file = file.text;
		report__frame(piece->stream, &shown);
		err = piece__close(piece);
	}
	free(file.text);
	return err;
}

/* One line of a traceback and the source behind it. A line that is too wide loses of its path, then of its
 * end. */
static int put_frame(const struct table *table, const struct view_frame *frame)
{
	size_t width = table->style->width, room = width > 2 + NAME_COLUMNS_MIN ? width - 2 : SIZE_MAX;
	size_t columns, file_columns = utf8__columns(frame->file, strlen(frame->file));
	struct piece piece = {0};
	int err = format_frame(&piece, frame, SIZE_MAX);

	if (err)
		goto done;
	columns = utf8__columns(piece.text, piece.length);
	if (columns > room && file_columns > NAME_COLUMNS_MIN) {
		size_t others = columns - file_columns;

		free(piece.text);
		piece.text = NULL;
		err = format_frame(&piece, frame,
				   room > others + NAME_COLUMNS_MIN ? room - others : NAME_COLUMNS_MIN);
		if (err)
			goto done;
	}
	fputs("  ", table->out);
	safe__put_start(table->out, piece.text, room);
	fputc('\n', table->out);
	put_source(table, frame);
done:
	free(piece.text);
	return err;
}

/* Whether two frames are printed alike (report__frame). */
static bool is_same_line(const struct view_frame *a, const struct view_frame *b)
{
	if (strcmp(a->file, b->file) != 0 || strcmp(a->function, b->function) != 0)
		return false;
	if (*a->file)
		return a->line == b->line;
	return a->module_offset == b->module_offset && strcmp(a->module, b->module) == 0;
}

/* In CPython's words (Lib/traceback.py, StackSummary.format). */
static void put_repeated(const struct table *table, size_t run)
{
	if (run > LINES_OF_RUN)
		fprintf(table->out, "  [Previous line repeated %zu more time%s]\n", run - LINES_OF_RUN,
			run - LINES_OF_RUN > 1 ? "s" : "");
}

static int put_frames(const struct table *table, const struct view_frame *frames, size_t count)
{
	const struct view_frame *frame, *before = NULL;
	size_t run = 0;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++, before = frame) {
		frame = &frames[table->style->most_recent_last ? count - 1 - i : i];
		if (before && !is_same_line(before, frame)) {
			put_repeated(table, run);
			run = 0;
		}
		if (++run <= LINES_OF_RUN)
			err = put_frame(table, frame);
	}
	put_repeated(table, run);
	return err;
}

static int put_traceback(const struct table *table, const struct statistic *stat)
{
	const struct view_traceback *traceback = &table->view->tracebacks.items[stat->traceback];
	const struct view_frame *frames = table->view->frames.items + traceback->first;
	bool last = table->style->most_recent_last, truncated = traceback->truncated;
	size_t count = traceback->count;
	int err;

	if (table->style->frames && count > table->style->frames) {
		count = table->style->frames;
		truncated = true;
	}
	if (truncated && last)
		fputs("  … outer frames not shown\n", table->out);
	err = put_frames(table, frames, count);
	if (truncated && !last)
		fputs("  … outer frames not shown\n", table->out);
	return err;
}

/* How many columns the values take; colour takes none. */
static int measure_values(const struct table *table, const struct statistic *stat, size_t *columns)
{
	struct report_style plain = *table->style;
	struct piece piece;
	int err = piece__open(&piece);

	if (err)
		return err;
	plain.colour = false;
	fputs(": ", piece.stream);
	report__values_average(piece.stream, &stat->values, &plain);
	if (table->name_domains)
		fprintf(piece.stream, ", domain=%s", stat->domain);
	err = piece__close(&piece);
	if (!err)
		*columns = utf8__columns(piece.text, piece.length);
	free(piece.text);
	return err;
}

static int put_name(const struct table *table, const struct statistic *stat)
{
	size_t columns = SIZE_MAX, values = 0;
	struct piece piece;
	int err = 0;

	if (table->style->width) {
		err = measure_values(table, stat, &values);
		if (err)
			return err;
		columns = table->style->width > values ? table->style->width - values : 0;
		if (columns < NAME_COLUMNS_MIN)
			columns = NAME_COLUMNS_MIN;
	}
	err = piece__open(&piece);
	if (err)
		return err;
	report__name(piece.stream, stat, table->info->group_by);
	err = piece__close(&piece);
	if (!err)
		safe__put_middle(table->out, piece.text, columns);
	free(piece.text);
	return err;
}

static int put_statistic(const struct table *table, const struct statistic *stat)
{
	int err = put_name(table, stat);

	if (err)
		return err;
	fputs(": ", table->out);
	report__values_average(table->out, &stat->values, table->style);
	if (table->name_domains) {
		fputs(", domain=", table->out);
		safe__puts(table->out, stat->domain);
	}
	fputc('\n', table->out);
	if (table->info->group_by == GROUP_TRACEBACK)
		return put_traceback(table, stat);
	if (table->info->group_by == GROUP_LINENO)
		put_source(table, &stat->frame);
	return 0;
}

static void put_nothing(const struct table *table)
{
	const struct stat_values *total = &table->view->total;
	char text[32];

	fputs("Nothing outstanding", table->out);
	if (total->allocated_count > 0)
		fprintf(table->out, ": all %" PRId64 " blocks (%s) allocated have been freed",
			total->allocated_count, units__format_size(text, sizeof(text), total->allocated, 0));
	fputs(".\n", table->out);
}

static void put_hidden(const struct table *table)
{
	fprintf(table->out, "… and %zu more: ", table->view->hidden_count);
	report__values(table->out, &table->view->hidden, table->style);
	fputc('\n', table->out);
}

static int put_table(struct table *table)
{
	const struct view *view = table->view;
	int err = 0;

	for (size_t i = 1; i < view->stats.count && !table->name_domains; i++)
		table->name_domains = strcmp(view->stats.items[i].domain, view->stats.items[0].domain) != 0;
	for (size_t i = 0; i < view->stats.count && !err; i++)
		err = put_statistic(table, &view->stats.items[i]);
	if (err)
		return err;
	if (view->hidden_count)
		put_hidden(table);
	else if (!view->stats.count)
		put_nothing(table);
	return 0;
}

int report__text(FILE *out, const struct view *view, const struct report_info *info,
		 const struct report_style *style, struct source_cache *sources)
{
	struct table table = {.view = view, .info = info, .style = style, .sources = sources};
	struct piece whole;
	int err = piece__open(&whole), closed;

	if (err)
		return err;
	table.out = whole.stream;
	if (!style->quiet)
		report__header(whole.stream, info, style);
	err = put_table(&table);
	if (!err)
		report__footer(whole.stream, view, info, style);
	closed = piece__close(&whole);
	if (!err)
		err = closed;
	/* In one piece: a report that cannot be made whole is not begun, and write errors keep their errno.
	 */
	if (!err)
		err = report__write(out, whole.text, whole.length);
	free(whole.text);
	return err;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "golden.h"
#include "made_report.h"
#include "report/safe.h"

static void put_file(const char *directory, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void check(const char *golden, const struct view_options *options, const struct report_info *info,
		  const struct report_style *style)
{
	char directory[] = "/tmp/memwatch-text-XXXXXX", path[PATH_MAX], text[512] = "";
	struct profile_base base = {0};
	struct profile *profile = made_profile(&base);
	struct source_cache *sources;
	struct view view;
	size_t length;
	char *report;

	assert_non_null(mkdtemp(directory));
	for (int i = 1; i < 42; i++)
		strcat(text, "\n");
	put_file(directory, "app.py",
		 strcat(text, "    _result_history.append(result)\t# \033[31m kept\r\n"));
	put_file(directory, "main.c",
		 "\n\n\n\n\n\n\n\n\treturn run(list_of_arguments, number_of_arguments, environment);\n");
	sources = source_cache__new(directory);
	assert_non_null(sources);
	assert_int_equal(view__build(&view, profile, &base, options), 0);
	report = made_report(&view, info, style, sources, &length);
	snprintf(path, sizeof(path), "%s/app.py", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/main.c", directory);
	unlink(path);
	rmdir(directory);
	golden_check(golden, report, length);
	free(report);
	view__free(&view);
	source_cache__free(sources);
	profile_base__free(&base);
	profile__free(profile);
}

static void lineno(void **state)
{
	static const char *const notes[] = {"3 sites are single-stepped: about 14 µs an event",
					    "a second note", NULL};
	struct report_info info = made_info(GROUP_LINENO);

	(void)state;
	info.notes = notes;
	info.losses[LOSS_LIVE_FULL] = (struct loss_counter){12, 1258291};
	info.losses[LOSS_MISSED_RETURN].events = 3;
	info.free_unknown = 12;
	check("text-lineno.txt", &(struct view_options){.top = 4}, &info,
	      &(struct report_style){.source = true, .most_recent_last = true});
}

static void traceback(void **state)
{
	struct report_info info = made_info(GROUP_TRACEBACK);

	(void)state;
	info.title = "since mark 'request'";
	check("text-traceback.txt", &(struct view_options){.group_by = GROUP_TRACEBACK}, &info,
	      &(struct report_style){.source = true, .most_recent_last = true});
	check("text-traceback-first.txt", &(struct view_options){.group_by = GROUP_TRACEBACK}, &info,
	      &(struct report_style){.frames = 2, .quiet = true});
}

/* Runs of one line, outermost frames last: four and more are printed as three and a number. */
static void recursion(void **state)
{
	const struct made_frame sum = {"sum", "tree.c", 7, "/bin/app", 0x200, LOCATION_NATIVE, false, false};
	struct made_frame inlined = sum, other = sum, bare = MADE_BARE(0x1234), moved = MADE_BARE(0x1238);
	struct made_frame frames[41] = {{"leaf", "tree.c", 3, "/bin/app", 0x210, LOCATION_NATIVE, 0, 0}};
	struct report_info info = made_info(GROUP_TRACEBACK);
	struct profile *profile = profile__new();
	struct view view;
	size_t length, count = 1;
	char *report;

	(void)state;
	inlined.inlined = true;
	other.line = 8;
	for (int i = 0; i < 4; i++) /* sixteen of four real frames */
		for (int j = 0; j < 4; j++)
			frames[count++] = j ? inlined : sum;
	for (int i = 0; i < 4; i++)
		frames[count++] = other;
	for (int i = 0; i < 3; i++)
		frames[count++] = sum;
	frames[count++] = other;
	for (int i = 0; i < 5; i++)
		frames[count++] = bare;
	for (int i = 0; i < 3; i++)
		frames[count++] = moved;
	for (int i = 0; i < 6; i++)
		frames[count++] = (struct made_frame)MADE_LIB(0x4f10);
	assert_true(count < sizeof(frames) / sizeof(frames[0]));
	made_sample(profile, "heap", "", frames, VALUES(4096, 1, 4096, 1));
	assert_int_equal(
		view__build(&view, profile, NULL, &(struct view_options){.group_by = GROUP_TRACEBACK}), 0);
	assert_int_equal(view.tracebacks.items[0].count, count);
	report = made_report(&view, &info, &(struct report_style){.most_recent_last = true}, NULL, &length);
	golden_check("text-recursion.txt", report, length);
	free(report);
	report = made_report(&view, &info, &(struct report_style){.quiet = true}, NULL, &length);
	golden_check("text-recursion-first.txt", report, length);
	free(report);
	view__free(&view);
	profile__free(profile);
}

static void other_groups(void **state)
{
	(void)state;
	for (enum group_by group_by = GROUP_FILENAME; group_by <= GROUP_MODULE; group_by++) {
		struct report_info info = made_info(group_by);
		char name[64];

		info.overhead_percent = -1;
		info.from_ns -= 86400000000000ull;
		snprintf(name, sizeof(name), "text-%s.txt", group_by__name(group_by));
		if (group_by != GROUP_TRACEBACK)
			check(name, &(struct view_options){.group_by = group_by}, &info,
			      &(struct report_style){0});
	}
}

static void terminal(void **state)
{
	struct report_info info = made_info(GROUP_LINENO);

	(void)state;
	info.rss_diff = -4096;
	check("text-terminal.txt", &(struct view_options){0}, &info,
	      &(struct report_style){.colour = true, .width = 100, .source = true});
	info.group_by = GROUP_TRACEBACK;
	check("text-narrow.txt", &(struct view_options){.group_by = GROUP_TRACEBACK}, &info,
	      &(struct report_style){.width = 40, .source = true, .most_recent_last = true});
}

static void nothing(void **state)
{
	struct report_info info = made_info(GROUP_LINENO);
	struct report_style style = {0};
	struct view view = {0};
	size_t length;
	char *report;

	(void)state;
	info.rss = -1;
	info.title = "at exit";
	view.total.allocated = view.total.freed = 4096;
	view.total.allocated_count = view.total.freed_count = 2;
	report = made_report(&view, &info, &style, NULL, &length);
	golden_check("text-nothing.txt", report, length);
	free(report);
}

/* Names are chosen by those who are watched. */
static void hostile_names(void **state)
{
	struct profile *profile = profile__new();
	struct report_info info = made_info(GROUP_LINENO);
	struct report_style style = {0};
	struct view view;
	size_t length;
	char *report;

	(void)state;
	info.comm = "\033]0;owned\007\n";
	made_sample(profile, "heap", "",
		    FRAMES({"f", "a\033[2J\r\nTotal: b\177\302\233c\342\200\256.c", 1, "m", 1, 0, 0, 0}),
		    VALUES(2, 1, 2, 1));
	made_sample(profile, "heap", "",
		    FRAMES({"f\302\n\377\355\240\200\300\200", "", 1, "m\t", 1, 0, 0, 0}),
		    VALUES(1, 1, 1, 1));
	assert_int_equal(view__build(&view, profile, NULL, &(struct view_options){0}), 0);
	report = made_report(&view, &info, &style, NULL, &length);
	for (size_t i = 0; i < length;) {
		uint32_t code;
		size_t taken = utf8__decode(report + i, length - i, &code);

		assert_true(code == '\n' || !utf8__is_control(code));
		assert_true(code != UTF8_REPLACEMENT || taken == 3);
		i += taken;
	}
	golden_check("text-hostile.txt", report, length);
	free(report);
	view__free(&view);
	profile__free(profile);
}

static char *shortened(void (*put)(FILE *, const char *, size_t), const char *text, size_t columns)
{
	static char buffer[256];
	FILE *out = fmemopen(buffer, sizeof(buffer), "w");

	assert_non_null(out);
	buffer[0] = '\0'; /* where nothing is put, nothing is written */
	put(out, text, columns);
	fclose(out);
	return buffer;
}

static void shortening(void **state)
{
	(void)state;
	assert_string_equal(shortened(safe__put_middle, "/usr/lib/app.c:42", 17), "/usr/lib/app.c:42");
	assert_string_equal(shortened(safe__put_middle, "/usr/lib/app.c:42", 13), "/usr…app.c:42");
	assert_string_equal(shortened(safe__put_middle, "日本語日本語", 7), "日…本語");
	assert_string_equal(shortened(safe__put_middle, "e\u0301e\u0301e\u0301e\u0301", 3),
			    "…e\u0301e\u0301");
	assert_string_equal(shortened(safe__put_start, "return 1;", 6), "retur…");
	assert_string_equal(shortened(safe__put_start, "日本語", 4), "日…");
	for (size_t columns = 0; columns < 40; columns++) {
		char *text =
			shortened(safe__put_middle, "/日本/e\u0301/très/long/path/to/a/file.c:42", columns);

		assert_true(utf8__columns(text, strlen(text)) <= columns);
		assert_null(strstr(text, "\357\277\275"));
	}
}

static void output_errors(void **state)
{
	struct report_info info = made_info(GROUP_LINENO);
	struct report_style style = {0};
	struct view view = {0};
	FILE *full = fopen("/dev/full", "w"), *gone;
	int ends[2];

	(void)state;
	assert_non_null(full);
	assert_int_equal(report__text(full, &view, &info, &style, NULL), -ENOSPC);
	fclose(full);
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	close(ends[0]);
	gone = fdopen(ends[1], "w");
	assert_non_null(gone);
	assert_int_equal(report__text(gone, &view, &info, &style, NULL), -EPIPE);
	assert_int_equal(report__json(gone, &view, &info), -EPIPE);
	fclose(gone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lineno),        cmocka_unit_test(traceback),
		cmocka_unit_test(recursion),     cmocka_unit_test(other_groups),
		cmocka_unit_test(terminal),      cmocka_unit_test(nothing),
		cmocka_unit_test(hostile_names), cmocka_unit_test(shortening),
		cmocka_unit_test(output_errors),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

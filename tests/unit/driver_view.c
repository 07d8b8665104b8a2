// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads samples and options, prints the text report's lines: the side of test_tracemalloc_parity.py that is
 *under test. Lines on stdin, fields separated by tabs:
 *
 *	group NAME | cumulative | all_frames | frames N | top N | min_size N | include GLOB | exclude GLOB
 *	recent_first
 *	sample SIZE COUNT BASE_SIZE BASE_COUNT FILE LINE [FILE LINE …]    most recent call first
 *	end                                                              prints, then begins anew
 */
#include <stdlib.h>
#include <string.h>
#include "report/report.h"

#define FRAMES_MAX   256
#define PATTERNS_MAX 16

struct run {
	struct profile *profile;
	struct profile_base base;
	VEC(struct profile_values) then;
	struct view_options options;
	struct report_style style;
	const char *include[PATTERNS_MAX], *exclude[PATTERNS_MAX];
};

static void fail(const char *what)
{
	fprintf(stderr, "driver_view: %s\n", what);
	exit(1);
}

static uint32_t checked(int64_t index, const char *what)
{
	if (index < 0)
		fail(what);
	return (uint32_t)index;
}

static void add_sample(struct run *run, char *fields)
{
	int64_t numbers[4];
	uint32_t locations[FRAMES_MAX], sample;
	size_t count = 0;
	char *field;

	for (size_t i = 0; i < 4; i++)
		numbers[i] = strtoll(strsep(&fields, "\t"), NULL, 10);
	while ((field = strsep(&fields, "\t"))) {
		struct profile_location location = {.line_count = 1, .kind = LOCATION_PYTHON};
		struct profile_line line = {
			.function = checked(profile__function(run->profile, "", "", field), "function")};

		line.line = (uint32_t)strtoul(strsep(&fields, "\t"), NULL, 10);
		if (count == FRAMES_MAX)
			fail("too many frames");
		locations[count++] = checked(profile__location(run->profile, &location, &line), "location");
	}
	sample = checked(profile__sample(run->profile, locations, count, "heap", "", 0), "sample");
	run->profile->samples.items[sample].values[VALUE_INUSE_SPACE] = numbers[0];
	run->profile->samples.items[sample].values[VALUE_INUSE_OBJECTS] = numbers[1];
	if (vec_push(&run->then,
		     (struct profile_values){
			     .values = {
				     [VALUE_INUSE_SPACE] = numbers[2], [VALUE_INUSE_OBJECTS] = numbers[3]}}))
		fail("memory");
}

static const char *pattern(const char *text, size_t count)
{
	if (count == PATTERNS_MAX)
		fail("too many patterns");
	text = strdup(text);
	if (!text)
		fail("memory");
	return text;
}

static void run__begin(struct run *run)
{
	*run = (struct run){.profile = profile__new(), .style = {.most_recent_last = true, .quiet = true}};
	if (!run->profile)
		fail("memory");
}

static void run__end(struct run *run)
{
	static struct report_info info;
	struct view view = {0};

	run->options.include = run->include;
	run->options.exclude = run->exclude;
	run->base.items = run->then.items;
	run->base.count = run->then.count;
	info = (struct report_info){.comm = "", .domains = "heap", .mode = "exact", .rss = -1};
	info.group_by = run->options.group_by;
	if (view__build(&view, run->profile, &run->base, &run->options))
		fail("view");
	if (report__text(stdout, &view, &info, &run->style, NULL))
		fail("report");
	puts("end");
	view__free(&view);
	for (size_t i = 0; i < run->options.include_count; i++)
		free((char *)run->include[i]);
	for (size_t i = 0; i < run->options.exclude_count; i++)
		free((char *)run->exclude[i]);
	vec_free(&run->then);
	profile__free(run->profile);
}

static void read_line(struct run *run, char *line)
{
	struct view_options *options = &run->options;
	char *word = strsep(&line, "\t");

	if (strcmp(word, "sample") == 0) {
		add_sample(run, line);
	} else if (strcmp(word, "group") == 0) {
		if (group_by__parse(line, &options->group_by, NULL))
			fail("group");
	} else if (strcmp(word, "cumulative") == 0) {
		options->cumulative = true;
	} else if (strcmp(word, "all_frames") == 0) {
		options->all_frames = true;
	} else if (strcmp(word, "recent_first") == 0) {
		run->style.most_recent_last = false;
	} else if (strcmp(word, "frames") == 0) {
		options->frames = strtoul(line, NULL, 10);
	} else if (strcmp(word, "top") == 0) {
		options->top = strtoul(line, NULL, 10);
	} else if (strcmp(word, "min_size") == 0) {
		options->min_size = strtoul(line, NULL, 10);
	} else if (strcmp(word, "include") == 0) {
		run->include[options->include_count] = pattern(line, options->include_count);
		options->include_count++;
	} else if (strcmp(word, "exclude") == 0) {
		run->exclude[options->exclude_count] = pattern(line, options->exclude_count);
		options->exclude_count++;
	} else {
		fail(word);
	}
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	struct run run;

	run__begin(&run);
	while ((length = getline(&line, &size, stdin)) > 0) {
		line[length - 1] = '\0';
		if (strcmp(line, "end") == 0) {
			run__end(&run);
			run__begin(&run);
		} else {
			read_line(&run, line);
		}
	}
	profile__free(run.profile);
	free(line);
	return 0;
}

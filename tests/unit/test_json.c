// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <yajl/yajl_tree.h>
#include <cmocka.h>

#include "golden.h"
#include "made_report.h"

static char *reported(const struct view_options *options, const struct report_info *info, size_t *length)
{
	struct profile_base base = {0};
	struct profile *profile = made_profile(&base);
	struct view view;
	char *report;

	assert_int_equal(view__build(&view, profile, &base, options), 0);
	report = made_report(&view, info, NULL, NULL, length);
	view__free(&view);
	profile_base__free(&base);
	profile__free(profile);
	return report;
}

/* One line, and a JSON text to another parser. The caller frees the tree. */
static yajl_val parsed(const char *report, size_t length)
{
	char why[256] = "";
	yajl_val tree;

	assert_ptr_equal(strchr(report, '\n'), report + length - 1);
	tree = yajl_tree_parse(report, why, sizeof(why));
	if (!tree)
		fail_msg("%s", why);
	return tree;
}

static yajl_val at(yajl_val tree, const char *key)
{
	const char *path[] = {key, NULL};

	return yajl_tree_get(tree, path, yajl_t_any);
}

static void golden(void **state)
{
	struct report_info info = made_info(GROUP_LINENO);
	size_t length;
	char *report = reported(&(struct view_options){0}, &info, &length);

	(void)state;
	golden_check("json-lineno.json", report, length);
	yajl_tree_free(parsed(report, length));
	free(report);
}

static void everything(void **state)
{
	static const char *const notes[] = {"a note", NULL};
	struct report_info info = made_info(GROUP_TRACEBACK);
	size_t length;
	char *report;

	(void)state;
	info.title = "at exit";
	info.rss = -1;
	info.overhead_percent = -1;
	info.notes = notes;
	info.free_unknown = UINT64_MAX;
	info.losses[LOSS_STACKS_FULL] = (struct loss_counter){UINT64_MAX, 7};
	report = reported(&(struct view_options){.group_by = GROUP_TRACEBACK, .top = 2, .frames = 2}, &info,
			  &length);
	golden_check("json-exit.json", report, length);
	yajl_tree_free(parsed(report, length));
	free(report);
}

/* The order of the fields is that of the documentation: readers of streams rely on it. */
static void order(void **state)
{
	static const char *const keys[] = {"schema", "time",    "elapsed",  "pid",     "comm",
					   "mode",   "domains", "group_by", "rss",     "rss_diff",
					   "total",  "stats",   "losses",   "overhead"};
	struct report_info info = made_info(GROUP_LINENO);
	size_t length;
	char *report = reported(&(struct view_options){0}, &info, &length);
	yajl_val tree = parsed(report, length), first;

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_string_equal(tree->u.object.keys[i], keys[i]);
	assert_string_equal(YAJL_GET_NUMBER(at(tree, "time")), "1763812810.2");
	assert_string_equal(YAJL_GET_NUMBER(at(tree, "elapsed")), "5.0");
	assert_int_equal(YAJL_GET_ARRAY(at(tree, "domains"))->len, 2);
	first = YAJL_GET_ARRAY(at(tree, "stats"))->values[0];
	assert_string_equal(YAJL_GET_STRING(at(first, "file")), "app.py");
	assert_int_equal(YAJL_GET_INTEGER(at(first, "size_diff")), 4971520 - 3922944);
	assert_true(YAJL_IS_NULL(at(first, "type")));
	assert_true(YAJL_IS_NULL(at(first, "module")));
	yajl_tree_free(tree);
	free(report);
}

/* A function that is inlined into itself is told from one that calls itself. */
static void inlined(void **state)
{
	const struct made_frame real = {"sum", "tree.c", 7, "/bin/app", 0x200, LOCATION_NATIVE, false, false};
	static const bool expected[] = {true, true, false, false, false};
	struct made_frame into = real;
	struct profile *profile = profile__new();
	struct report_info info = made_info(GROUP_TRACEBACK);
	struct view view;
	yajl_val tree, frames;
	size_t length;
	char *report;

	(void)state;
	into.inlined = true;
	made_sample(profile, "heap", "", FRAMES(real, into, into, real, MADE_MAIN), VALUES(1, 1, 1, 1));
	assert_int_equal(
		view__build(&view, profile, NULL, &(struct view_options){.group_by = GROUP_TRACEBACK}), 0);
	report = made_report(&view, &info, NULL, NULL, &length);
	tree = parsed(report, length);
	frames = at(YAJL_GET_ARRAY(at(tree, "stats"))->values[0], "traceback");
	assert_int_equal(YAJL_GET_ARRAY(frames)->len, 5);
	for (size_t i = 0; i < 5; i++) {
		yajl_val mark = at(YAJL_GET_ARRAY(frames)->values[i], "inlined");

		assert_int_equal(mark != NULL, expected[i]);
		assert_true(!mark || YAJL_IS_TRUE(mark));
	}
	yajl_tree_free(tree);
	free(report);
	view__free(&view);
	profile__free(profile);
}

static void hostile_names(void **state)
{
	struct profile *profile = profile__new();
	struct report_info info = made_info(GROUP_LINENO);
	struct view view;
	yajl_val tree, stat;
	size_t length;
	char *report;

	(void)state;
	info.comm = "\377\033\"\\\n";
	made_sample(profile, "heap", "",
		    FRAMES({"f\355\240\200", "\300\200\n\001", 1, "m", UINT64_MAX, 0, 0, 0}),
		    VALUES(INT64_MAX, 1, 0, 0));
	assert_int_equal(view__build(&view, profile, NULL, &(struct view_options){0}), 0);
	report = made_report(&view, &info, NULL, NULL, &length);
	tree = parsed(report, length);
	assert_string_equal(YAJL_GET_STRING(at(tree, "comm")), "\357\277\275\033\"\\\n");
	stat = YAJL_GET_ARRAY(at(tree, "stats"))->values[0];
	assert_string_equal(YAJL_GET_STRING(at(stat, "function")), "f\357\277\275\357\277\275\357\277\275");
	assert_string_equal(YAJL_GET_STRING(at(stat, "file")), "\357\277\275\357\277\275\n\001");
	assert_string_equal(YAJL_GET_NUMBER(at(stat, "module_offset")), "18446744073709551615");
	yajl_tree_free(tree);
	free(report);
	view__free(&view);
	profile__free(profile);
}

static void empty(void **state)
{
	struct report_info info = made_info(GROUP_TYPE);
	struct view view = {0};
	size_t length;
	char *report;

	(void)state;
	info.from_ns = 0;
	info.domains = "";
	info.overhead_percent = 1.0 / 0.0;
	report = made_report(&view, &info, NULL, NULL, &length);
	golden_check("json-empty.json", report, length);
	yajl_tree_free(parsed(report, length));
	free(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),        cmocka_unit_test(everything), cmocka_unit_test(order),
		cmocka_unit_test(hostile_names), cmocka_unit_test(empty),      cmocka_unit_test(inlined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

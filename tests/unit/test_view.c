// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "abi.h"
#include "made_up.h"

#define NO_FRAMES ((const struct made_frame[]){{0}})

static int set_up(void **state)
{
	*state = profile__new();
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	profile__free(*state);
	return 0;
}

static struct view built(const struct profile *profile, const struct profile_base *base,
			 struct view_options options)
{
	struct view view;

	assert_int_equal(view__build(&view, profile, base, &options), 0);
	return view;
}

static void names(void **state)
{
	static const char *const texts[] = {"lineno", "filename", "traceback", "function", "type", "module"};
	struct error error = {0};
	enum group_by group_by;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(group_by__parse(texts[i], &group_by, &error), 0);
		assert_int_equal(group_by, i);
		assert_string_equal(group_by__name(group_by), texts[i]);
	}
	assert_int_equal(group_by__parse("line", &group_by, &error), -EINVAL);
	assert_non_null(strstr(error.text, "'line'"));
	assert_non_null(strstr(error.text, "traceback"));
}

/* The allocator's own frames are passed over, inlined lines are frames, and all-allocator stacks have a line
 * too. */
static void reported_frame(void **state)
{
	struct view view;

	made_sample(*state, "heap", "", FRAMES(MADE_NEW, MADE_PUSH, MADE_LOAD_INLINE, MADE_MAIN),
		    VALUES(50, 1, 50, 1));
	made_sample(*state, "heap", "", FRAMES(MADE_NEW, {"outer new", "", 0, "/lib/x", 0x5, 0, true, false}),
		    VALUES(40, 1, 40, 1));
	made_sample(*state, "heap", "",
		    FRAMES({"wrapper", "list.h", 3, "/bin/app", 0x300, LOCATION_NATIVE, true, false},
			   MADE_LOAD_INLINE, MADE_MAIN),
		    VALUES(30, 1, 30, 1));
	view = built(*state, NULL, (struct view_options){0});
	assert_int_equal(view.stats.count, 3);
	assert_string_equal(view.stats.items[0].frame.file, "list.h");
	assert_int_equal(view.stats.items[0].frame.line, 30);
	assert_string_equal(view.stats.items[0].frame.function, "push");
	assert_string_equal(view.stats.items[1].frame.function, "outer new");
	assert_true(view.stats.items[1].frame.allocator);
	assert_string_equal(view.stats.items[2].frame.file, "load.c");
	assert_int_equal(view.tracebacks.items[0].count, 3);
	assert_string_equal(view.frames.items[1].function, "load");
	assert_string_equal(view.frames.items[2].function, "main");
	assert_false(view.tracebacks.items[0].truncated);
	view__free(&view);

	view = built(*state, NULL, (struct view_options){.cumulative = true});
	/* main.c:9 stands behind 50 + 30, load.c:12 likewise; names decide, falling */
	assert_int_equal(view.stats.count, 4);
	assert_string_equal(view.stats.items[0].frame.file, "main.c");
	assert_int_equal(view.stats.items[0].values.size, 80);
	assert_string_equal(view.stats.items[1].frame.file, "load.c");
	assert_int_equal(view.stats.items[1].values.size, 80);
	assert_int_equal(view.total.size, 120);
	view__free(&view);
}

static void without_file(void **state)
{
	struct view view;

	made_sample(*state, "heap", "", FRAMES(MADE_LIB(0x20), MADE_MAIN), VALUES(10, 1, 10, 1));
	made_sample(*state, "heap", "", FRAMES(MADE_LIB(0x10), MADE_MAIN), VALUES(20, 1, 20, 1));
	made_sample(*state, "heap", "", FRAMES(MADE_BARE(0x20), MADE_MAIN), VALUES(5, 1, 5, 1));
	made_sample(*state, "heap", "", FRAMES(MADE_BARE(0x10), MADE_MAIN), VALUES(4, 1, 4, 1));
	made_sample(*state, "heap", "", NO_FRAMES, VALUES(3, 1, 3, 1));

	view = built(*state, NULL, (struct view_options){0});
	assert_int_equal(view.stats.count, 4);
	assert_int_equal(view.stats.items[0].values.size, 30);
	assert_string_equal(view.stats.items[0].frame.function, "g_list_append");
	assert_int_equal(view.stats.items[0].frame.module_offset, 0x10);
	assert_int_equal(view.stats.items[1].frame.module_offset, 0x20);
	assert_int_equal(view.stats.items[2].frame.module_offset, 0x10);
	assert_string_equal(view.stats.items[3].frame.module, "");
	assert_int_equal(view.tracebacks.items[3].count, 0);
	view__free(&view);

	view = built(*state, NULL, (struct view_options){.group_by = GROUP_TRACEBACK});
	assert_int_equal(view.stats.count, 5); /* two calls in one function are two tracebacks */
	view__free(&view);

	view = built(*state, NULL, (struct view_options){.group_by = GROUP_FILENAME});
	assert_int_equal(view.stats.count, 3);
	assert_string_equal(view.stats.items[0].frame.module, "/lib/libglib.so");
	assert_string_equal(view.stats.items[1].frame.module, "/lib/libbare.so");
	assert_int_equal(view.stats.items[1].values.size, 9);
	view__free(&view);
}

static void other_groups(void **state)
{
	struct view view;

	made_sample(*state, "heap", "", FRAMES(MADE_PUSH, MADE_MAIN), VALUES(64, 1, 64, 1));
	made_sample(
		*state, "heap", "",
		FRAMES({"push", "list.h", 31, "/bin/app", 0x180, LOCATION_NATIVE, false, false}, MADE_MAIN),
		VALUES(32, 1, 32, 1));
	made_sample(*state, "heap", "", FRAMES({"push", "", 0, "/lib/y", 0x1, LOCATION_NATIVE, false, false}),
		    VALUES(16, 1, 16, 1));
	made_sample(*state, "python", "dict", FRAMES(MADE_PYTHON), VALUES(8, 1, 8, 1));
	made_sample(*state, "python", "list", FRAMES(MADE_PYTHON), VALUES(4, 1, 4, 1));

	view = built(*state, NULL, (struct view_options){.group_by = GROUP_FUNCTION});
	assert_int_equal(view.stats.count, 3);
	assert_int_equal(view.stats.items[0].values.size, 96);
	assert_string_equal(view.stats.items[0].frame.file, "list.h");
	assert_int_equal(view.stats.items[0].frame.line, 0);
	assert_string_equal(view.stats.items[1].frame.module, "/lib/y");
	assert_int_equal(view.stats.items[2].values.size, 12);
	view__free(&view);

	view = built(*state, NULL, (struct view_options){.group_by = GROUP_MODULE});
	assert_int_equal(view.stats.count, 3);
	assert_string_equal(view.stats.items[0].frame.module, "/bin/app");
	assert_string_equal(view.stats.items[0].frame.file, "");
	assert_string_equal(view.stats.items[2].frame.file, "app.py");
	view__free(&view);

	view = built(*state, NULL, (struct view_options){.group_by = GROUP_TYPE});
	assert_int_equal(view.stats.count, 3);
	assert_string_equal(view.stats.items[0].type, "");
	assert_int_equal(view.stats.items[0].values.size, 112);
	assert_string_equal(view.stats.items[1].type, "dict");
	assert_string_equal(view.stats.items[2].type, "list");
	view__free(&view);
}

static void domains_are_kept_apart(void **state)
{
	struct view view;

	/* Alternating, so that each domain comes back after the other. */
	for (int i = 0; i < 3; i++) {
		made_sample(*state, "heap", "", FRAMES(MADE_PUSH, MADE_MAIN), VALUES(10, 1, 10, 1));
		made_sample(*state, "mmap", "", FRAMES(MADE_PUSH, MADE_MAIN), VALUES(4096, 1, 4096, 1));
	}
	for (enum group_by group_by = GROUP_LINENO; group_by <= GROUP_MODULE; group_by++) {
		view = built(*state, NULL, (struct view_options){.group_by = group_by});
		assert_int_equal(view.stats.count, 2);
		assert_string_equal(view.stats.items[0].domain, "mmap");
		assert_int_equal(view.stats.items[0].values.size, 3 * 4096);
		assert_int_equal(view.stats.items[1].values.count, 3);
		view__free(&view);
	}
	view = built(*state, NULL, (struct view_options){.cumulative = true});
	assert_int_equal(view.stats.count, 4);
	view__free(&view);
}

static void differences(void **state)
{
	struct profile *profile = *state;
	struct profile_base base = {0};
	struct view view;

	made_sample(profile, "heap", "", FRAMES(MADE_PUSH), VALUES(100, 2, 1000, 20));
	made_sample(profile, "heap", "", FRAMES(MADE_MAIN), VALUES(300, 3, 300, 3));
	made_sample(profile, "heap", "", FRAMES(MADE_LIB(1)), VALUES(0, 0, 10, 1));
	assert_int_equal(profile__save_base(profile, &base), 0);
	memcpy(profile->samples.items[0].values, VALUES(150, 3, 1600, 30),
	       sizeof(profile->samples.items[0].values));
	memcpy(profile->samples.items[1].values, VALUES(0, 0, 300, 3),
	       sizeof(profile->samples.items[0].values));
	memcpy(profile->samples.items[2].values, VALUES(0, 0, 90, 9),
	       sizeof(profile->samples.items[0].values));
	made_sample(profile, "heap", "", FRAMES(MADE_BARE(1)), VALUES(7, 1, 9, 2));

	view = built(profile, &base, (struct view_options){0});
	assert_int_equal(view.stats.count, 3); /* what came and went in between holds nothing */
	assert_string_equal(view.stats.items[0].frame.function, "main");
	assert_int_equal(view.stats.items[0].values.size_diff, -300);
	assert_int_equal(view.stats.items[0].values.count, 0);
	assert_int_equal(view.stats.items[0].values.freed, 300);
	assert_int_equal(view.stats.items[1].values.size_diff, 50);
	assert_int_equal(view.stats.items[1].values.allocated, 600);
	assert_int_equal(view.stats.items[1].values.freed, 550);
	assert_int_equal(view.stats.items[1].values.freed_count, 9);
	assert_int_equal(view.stats.items[2].values.size_diff, 7);
	assert_int_equal(view.stats.items[2].values.freed, 2);
	assert_int_equal(view.total.size, 157);
	assert_int_equal(view.total.size_diff, -243);
	assert_int_equal(view.total.allocated, 600 + 0 + 80 + 9);
	assert_int_equal(view.total.freed, 550 + 300 + 80 + 2);
	view__free(&view);
	profile_base__free(&base);
}

static void hidden_and_truncated(void **state)
{
	struct profile *profile = *state;
	struct view view;
	uint32_t deep;

	deep = made_sample(profile, "heap", "", FRAMES(MADE_PUSH, MADE_MAIN), VALUES(1000, 1, 0, 0));
	profile->samples.items[deep].flags = STACK_TRUNCATED;
	made_sample(profile, "heap", "", FRAMES(MADE_LIB(1), MADE_MAIN), VALUES(500, 1, 0, 0));
	made_sample(profile, "heap", "", FRAMES(MADE_BARE(1), MADE_MAIN), VALUES(20, 2, 0, 0));
	view = built(profile, NULL, (struct view_options){.top = 1, .min_size = 100});
	assert_int_equal(view.stats.count, 1);
	assert_int_equal(view.hidden_count, 2);
	assert_int_equal(view.hidden.size, 520);
	assert_int_equal(view.hidden.count, 3);
	assert_int_equal(view.total.size, 1520);
	assert_true(view.tracebacks.items[0].truncated);
	view__free(&view);

	view = built(profile, NULL, (struct view_options){.group_by = GROUP_TRACEBACK, .frames = 1});
	assert_true(view.tracebacks.items[2].truncated);
	assert_int_equal(view.tracebacks.items[2].count, 1);
	view__free(&view);
}

static void filters_see_modules(void **state)
{
	const char *lib[] = {"*/libglib*"}, *app[] = {"/bin/app"};
	struct view view;

	made_sample(*state, "heap", "", FRAMES(MADE_LIB(1), MADE_MAIN), VALUES(500, 1, 0, 0));
	made_sample(*state, "heap", "", FRAMES(MADE_BARE(1)), VALUES(20, 2, 0, 0));
	view = built(*state, NULL, (struct view_options){.include = lib, .include_count = 1});
	assert_int_equal(view.total.size, 500);
	view__free(&view);
	view = built(*state, NULL, (struct view_options){.exclude = app, .exclude_count = 1});
	assert_int_equal(view.total.size, 520);
	view__free(&view);
	view = built(*state, NULL,
		     (struct view_options){.exclude = app, .exclude_count = 1, .all_frames = true});
	assert_int_equal(view.total.size, 20);
	view__free(&view);
}

static void hostile_numbers(void **state)
{
	struct view view;

	for (int i = 0; i < 3; i++) {
		made_sample(*state, "heap", "", FRAMES(MADE_PUSH),
			    VALUES(INT64_MAX, INT64_MAX, INT64_MIN, INT64_MIN));
		made_sample(*state, "heap", "", FRAMES(MADE_MAIN),
			    VALUES(INT64_MIN, INT64_MIN, 0, INT64_MAX));
	}
	view = built(*state, NULL, (struct view_options){.min_size = 5});
	assert_int_equal(view.stats.count, 2);
	assert_int_equal(view.stats.items[0].values.size, INT64_MIN); /* |INT64_MIN| is the largest */
	assert_int_equal(view.stats.items[1].values.size, INT64_MAX);
	view__free(&view);
}

static void empty(void **state)
{
	for (enum group_by group_by = GROUP_LINENO; group_by <= GROUP_MODULE; group_by++) {
		struct view view = built(*state, NULL, (struct view_options){.group_by = group_by, .top = 3});

		assert_int_equal(view.stats.count, 0);
		assert_int_equal(view.total.size, 0);
		view__free(&view);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test_setup_teardown(reported_frame, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_groups, set_up, tear_down),
		cmocka_unit_test_setup_teardown(domains_are_kept_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(differences, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hidden_and_truncated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(filters_see_modules, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hostile_numbers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(empty, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "profile/profile.h"

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

static void strings(void **state)
{
	struct profile *profile = *state;
	char name[32];

	assert_int_equal(profile__string(profile, ""), 0);
	assert_int_equal(profile__string(profile, "one"), 1);
	assert_int_equal(profile__string(profile, "two"), 2);
	assert_int_equal(profile__string(profile, "one"), 1);
	assert_int_equal(profile__string_n(profile, "twofold", 3), 2);
	assert_int_equal(profile__string_n(profile, "on\0e", 4), 3); /* ends at the NUL: "on" */
	assert_int_equal(profile__string(profile, "on"), 3);
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "name %d", i);
		assert_int_equal(profile__string(profile, name), 4 + i);
	}
	assert_int_equal(profile__string(profile, "name 77"), 81);
	/* Texts stay where they are when the tables grow. */
	assert_string_equal(profile__text(profile, 1), "one");
	assert_string_equal(profile__text(profile, 10003), "name 9999");
	assert_string_equal(profile__text(profile, 10004), "");
	assert_int_equal(profile->strings.items[81].length, 7);
}

static void long_strings(void **state)
{
	size_t size = (1u << 20) + 2;
	char *text = malloc(size);

	assert_non_null(text);
	memset(text, 'x', size - 1);
	text[size - 1] = '\0';
	assert_int_equal(profile__string(*state, text), -E2BIG);
	assert_int_equal(profile__string_n(*state, text, 1u << 20), 1);
	free(text);
}

static void functions_and_mappings(void **state)
{
	struct profile *profile = *state;
	struct profile_mapping mapping = {.start = 0x1000, .limit = 0x2000};

	assert_int_equal(profile__function(profile, "f", "_Z1fv", "f.cc"), 1);
	assert_int_equal(profile__function(profile, "f", "_Z1fi", "f.cc"), 2);
	assert_int_equal(profile__function(profile, "f", "_Z1fv", "f.cc"), 1);
	assert_int_equal(profile__function(profile, "", "", ""), 3);
	assert_string_equal(profile__text(profile, profile->functions.items[2].system_name), "_Z1fi");

	mapping.file = (uint32_t)profile__string(profile, "libf.so");
	assert_int_equal(profile__mapping(profile, &mapping), 1);
	mapping.offset = 0x3000;
	assert_int_equal(profile__mapping(profile, &mapping), 2);
	mapping.offset = 0;
	assert_int_equal(profile__mapping(profile, &mapping), 1);
	mapping.build_id = 1000;
	assert_int_equal(profile__mapping(profile, &mapping), -EINVAL);
}

static void locations(void **state)
{
	struct profile *profile = *state;
	struct profile_location location = {.address = 7, .first_line = 99, .line_count = 2};
	struct profile_line lines[40] = {{.line = 1}, {.line = 2}};
	int64_t first = profile__location(profile, &location, lines);

	assert_int_equal(first, 1);
	assert_int_equal(profile->locations.items[1].line_count, 2);
	assert_int_equal(profile->lines.items[profile->locations.items[1].first_line + 1].line, 2);
	location.first_line = 5;
	assert_int_equal(profile__location(profile, &location, lines), first);
	lines[1].flags = LOCATION_ALLOCATOR;
	assert_int_equal(profile__location(profile, &location, lines), 2);
	location.line_count = 1;
	assert_int_equal(profile__location(profile, &location, lines), 3);
	location.line_count = 40;
	assert_int_equal(profile__location(profile, &location, lines), 4);
	assert_int_equal(profile__location(profile, &location, lines), 4);
	location.line_count = 0;
	assert_int_equal(profile__location(profile, &location, lines), -EINVAL);
	location.line_count = 5000;
	assert_int_equal(profile__location(profile, &location, lines), -E2BIG);
	location.line_count = 1;
	lines[0].function = 1;
	assert_int_equal(profile__location(profile, &location, lines), -EINVAL);
	lines[0].function = 0;
	location.mapping = 1;
	assert_int_equal(profile__location(profile, &location, lines), -EINVAL);
}

static void samples_and_base(void **state)
{
	struct profile *profile = *state;
	struct profile_location location = {.line_count = 1};
	struct profile_line line = {0};
	struct profile_base base = {0};
	uint32_t stack[2], unknown = 50;

	stack[0] = (uint32_t)profile__location(profile, &location, &line);
	location.address = 1;
	stack[1] = (uint32_t)profile__location(profile, &location, &line);
	assert_int_equal(profile__sample(profile, stack, 2, "heap", "", 42), 0);
	assert_int_equal(profile__sample(profile, stack, 2, "heap", "", 42), 1); /* not merged */
	assert_int_equal(profile__sample(profile, NULL, 0, "mmap", "dict", 0), 2);
	assert_int_equal(profile__sample(profile, &unknown, 1, "heap", "", 42), -EINVAL);
	assert_int_equal(profile->samples.items[1].first_location, 2);
	assert_int_equal(profile->stacks.items[3], stack[1]);
	assert_string_equal(profile__text(profile, profile->samples.items[2].type), "dict");

	profile->samples.items[1].values[VALUE_ALLOC_OBJECTS] = 5;
	assert_int_equal(profile__save_base(profile, &base), 0);
	profile->samples.items[1].values[VALUE_ALLOC_OBJECTS] = 6;
	assert_int_equal(base.count, 3);
	assert_int_equal(base.items[1].values[VALUE_ALLOC_OBJECTS], 5);
	assert_int_equal(profile__save_base(profile, &base), 0);
	assert_int_equal(base.items[1].values[VALUE_ALLOC_OBJECTS], 6);
	profile_base__free(&base);
	profile_base__free(&base);
	profile__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(strings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_strings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(functions_and_mappings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(locations, set_up, tear_down),
		cmocka_unit_test_setup_teardown(samples_and_base, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/error.h"

static void set_formats_and_negates(void **state)
{
	struct error error = {0};

	(void)state;
	assert_int_equal(error__set(&error, ENOENT, "no %s %d", "such", 7), -ENOENT);
	assert_string_equal(error.text, "no such 7");
	assert_int_equal(error__set(NULL, EIO, "unheard"), -EIO);
}

static void prefix_goes_in_front(void **state)
{
	struct error error = {0};

	(void)state;
	error__set(&error, EIO, "broken");
	assert_int_equal(error__prefix(&error, -EIO, "file %d", 3), -EIO);
	assert_string_equal(error.text, "file 3: broken");
	assert_int_equal(error__prefix(NULL, -EIO, "unheard"), -EIO);
}

static void text_is_one_printable_line(void **state)
{
	struct error error = {0};

	(void)state;
	error__set(&error, EIO, "a%sb", "\n\x1b[2J\t\x7f");
	assert_string_equal(error.text, "a??[2J??b");
	error__prefix(&error, -EIO, "c\n");
	assert_null(strchr(error.text, '\n'));
}

static void long_text_is_cut(void **state)
{
	struct error error = {0};
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error__set(&error, EIO, "%s", text);
	assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
	error__prefix(&error, -EIO, "front");
	assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
	assert_memory_equal(error.text, "front: xxx", 10);
	error__prefix(&error, -EIO, "%s", text);
	assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_formats_and_negates),
		cmocka_unit_test(prefix_goes_in_front),
		cmocka_unit_test(text_is_one_printable_line),
		cmocka_unit_test(long_text_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <yajl/yajl_tree.h>

#include "commands/cmd_sites.h"

#define LIBC "/usr/lib/x86_64-linux-gnu/libc.so.6"

/* Runs `sites @words` and returns what it printed, to be freed. */
static char *run(char *words, int *result, struct error *error)
{
	char *argv[16] = {(char *)"sites"}, *text = NULL;
	int argc = 1;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	*result = cmd_sites__run(argc, argv, out, error);
	fclose(out);
	return text;
}

static void wrong_calls_are_told_from_failures(void **state)
{
	static const struct {
		const char *words;
		int result;
		const char *says;
	} cases[] = {
		{"", -EINVAL, "nothing to look at"},
		{"--bogus", -EINVAL, "--bogus"},
		{"-x " LIBC, -EINVAL, "-x"},
		{"-p", -EINVAL, "-p"},
		{"-p zero", -EINVAL, "zero"},
		{"-p 0", -EINVAL, "out of range"},
		{"-p 1 " LIBC, -EINVAL, "not both"},
		{"--domains heap,stack " LIBC, -EINVAL, "stack"},
		{"--domains= " LIBC, -EINVAL, "heap"},
		{"/nonexistent/file", -ENOENT, "/nonexistent/file"},
		{"/usr/lib/x86_64-linux-gnu/libm.so.6", -ENOENT, "no allocator function"},
		{"/usr/lib/x86_64-linux-gnu/libstdc++.so.6", -ENOENT, "left out"},
		{"-p 2147483647", -ESRCH, "2147483647"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *words = strdup(cases[i].words), *text;
		struct error error = {"stale"};
		int result;

		text = run(words, &result, &error);
		if (result != cases[i].result || !strstr(error.text, cases[i].says))
			fail_msg("sites %s: %d, %s", cases[i].words, result, error.text);
		assert_string_equal(text, "");
		free(text);
		free(words);
	}
}

static void help_comes_back(void **state)
{
	char words[] = "--help", usage[] = "--usage";
	struct error error;
	int result;
	char *text = run(words, &result, &error);

	(void)state;
	assert_int_equal(result, 0);
	assert_non_null(strstr(text, "Examples:"));
	assert_non_null(strstr(text, "--domains"));
	free(text);
	text = run(usage, &result, &error);
	assert_int_equal(result, 0);
	assert_non_null(strstr(text, "Usage: memwatch sites"));
	free(text);
}

static void the_table_names_the_columns(void **state)
{
	char words[] = "--domains heap -v " LIBC;
	struct error error;
	int result;
	char *text = run(words, &result, &error);

	(void)state;
	assert_int_equal(result, 0);
	assert_int_equal(strncmp(text, "MODULE ", 7), 0);
	assert_non_null(strstr(text, "SYMBOL"));
	assert_non_null(strstr(text, "posix_memalign"));
	assert_null(strstr(text, "munmap"));
	assert_non_null(strstr(text, "Cost of a hit"));
	free(text);
}

static void every_line_is_an_object(void **state)
{
	char words[] = "--json " LIBC;
	const char *schema_path[] = {"schema", NULL}, *symbol_path[] = {"symbol", NULL};
	unsigned lines = 0, mallocs = 0;
	struct error error;
	int result;
	char *text = run(words, &result, &error), *rest = NULL;

	(void)state;
	assert_int_equal(result, 0);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		yajl_val object = yajl_tree_parse(line, NULL, 0);
		const char *symbol;

		assert_non_null(object);
		assert_string_equal(YAJL_GET_STRING(yajl_tree_get(object, schema_path, yajl_t_string)),
				    "memwatch.sites/1");
		symbol = YAJL_GET_STRING(yajl_tree_get(object, symbol_path, yajl_t_string));
		assert_non_null(symbol);
		mallocs += strcmp(symbol, "malloc") == 0;
		lines++;
		yajl_tree_free(object);
	}
	assert_true(lines >= 10);
	assert_int_equal(mallocs, 1);
	free(text);
}

static void a_full_disk_is_told(void **state)
{
	char *argv[] = {(char *)"sites", (char *)LIBC, NULL};
	struct error error = {""};
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	assert_int_equal(cmd_sites__run(2, argv, full, &error), -ENOSPC);
	assert_non_null(strstr(error.text, "cannot write"));
	fclose(full);
}

/* Our own process: the C library is among what it has mapped. */
static void a_process(void **state)
{
	char words[64];
	struct error error = {""};
	int result;
	char *text;

	(void)state;
	snprintf(words, sizeof(words), "-p %d", (int)getpid());
	text = run(words, &result, &error);
	assert_string_equal(error.text, "");
	assert_int_equal(result, 0);
	assert_non_null(strstr(text, "libc.so.6"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_calls_are_told_from_failures),
		cmocka_unit_test(help_comes_back),
		cmocka_unit_test(the_table_names_the_columns),
		cmocka_unit_test(every_line_is_an_object),
		cmocka_unit_test(a_full_disk_is_told),
		cmocka_unit_test(a_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

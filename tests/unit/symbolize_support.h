/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs made on the spot, and what other tools say of them. */
#ifndef MEMWATCH_TESTS_UNIT_SYMBOLIZE_SUPPORT_H
#define MEMWATCH_TESTS_UNIT_SYMBOLIZE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

/* Runs a shell command with DIR in its environment as the test's own directory. It must succeed. */
__attribute__((format(printf, 1, 2))) static inline void run(const char *format, ...)
{
	char command[4096];
	va_list args;

	va_start(args, format);
	assert_true(vsnprintf(command, sizeof(command), format, args) < (int)sizeof(command));
	va_end(args);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static inline char *make_directory(void)
{
	char *directory = strdup("/tmp/memwatch-test-XXXXXX");

	assert_non_null(directory);
	assert_non_null(mkdtemp(directory));
	assert_int_equal(setenv("DIR", directory, 1), 0);
	return directory;
}

static inline void remove_directory(char *directory)
{
	run("rm -rf '%s'", directory);
	free(directory);
}

static inline void write_file(const char *directory, const char *name, const void *bytes, size_t size)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

/* The first number in hex that @command prints. */
static inline uint64_t ask_address(const char *command)
{
	unsigned long long value;
	FILE *pipe = popen(command, "re");

	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%llx", &value), 1);
	pclose(pipe);
	return value;
}

#endif

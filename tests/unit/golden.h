/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Comparing what is printed with tests/golden/, byte for byte. MEMWATCH_GOLDEN_UPDATE=1 writes the files
 * anew: read the difference before it is committed. Include after cmocka.h.
 */
#ifndef MEMWATCH_TESTS_GOLDEN_H
#define MEMWATCH_TESTS_GOLDEN_H

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void golden_check(const char *name, const char *text, size_t length)
{
	const char *slash = strrchr(__FILE__, '/');
	char path[PATH_MAX], *kept = NULL;
	size_t size = 0, read = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%.*s../golden/%s", slash ? (int)(slash - __FILE__ + 1) : 0, __FILE__,
		 name);
	if (getenv("MEMWATCH_GOLDEN_UPDATE")) {
		file = fopen(path, "w");
		assert_non_null(file);
		assert_int_equal(fwrite(text, 1, length, file), length);
		assert_int_equal(fclose(file), 0);
		return;
	}
	file = fopen(path, "r");
	if (!file)
		fail_msg("cannot read %s", path);
	while (!feof(file) && !ferror(file)) {
		kept = realloc(kept, size += 65536);
		assert_non_null(kept);
		read += fread(kept + read, 1, size - read, file);
	}
	assert_false(ferror(file));
	fclose(file);
	if (read != length || memcmp(kept, text, length) != 0) {
		fwrite(text, 1, length, stderr);
		fail_msg("this is not what %s holds", path);
	}
	free(kept);
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "report/source.h"

struct world {
	char directory[64], root[80], outside[80];
	struct source_cache *cache; /* of root */
};

static const char *path(const char *directory, const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned next;
	char *text = paths[next++ % 4];

	snprintf(text, PATH_MAX, "%s/%s", directory, name);
	return text;
}

static void put(const char *name, const char *text, size_t length)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	strcpy(world->directory, "/tmp/memwatch-source-XXXXXX");
	assert_non_null(mkdtemp(world->directory));
	snprintf(world->root, sizeof(world->root), "%s/root", world->directory);
	snprintf(world->outside, sizeof(world->outside), "%s/outside.c", world->directory);
	assert_int_equal(mkdir(world->root, 0700), 0);
	put(world->outside, "secret\n", 7);
	world->cache = source_cache__new(world->root);
	assert_non_null(world->cache);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;
	char command[128];

	source_cache__free(world->cache);
	snprintf(command, sizeof(command), "rm -rf %s", world->directory);
	assert_int_equal(system(command), 0);
	free(world);
	return 0;
}

static void lines(void **state)
{
	static const char text[] = "  int a;\t// one\r\n\n\tb\033[31m\302\233\377;  \nlast";
	struct world *world = *state;

	put(path(world->root, "a.c"), text, sizeof(text) - 1);
	assert_string_equal(source_cache__line(world->cache, "/a.c", 1), "int a; // one");
	assert_string_equal(source_cache__line(world->cache, "/a.c", 2), "");
	assert_string_equal(source_cache__line(world->cache, "/a.c", 3), "b?[31m?\357\277\275;");
	assert_string_equal(source_cache__line(world->cache, "/a.c", 4), "last");
	assert_string_equal(source_cache__line(world->cache, "a.c", 4), "last");
	assert_null(source_cache__line(world->cache, "/a.c", 5));
	assert_null(source_cache__line(world->cache, "/a.c", 0));
	assert_null(source_cache__line(world->cache, "/a.c", UINT32_MAX));
	assert_null(source_cache__line(world->cache, "", 1));
	assert_null(source_cache__line(world->cache, "/none.c", 1));
	/* Read once and kept. */
	unlink(path(world->root, "a.c"));
	assert_string_equal(source_cache__line(world->cache, "/a.c", 4), "last");
}

static void own_root(void **state)
{
	struct world *world = *state;
	struct source_cache *cache = source_cache__new("");

	/* What is not in the target's root is looked for under its own name. */
	assert_string_equal(source_cache__line(world->cache, world->outside, 1), "secret");
	assert_string_equal(source_cache__line(cache, world->outside, 1), "secret");
	source_cache__free(cache);
	cache = source_cache__new("/nonexistent/root");
	assert_string_equal(source_cache__line(cache, world->outside, 1), "secret");
	source_cache__free(cache);
	source_cache__free(NULL);
}

static void links_stay_inside(void **state)
{
	struct world *world = *state;

	put(path(world->root, "real.c"), "real\n", 5);
	assert_int_equal(symlink("/real.c", path(world->root, "absolute.c")), 0);
	assert_int_equal(symlink(world->outside, path(world->root, "out.c")), 0);
	assert_int_equal(symlink("../outside.c", path(world->root, "up.c")), 0);
	assert_int_equal(symlink("loop.c", path(world->root, "loop.c")), 0);
	assert_string_equal(source_cache__line(world->cache, "/absolute.c", 1), "real");
	assert_null(source_cache__line(world->cache, "/out.c", 1));
	assert_null(source_cache__line(world->cache, "/up.c", 1));
	assert_null(source_cache__line(world->cache, "/../outside.c", 1));
	assert_null(source_cache__line(world->cache, "/loop.c", 1));
}

/* A hang here is the failure. */
static void only_regular_files(void **state)
{
	struct world *world = *state;
	int fd;

	alarm(10);
	assert_int_equal(mkfifo(path(world->root, "fifo.c"), 0600), 0);
	assert_int_equal(mkdir(path(world->root, "directory.c"), 0700), 0);
	put(path(world->root, "empty.c"), "", 0);
	put(path(world->root, "large.c"), "large\n", 6);
	fd = open(path(world->root, "large.c"), O_WRONLY);
	assert_int_equal(ftruncate(fd, (16 << 20) + 1), 0);
	close(fd);
	assert_null(source_cache__line(world->cache, "/fifo.c", 1));
	assert_null(source_cache__line(world->cache, "/directory.c", 1));
	assert_null(source_cache__line(world->cache, "/empty.c", 1));
	assert_null(source_cache__line(world->cache, "/large.c", 1));
	assert_null(source_cache__line(world->cache, "/dev/zero", 1));
	assert_null(source_cache__line(world->cache, "/proc/kmsg", 1));
	assert_null(source_cache__line(world->cache, "/proc/self/cmdline", 1));
	alarm(0);
}

static void the_oldest_goes(void **state)
{
	struct world *world = *state;
	char name[32];

	for (int i = 0; i < 65; i++) {
		snprintf(name, sizeof(name), "%d.c", i);
		put(path(world->root, name), "kept\n", 5);
		assert_string_equal(source_cache__line(world->cache, name, 1), "kept");
		assert_string_equal(source_cache__line(world->cache, "0.c", 1), "kept");
		unlink(path(world->root, name));
	}
	assert_null(source_cache__line(world->cache, "1.c", 1));
	assert_string_equal(source_cache__line(world->cache, "0.c", 1), "kept");
	assert_string_equal(source_cache__line(world->cache, "64.c", 1), "kept");
}

static void long_lines(void **state)
{
	struct world *world = *state;
	char text[3001];
	const char *line;

	for (size_t i = 0; i < 3000; i += 3)
		memcpy(text + i, "…", 3);
	put(path(world->root, "long.c"), text, 3000);
	line = source_cache__line(world->cache, "/long.c", 1);
	assert_non_null(line);
	assert_int_equal(strlen(line), 1023); /* whole characters only */
	assert_null(strstr(line, "\357\277\275"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(own_root, set_up, tear_down),
		cmocka_unit_test_setup_teardown(links_stay_inside, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_regular_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_oldest_goes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_lines, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/perf_map.h"

#include <sys/stat.h>
#include "symbolize_support.h"

static struct perf_map *parse(const char *text)
{
	struct perf_map *map = perf_map__new(getpid(), "/nonexistent", NULL);

	assert_non_null(map);
	assert_int_equal(perf_map__parse(map, text, strlen(text)), 0);
	return map;
}

static void lines(void **state)
{
	struct perf_map *map = parse("7f0010 20 LazyCompile:~f a.js:1\n0x7f0100 0x10 g\n  7f0200\t8   h i\n");

	(void)state;
	assert_string_equal(perf_map__find(map, 0x7f0010), "LazyCompile:~f a.js:1");
	assert_string_equal(perf_map__find(map, 0x7f002f), "LazyCompile:~f a.js:1");
	assert_null(perf_map__find(map, 0x7f0030));
	assert_null(perf_map__find(map, 0x7f000f));
	assert_string_equal(perf_map__find(map, 0x7f0108), "g");
	assert_string_equal(perf_map__find(map, 0x7f0207), "h i");
	perf_map__free(map);
}

/* Code that was moved leaves its old line behind. */
static void last_line_wins(void **state)
{
	struct perf_map *map = parse("1000 100 old\n1010 10 newer\n1008 40 newest\n2000 10 a\n1ff0 100 b\n");

	(void)state;
	assert_string_equal(perf_map__find(map, 0x1000), "old");
	assert_string_equal(perf_map__find(map, 0x1010), "newest");
	assert_string_equal(perf_map__find(map, 0x1050), "old");
	assert_string_equal(perf_map__find(map, 0x2000), "b");
	perf_map__free(map);
}

static void nonsense(void **state)
{
	struct perf_map *map =
		parse("\n\n zzz\n1000\n1000 \n1000 10\n1000 10 \nffffffffffffffff 10 wraps\n"
		      "11111111111111111 10 wide\n3000 0 empty\n4000 10 ok\n5000 10 no newline");

	(void)state;
	assert_null(perf_map__find(map, 0x1000));
	assert_null(perf_map__find(map, UINT64_MAX));
	assert_null(perf_map__find(map, 0x3000));
	assert_null(perf_map__find(map, 0x5000));
	assert_string_equal(perf_map__find(map, 0x4000), "ok");
	perf_map__free(map);
}

static void long_line(void **state)
{
	char *text = malloc(100020);
	struct perf_map *map;

	(void)state;
	memset(text, 'x', 100019);
	memcpy(text, "1000 10 ", 8);
	strcpy(text + 100000, "\n2000 10 y\n");
	map = parse(text);
	assert_int_equal(strlen(perf_map__find(map, 0x1000)), 4096);
	assert_string_equal(perf_map__find(map, 0x2000), "y");
	perf_map__free(map);
	free(text);
}

static void read_file(void **state)
{
	char *directory = make_directory(), name[64], path[256];
	struct perf_map *map = perf_map__new(getpid(), directory, NULL);

	(void)state;
	snprintf(name, sizeof(name), "perf-%d.map", (int)getpid());
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	write_file(directory, name, "1000 10 f\n", 10);
	perf_map__refresh(map);
	assert_string_equal(perf_map__find(map, 0x1000), "f");
	assert_int_equal(perf_map__generation(map), 1);
	/* Not again within a second, however often asked. */
	write_file(directory, name, "1000 10 f\n2000 10 g\n", 20);
	perf_map__refresh(map);
	assert_null(perf_map__find(map, 0x2000));
	usleep(1010000);
	perf_map__refresh(map);
	assert_string_equal(perf_map__find(map, 0x2000), "g");
	/* What was known stays when the file goes. */
	assert_int_equal(unlink(path), 0);
	usleep(1010000);
	perf_map__refresh(map);
	assert_string_equal(perf_map__find(map, 0x2000), "g");
	perf_map__free(map);
	remove_directory(directory);
}

/* Each of these would hang, mislead or kill a reader that trusts the name. */
static void planted_files(void **state)
{
	char *directory = make_directory();

	(void)state;
	setenv("PID", "", 1);
	for (int kind = 0; kind < 4; kind++) {
		struct perf_map *map = perf_map__new(getpid(), directory, NULL);
		char path[256];

		snprintf(path, sizeof(path), "%s/perf-%d.map", directory, (int)getpid());
		unlink(path);
		rmdir(path);
		if (kind == 0) {
			assert_int_equal(mkfifo(path, 0600), 0);
		} else if (kind == 1) {
			write_file(directory, "other", "1000 10 f\n", 10);
			assert_int_equal(symlink("other", path), 0);
		} else if (kind == 2) {
			assert_int_equal(mkdir(path, 0700), 0);
		} else {
			rmdir(path);
			write_file(directory, strrchr(path, '/') + 1, "1000 10 f\n", 10);
			/* Only root can give files away; for others the file stays their own and is read. */
			if (chown(path, 12345, 12345) != 0) {
				perf_map__free(map);
				break;
			}
		}
		perf_map__refresh(map);
		assert_null(perf_map__find(map, 0x1000));
		perf_map__free(map);
	}
	remove_directory(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),     cmocka_unit_test(last_line_wins),
		cmocka_unit_test(nonsense),  cmocka_unit_test(long_line),
		cmocka_unit_test(read_file), cmocka_unit_test(planted_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

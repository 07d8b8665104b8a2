// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "target/maps.h"

static const char sample[] =
	"55d4b4a00000-55d4b4a02000 r-xp 00001000 fd:01 1234                       /usr/bin/a b\n"
	"55d4b4a02000-55d4b4a03000 rw-p 00003000 fd:01 1234                       /usr/bin/a b (deleted)\n"
	"55d4b5000000-55d4b5021000 rw-p 00000000 00:00 0                          [heap]\n"
	"7f0000000000-7f0000001000 rw-s 0000abc000 103:fffff 18446744073709551615   /memfd:x\\012y "
	"(deleted)\n"
	"7f0000001000-7f0000002000 ---p 00000000 00:00 0 \n"
	"7f0000002000-7f0000003000 rw-p 00000000 00:00 0\n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]";

static void every_field(void **state)
{
	struct error error = {0};
	struct maps maps = {0};

	(void)state;
	assert_int_equal(maps__parse(sample, sizeof(sample) - 1, &maps, &error), 0);
	assert_int_equal(maps.count, 7);
	assert_int_equal(maps.items[0].start, 0x55d4b4a00000);
	assert_int_equal(maps.items[0].end, 0x55d4b4a02000);
	assert_int_equal(maps.items[0].offset, 0x1000);
	assert_int_equal(maps.items[0].device, makedev(0xfd, 1));
	assert_int_equal(maps.items[0].inode, 1234);
	assert_int_equal(maps.items[0].flags, MAPPING_READ | MAPPING_EXEC);
	assert_string_equal(maps.items[0].path, "/usr/bin/a b");
	assert_false(maps.items[0].deleted);
	assert_string_equal(maps.items[1].path, "/usr/bin/a b");
	assert_true(maps.items[1].deleted);
	assert_string_equal(maps.items[2].path, "[heap]");
	assert_int_equal(maps.items[2].inode, 0);
	assert_int_equal(maps.items[3].device, makedev(0x103, 0xfffff));
	assert_true(maps.items[3].inode == UINT64_MAX);
	assert_string_equal(maps.items[3].path, "/memfd:x\\012y");
	assert_int_equal(maps.items[4].flags, 0);
	assert_string_equal(maps.items[4].path, "");
	assert_string_equal(maps.items[5].path, "");
	assert_true(maps.items[6].end == 0xffffffffff601000);
	maps__free(&maps);
	assert_null(maps.items);
	maps__free(&maps);
}

static void find_by_address(void **state)
{
	struct maps maps = {0};

	(void)state;
	assert_null(maps__find(&maps, 0));
	assert_int_equal(maps__parse(sample, sizeof(sample) - 1, &maps, NULL), 0);
	assert_null(maps__find(&maps, 0));
	assert_null(maps__find(&maps, 0x55d4b49fffff));
	assert_ptr_equal(maps__find(&maps, 0x55d4b4a00000), &maps.items[0]);
	assert_ptr_equal(maps__find(&maps, 0x55d4b4a01fff), &maps.items[0]);
	assert_ptr_equal(maps__find(&maps, 0x55d4b4a02000), &maps.items[1]);
	assert_null(maps__find(&maps, 0x55d4b4a03000));
	assert_ptr_equal(maps__find(&maps, 0xffffffffff600fff), &maps.items[6]);
	assert_null(maps__find(&maps, UINT64_MAX));
	maps__free(&maps);
}

static void malformed_lines(void **state)
{
	static const char *const lines[] = {
		"",
		"rubbish",
		"1000-2000",
		"1000-2000 r-xp",
		"1000 2000 r-xp 0 0:0 0",
		"2000-1000 r-xp 0 0:0 0",
		"1000-1000 r-xp 0 0:0 0",
		"1000-2000 rxxp 0 0:0 0",
		"1000-2000 r-xq 0 0:0 0",
		"1000-2000 r-xp 0 0:0 abc",
		"1000-2000 r-xp 0 00 0",
		"1000-2000 r-xp 0 0:0 0/path",
		"-2000 r-xp 0 0:0 0",
		"0x1000-2000 r-xp 0 0:0 0",
		"10000000000000000-20000000000000000 r-xp 0 0:0 0",
		"1000-2000 r-xp 0 0:0 18446744073709551616",
		"1000-2000 r-xp 0 100000000:0 0",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct error error = {0};
		struct maps maps = {0};
		char text[256];

		snprintf(text, sizeof(text), "100-200 r-xp 0 0:0 0\n%s\n", lines[i]);
		if (maps__parse(text, strlen(text), &maps, &error) != -EINVAL)
			fail_msg("accepted: '%s'", lines[i]);
		assert_null(maps.items);
		assert_int_not_equal(error.text[0], '\0');
	}
}

static void a_nul_byte_is_refused(void **state)
{
	static const char text[] = "1000-2000 r-xp 0 0:0 0 /a\0b\n";
	struct maps maps = {0};

	(void)state;
	assert_int_equal(maps__parse(text, sizeof(text) - 1, &maps, NULL), -EINVAL);
}

static void overlaps_are_cut(void **state)
{
	static const char text[] = "1000-3000 r-xp 00001000 fd:01 7 /a\n"
				   "1000-3000 r-xp 00001000 fd:01 7 /a\n"
				   "1000-5000 r-xp 00001000 fd:01 7 /a\n"
				   "4000-6000 rw-p 00000000 00:00 0\n";
	struct maps maps = {0};

	(void)state;
	assert_int_equal(maps__parse(text, sizeof(text) - 1, &maps, NULL), 0);
	assert_int_equal(maps.count, 3);
	assert_int_equal(maps.items[1].start, 0x3000);
	assert_int_equal(maps.items[1].end, 0x5000);
	assert_int_equal(maps.items[1].offset, 0x3000);
	assert_int_equal(maps.items[2].start, 0x5000);
	assert_int_equal(maps.items[2].end, 0x6000);
	assert_int_equal(maps.items[2].offset, 0);
	maps__free(&maps);
}

/* A file mapped by ourselves, its name deleted afterwards: stat and mmap say what maps must say. */
static void own_process(void **state)
{
	char directory[] = "/tmp/memwatch-maps-XXXXXX", path[PATH_MAX], *real;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const struct mapping *mapping;
	struct error error = {0};
	struct maps maps = {0};
	struct stat status;
	char *memory;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(directory));
	real = realpath(directory, NULL);
	assert_non_null(real);
	snprintf(path, sizeof(path), "%s/a (b) c", real);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(4 * page)), 0);
	assert_int_equal(fstat(fd, &status), 0);
	memory = mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, fd, (off_t)page);
	assert_true(memory != MAP_FAILED);

	assert_int_equal(maps__read(getpid(), &maps, &error), 0);
	mapping = maps__find(&maps, (uint64_t)(uintptr_t)memory + page);
	assert_non_null(mapping);
	assert_int_equal(mapping->start, (uintptr_t)memory);
	assert_int_equal(mapping->end, (uintptr_t)memory + 2 * page);
	assert_int_equal(mapping->offset, page);
	assert_int_equal(mapping->inode, status.st_ino);
	assert_int_equal(mapping->flags, MAPPING_READ);
	assert_string_equal(mapping->path, path);
	assert_false(mapping->deleted);
	mapping = maps__find(&maps, (uint64_t)(uintptr_t)&own_process);
	assert_non_null(mapping);
	assert_true(mapping->flags & MAPPING_EXEC);

	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
	assert_int_equal(maps__read(getpid(), &maps, &error), 0);
	mapping = maps__find(&maps, (uint64_t)(uintptr_t)memory);
	assert_non_null(mapping);
	assert_string_equal(mapping->path, path);
	assert_true(mapping->deleted);
	maps__free(&maps);
	munmap(memory, 2 * page);
	close(fd);
	free(real);
}

static void ended_process(void **state)
{
	struct error error = {0};
	struct maps maps = {0};
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(maps__read(pid, &maps, &error), -ESRCH);
	assert_non_null(strstr(error.text, "no process"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field),      cmocka_unit_test(find_by_address),
		cmocka_unit_test(malformed_lines),  cmocka_unit_test(a_nul_byte_is_refused),
		cmocka_unit_test(overlaps_are_cut), cmocka_unit_test(own_process),
		cmocka_unit_test(ended_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "snapshot/unwind_files.h"
#include "unwind/unwind_table.h"

#define PAGES 4096

/* A pool whose pages are in place, so that it asks the kernel for none. */
static struct unwind_pool made_pool(void)
{
	struct unwind_pool pool = {.outer = -1};

	pool.pages = calloc(PAGES, sizeof(*pool.pages));
	assert_non_null(pool.pages);
	assert_int_equal(vec_push(&pool.free, ((struct unwind_run){1, PAGES - 1})), 0);
	return pool;
}

static void free_pool(struct unwind_pool *pool)
{
	free(pool->pages);
	vec_free(&pool->free);
	vec_free(&pool->gone);
}

static size_t read_own(uint8_t **bytes)
{
	size_t size = 0, room = 64u << 20;
	ssize_t got;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	*bytes = malloc(room);
	assert_non_null(*bytes);
	while ((got = read(fd, *bytes + size, room - size)) > 0)
		size += (size_t)got;
	close(fd);
	assert_true(size > 0 && size < room);
	return size;
}

static struct image *made_image(const uint8_t *bytes, size_t size)
{
	struct error error = {0};
	struct image *image;

	if (image__from_memory("copy", bytes, size, &image, &error))
		fail_msg("%s", error.text);
	return image;
}

static struct unwind_file *get(struct unwind_files *files, const struct image *image)
{
	struct error why = {""};
	struct unwind_file *file;

	assert_int_equal(unwind_files__get(files, image, &file, &why), 0);
	assert_string_equal(why.text, "");
	return file;
}

static void copies_share(void **state)
{
	struct unwind_pool pool = made_pool();
	struct unwind_files files = {.pool = &pool};
	struct unwind_file *first, *again, *second;
	struct image *image, *copy;
	uint64_t rows;
	uint8_t *bytes;
	size_t size = read_own(&bytes);

	(void)state;
	image = made_image(bytes, size);
	copy = made_image(bytes, size);
	first = get(&files, image);
	assert_int_not_equal(unwind_file__first(first), 0);
	rows = files.rows;
	assert_true(rows > 100);
	again = get(&files, image);
	assert_ptr_equal(again, first);
	second = get(&files, copy);
	assert_ptr_not_equal(second, first);
	assert_int_equal(unwind_file__first(second), unwind_file__first(first));
	assert_int_equal(unwind_file__base(second), unwind_file__base(first));
	assert_int_equal(files.rows, rows);
	assert_int_equal(unwind_files__count_tables(&files), 1);

	/* The table stays for as long as one of them is held. */
	unwind_files__put(&files, first);
	unwind_files__put(&files, second);
	assert_int_equal(files.unused, 1);
	unwind_files__drop_unused(&files, UINT64_MAX, SIZE_MAX);
	assert_int_equal(files.unused, 0);
	assert_int_equal(unwind_files__count_tables(&files), 1);
	assert_int_equal(pool.gone.count, 0);
	unwind_files__put(&files, again);
	/* … and a while longer. */
	unwind_files__drop_unused(&files, 1, SIZE_MAX);
	unwind_files__drop_unused(&files, UINT64_MAX, 0);
	assert_int_equal(unwind_files__count_tables(&files), 1);
	again = get(&files, image);
	assert_int_equal(files.unused, 0);
	assert_int_equal(files.rows, rows);
	unwind_files__put(&files, again);
	unwind_files__drop_unused(&files, UINT64_MAX, SIZE_MAX);
	assert_int_equal(unwind_files__count_tables(&files), 0);
	assert_int_equal(files.rows, 0);
	assert_int_equal(pool.gone.count, 1);
	unwind_files__free(&files);
	image__put(image);
	image__put(copy);
	free(bytes);
	free_pool(&pool);
}

/* Where the .eh_frame of @image says that something is at CFA - 16. */
static size_t find_instruction(const struct image *image, const uint8_t *bytes)
{
	static const uint8_t push_rbp[] = {0x0e, 0x10, 0x86, 0x02};
	struct cfi_section section;
	struct error error = {0};
	const uint8_t *found;
	uint64_t offset = 0;

	assert_int_equal(frames__read_eh(image, &section, &error), 0);
	found = memmem(section.bytes, section.size, push_rbp, sizeof(push_rbp));
	assert_non_null(found);
	assert_true(image__offset_of(image, section.vaddr + (uint64_t)(found - section.bytes), &offset));
	assert_memory_equal(bytes + offset, push_rbp, sizeof(push_rbp));
	free((void *)section.bytes);
	return offset;
}

/* One byte of difference, and all else the same: build id, size, where the sections are. */
static void forgeries_do_not(void **state)
{
	struct unwind_pool pool = made_pool();
	struct unwind_files files = {.pool = &pool};
	struct unwind_file *honest, *forged;
	struct image *image, *other;
	uint8_t *bytes;
	size_t size = read_own(&bytes);

	(void)state;
	image = made_image(bytes, size);
	bytes[find_instruction(image, bytes) + 3] = 3;
	other = made_image(bytes, size);
	assert_int_equal(image->build_id_size, other->build_id_size);
	assert_memory_equal(image->build_id, other->build_id, image->build_id_size);
	forged = get(&files, other);
	honest = get(&files, image);
	assert_int_not_equal(unwind_file__first(honest), 0);
	assert_int_not_equal(unwind_file__first(honest), unwind_file__first(forged));
	assert_int_equal(unwind_files__count_tables(&files), 2);
	unwind_files__put(&files, honest);
	unwind_files__put(&files, forged);
	unwind_files__free(&files);
	image__put(image);
	image__put(other);
	free(bytes);
	free_pool(&pool);
}

/* A file that is written while it is mapped is another from then on. */
static void changed_files(void **state)
{
	struct unwind_pool pool = made_pool();
	struct unwind_files files = {.pool = &pool};
	struct unwind_file *before, *after;
	struct image *image;
	uint8_t *bytes;
	size_t size = read_own(&bytes), at;

	(void)state;
	image = made_image(bytes, size);
	before = get(&files, image);
	at = find_instruction(image, bytes);
	usleep(20000); /* the clock of files ticks at least a hundred times a second */
	assert_int_equal(pwrite(image->fd, "\3", 1, (off_t)at + 3), 1);
	after = get(&files, image);
	assert_ptr_not_equal(before, after);
	assert_int_not_equal(unwind_file__first(before), unwind_file__first(after));
	unwind_files__put(&files, before);
	unwind_files__put(&files, after);
	unwind_files__free(&files);
	assert_int_equal(pool.gone.count, 2);
	image__put(image);
	free(bytes);
	free_pool(&pool);
}

/* What has no table is remembered, and takes no pages. */
static void without_frames(void **state)
{
	Elf64_Ehdr header = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_ehsize = sizeof(header)};
	struct unwind_pool pool = made_pool();
	struct unwind_files files = {.pool = &pool};
	struct image *image = made_image((const uint8_t *)&header, sizeof(header));
	struct unwind_file *file = get(&files, image);

	(void)state;
	assert_int_equal(unwind_file__first(file), 0);
	assert_ptr_equal(get(&files, image), file);
	assert_int_equal(pool.free.items[0].count, PAGES - 1);
	assert_int_equal(unwind_files__count_tables(&files), 0);
	unwind_files__put(&files, file);
	unwind_files__put(&files, file);
	unwind_files__free(&files);
	assert_int_equal(pool.gone.count, 0);
	image__put(image);
	free_pool(&pool);
}

/* Where there is no room the reason is given, and the file is one without a table. */
static void no_room(void **state)
{
	struct unwind_pool pool = made_pool();
	struct unwind_files files = {.pool = &pool};
	struct error why = {""};
	struct unwind_file *file;
	struct image *image;
	uint8_t *bytes;
	size_t size = read_own(&bytes);

	(void)state;
	image = made_image(bytes, size);
	/* As if all chunks were there, and taken. */
	pool.free.count = 0;
	pool.chunks.count = UNWIND_CHUNKS_MAX;
	pool.outer = -1;
	assert_int_equal(unwind_files__get(&files, image, &file, &why), 0);
	assert_non_null(strstr(why.text, "no room for an unwind table"));
	assert_int_equal(unwind_file__first(file), 0);
	unwind_files__put(&files, file);
	unwind_files__free(&files);
	pool.chunks.count = 0;
	image__put(image);
	free(bytes);
	free_pool(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_share),  cmocka_unit_test(forgeries_do_not),
		cmocka_unit_test(changed_files), cmocka_unit_test(without_frames),
		cmocka_unit_test(no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

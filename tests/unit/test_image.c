// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "small_library.h"

static void addresses_and_offsets(void **state)
{
	struct image_segment segments[] = {
		{.vaddr = 0x400000, .memory_size = 0x1000, .offset = 0, .file_size = 0x1000},
		{.vaddr = 0x402800,
		 .memory_size = 0x800,
		 .offset = 0x800,
		 .file_size = 0x800,
		 .executable = true},
		{.vaddr = 0x500000, .memory_size = 0x9000, .offset = 0x2000, .file_size = 0x10},
	};
	struct image image = {.segments = segments, .segment_count = 3};
	uint64_t result = 0;

	(void)state;
	assert_true(image__offset_of(&image, 0x400123, &result));
	assert_int_equal(result, 0x123);
	assert_true(image__offset_of(&image, 0x402801, &result));
	assert_int_equal(result, 0x801);
	assert_false(image__offset_of(&image, 0x3fffff, &result));
	assert_false(image__offset_of(&image, 0x401000, &result));
	assert_true(image__offset_of(&image, 0x50000f, &result));
	assert_int_equal(result, 0x200f);
	assert_false(image__offset_of(&image, 0x500010, &result));
	assert_true(image__vaddr_of(&image, 0x7ff, &result));
	assert_int_equal(result, 0x4007ff);
	/* In both of the first two segments; code is what is looked for. */
	assert_true(image__vaddr_of(&image, 0x800, &result));
	assert_int_equal(result, 0x402800);
	assert_false(image__vaddr_of(&image, 0x1000, &result));
	assert_false(image__vaddr_of(&image, 0x2010, &result));
}

/* --- the C library of this very process: the dynamic linker says what is true
 * ----------------------------------- */

struct search {
	const char *name;
	uint64_t value, hash;
	size_t count;
};

static int search_symbol(const struct image_symbol *symbol, void *context)
{
	struct search *search = context;

	if (!symbol->dynamic)
		return 0;
	search->count++;
	search->hash = search->hash * 31 + symbol->value + strlen(symbol->name);
	if (!strcmp(symbol->name, search->name))
		search->value = symbol->value;
	return 0;
}

/* A function of the C library itself, not of a sanitizer that stands before it. */
static void *c_library_function(void)
{
	void *library = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), *function;

	assert_non_null(library);
	function = dlsym(library, "qsort");
	assert_non_null(function);
	dlclose(library);
	return function;
}

/* Opens the file mapped at @address. */
static int open_at(const void *address, struct image **image, struct error *error)
{
	const struct mapping *mapping;
	struct maps maps = {0};
	int err;

	assert_int_equal(maps__read(getpid(), &maps, error), 0);
	mapping = maps__find(&maps, (uint64_t)(uintptr_t)address);
	assert_non_null(mapping);
	err = image__open_mapping(getpid(), mapping, image, error);
	maps__free(&maps);
	return err;
}

static int compare_build_id(struct dl_phdr_info *info, size_t size, void *context)
{
	const struct image *image = context;
	const ElfW(Nhdr) * note;

	(void)size;
	if (!strstr(info->dlpi_name, "libc.so"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_NOTE || info->dlpi_phdr[i].p_align != 4)
			continue;
		note = (const void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
		if (note->n_type == NT_GNU_BUILD_ID && note->n_descsz == image->build_id_size &&
		    !memcmp((const char *)(note + 1) + 4, image->build_id, note->n_descsz))
			return 1;
	}
	return 0;
}

static void c_library(void **state)
{
	void *address = c_library_function();
	struct search search = {.name = "qsort"};
	struct error error = {0};
	unsigned char code[64];
	struct image *image;
	uint64_t offset;
	struct stat status;
	Dl_info info;

	(void)state;
	assert_true(dladdr(address, &info));
	assert_int_equal(open_at(address, &image, &error), 0);
	assert_int_equal(image->type, ET_DYN);
	assert_int_equal(image__symbols(image, search_symbol, &search, &error), 0);
	assert_int_equal(search.value, (uintptr_t)address - (uintptr_t)info.dli_fbase);
	assert_true(image__offset_of(image, search.value, &offset));
	assert_int_equal(image__read(image, search.value, code, sizeof(code)), sizeof(code));
	assert_memory_equal(code, address, sizeof(code));
	assert_int_not_equal(image->build_id_size, 0);
	assert_int_equal(dl_iterate_phdr(compare_build_id, image), 1);
	assert_int_equal(stat(image->open_path, &status), 0);
	assert_int_equal(status.st_ino, image->inode);
	assert_int_equal(fcntl(image->fd, F_GETFD), FD_CLOEXEC);
	image__put(image);
}

/* Without section headers the same symbols are found by PT_DYNAMIC. */
static void stripped_of_sections(void **state)
{
	struct search with = {.name = "qsort"}, without = {.name = "qsort"};
	struct image *image, *headless;
	struct error error = {0};
	struct stat status;
	Elf64_Ehdr *header;
	char *bytes;

	(void)state;
	assert_int_equal(open_at(c_library_function(), &image, &error), 0);
	assert_int_equal(fstat(image->fd, &status), 0);
	bytes = malloc((size_t)status.st_size);
	assert_non_null(bytes);
	assert_int_equal(pread(image->fd, bytes, (size_t)status.st_size, 0), status.st_size);
	header = (void *)bytes;
	header->e_shoff = 0;
	header->e_shnum = header->e_shstrndx = 0;
	assert_int_equal(image__from_memory("headless", bytes, (size_t)status.st_size, &headless, &error), 0);
	free(bytes);
	assert_int_equal(image__symbols(image, search_symbol, &with, &error), 0);
	assert_int_equal(image__symbols(headless, search_symbol, &without, &error), 0);
	assert_in_range(with.count, 1000, 100000);
	assert_int_equal(with.count, without.count);
	assert_int_equal(with.hash, without.hash);
	assert_int_equal(with.value, without.value);
	assert_int_equal(headless->build_id_size, image->build_id_size);
	assert_memory_equal(headless->build_id, image->build_id, image->build_id_size);
	image__put(headless);
	image__put(image);
}

static void vdso(void **state)
{
	const char *start = (const char *)getauxval(AT_SYSINFO_EHDR);
	struct search search = {.name = "__vdso_clock_gettime"};
	const struct mapping *mapping;
	struct error error = {0};
	struct maps maps = {0};
	struct image *image;

	(void)state;
	assert_non_null(start);
	assert_int_equal(maps__read(getpid(), &maps, &error), 0);
	mapping = maps__find(&maps, (uint64_t)(uintptr_t)start);
	assert_non_null(mapping);
	assert_string_equal(mapping->path, "[vdso]");
	assert_int_equal(image__open_mapping(getpid(), mapping, &image, &error), -ENOENT);
	assert_int_equal(image__from_memory("[vdso]", start, mapping->end - mapping->start, &image, &error),
			 0);
	assert_int_equal(image__symbols(image, search_symbol, &search, &error), 0);
	assert_int_not_equal(search.value, 0);
	image__put(image);
	maps__free(&maps);
}

/* --- files that change under the reader
 * ------------------------------------------------------------------------- */

struct place {
	char directory[64], path[128];
	void *memory;
	size_t size;
};

static void write_file(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	struct small_library library = small_library();
	int fd;

	assert_non_null(place);
	strcpy(place->directory, "/tmp/memwatch-image-XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	snprintf(place->path, sizeof(place->path), "%s/library", place->directory);
	write_file(place->path, &library, sizeof(library));
	fd = open(place->path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	place->size = sizeof(library);
	place->memory = mmap(NULL, place->size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(place->memory != MAP_FAILED);
	close(fd);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	munmap(place->memory, place->size);
	unlink(place->path);
	rmdir(place->directory);
	free(place);
	return 0;
}

/* In a child without capabilities /proc/PID/map_files is closed: returns what opening gives there. */
static int open_without_capabilities(const struct place *place)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};
	struct error error = {0};
	struct image *image;
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		int err;

		if (syscall(SYS_capset, &header, none))
			_exit(255);
		err = open_at(place->memory, &image, &error);
		image__put(image);
		_exit(-err);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void by_name(void **state)
{
	const struct place *place = *state;
	struct error error = {0};
	struct image *image;

	assert_int_equal(open_without_capabilities(place), 0);
	assert_int_equal(image__open(place->path, &image, &error), 0);
	assert_string_equal(image->path, place->path);
	image__put(image);
}

static void deleted_and_replaced(void **state)
{
	const struct place *place = *state;
	struct error error = {0};
	struct list list = {0};
	struct image *image;
	struct stat status;

	assert_int_equal(unlink(place->path), 0);
	assert_int_equal(open_without_capabilities(place), -ESTALE);
	write_file(place->path, "other", 5);
	assert_int_equal(open_without_capabilities(place), -ESTALE);
	if (geteuid())
		skip();
	assert_int_equal(open_at(place->memory, &image, &error), 0);
	assert_string_equal(image->path, place->path);
	assert_int_equal(stat(place->path, &status), 0);
	assert_int_not_equal(image->inode, status.st_ino);
	assert_int_equal(stat(image->open_path, &status), 0);
	assert_int_equal(image->inode, status.st_ino);
	assert_int_equal(image__symbols(image, note_symbol, &list, &error), 0);
	assert_int_equal(list.count, 4);
	image__put(image);
}

static void cut_short_while_open(void **state)
{
	const struct place *place = *state;
	struct error error = {0};
	struct list list = {0};
	struct image *image;
	char byte;

	assert_int_equal(image__open(place->path, &image, &error), 0);
	assert_int_equal(truncate(place->path, 100), 0);
	assert_int_equal(image__read(image, 0x10000 + 200, &byte, 1), 0);
	assert_int_equal(image__symbols(image, note_symbol, &list, &error), -ENOEXEC);
	assert_int_equal(list.count, 0);
	image__put(image);
}

static void not_regular_files(void **state)
{
	const struct place *place = *state;
	struct error error = {0};
	struct image *image;
	char fifo[160];

	snprintf(fifo, sizeof(fifo), "%s/fifo", place->directory);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	alarm(20); /* opening it would block for ever */
	assert_int_equal(image__open(fifo, &image, &error), -ENOEXEC);
	assert_non_null(strstr(error.text, "not a regular file"));
	assert_int_equal(unlink(fifo), 0);
	assert_int_equal(image__open("/dev/zero", &image, &error), -ENOEXEC);
	assert_int_equal(image__open(place->directory, &image, &error), -ENOEXEC);
	alarm(0);
	assert_int_equal(image__open(fifo, &image, &error), -ENOENT);
	assert_null(image);
}

static void cache(void **state)
{
	const struct place *place = *state;
	struct image *first, *second, *none;
	const struct mapping *mapping;
	struct error error = {0};
	struct maps maps = {0};
	struct mapping wrong;
	pid_t child;
	struct image_cache *images = image_cache__new();

	assert_non_null(images);
	assert_int_equal(maps__read(getpid(), &maps, &error), 0);
	mapping = maps__find(&maps, (uint64_t)(uintptr_t)place->memory);
	assert_int_equal(image_cache__open(images, getpid(), mapping, &first, &error), 0);
	assert_int_equal(image_cache__open(images, getpid(), mapping, &second, &error), 0);
	assert_ptr_equal(first, second);
	assert_int_equal(first->references, 3);
	image__put(second);

	/* What failed for one process is not tried again for it, but is for another one. */
	wrong = *mapping;
	wrong.inode++;
	assert_int_equal(image_cache__open(images, getpid(), &wrong, &none, &error), -ESTALE);
	assert_null(none);
	wrong.path = (char[]){"/another"};
	error.text[0] = '\0';
	assert_int_equal(image_cache__open(images, getpid(), &wrong, &none, &error), -ESTALE);
	assert_non_null(strstr(error.text, place->path));
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	assert_int_equal(image_cache__open(images, child, &wrong, &none, &error), -ENOENT);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);

	/* The caller's reference outlives the cache. */
	image_cache__free(images);
	assert_int_equal(first->references, 1);
	assert_string_equal(first->path, place->path);
	image__put(first);
	maps__free(&maps);
	image_cache__free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_and_offsets),
		cmocka_unit_test(c_library),
		cmocka_unit_test(stripped_of_sections),
		cmocka_unit_test(vdso),
		cmocka_unit_test_setup_teardown(by_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(deleted_and_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cut_short_while_open, set_up, tear_down),
		cmocka_unit_test_setup_teardown(not_regular_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cache, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

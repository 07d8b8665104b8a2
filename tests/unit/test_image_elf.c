// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "small_library.h"

static void handmade_library(void **state)
{
	static const unsigned char id[] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct small_library library = small_library();
	struct list list = {0}, first = {.stop_after = 1};
	struct error error = {0};
	struct image *image;
	unsigned char byte;

	(void)state;
	assert_int_equal(image__from_memory("small", &library, sizeof(library), &image, &error), 0);
	assert_string_equal(image->path, "small");
	assert_string_equal(image->open_path, "");
	assert_int_equal(image->type, ET_DYN);
	assert_int_equal(image->machine, EM_X86_64);
	assert_int_equal(image->elf_class, ELFCLASS64);
	assert_int_equal(image->entry, 0x4321);
	assert_int_equal(image->segment_count, 1);
	assert_true(image->segments[0].executable);
	assert_int_equal(image->build_id_size, 8);
	assert_memory_equal(image->build_id, id, 8);
	assert_int_equal(image__symbols(image, note_symbol, &list, &error), 0);
	assert_string_equal(list.text, "good 10010 32 2 1 1 1\n"
				       "object 10020 8 1 2 1 1\n"
				       "ifunc 10030 4 10 0 1 1\n"
				       "untyped 10080 0 0 1 1 1\n");
	assert_int_equal(image__symbols(image, note_symbol, &first, &error), 77);
	assert_int_equal(first.count, 1);
	/* The last byte of the file, and no more: beyond it is memory that no file backs. */
	assert_int_equal(image__read(image, 0x10000 + sizeof(library) - 1, &byte, 1), 1);
	assert_int_equal(image__read(image, 0x10000 + sizeof(library), &byte, 1), 0);
	assert_int_equal(image__read(image, 0xffff, &byte, 1), 0);
	image__put(image__get(image));
	image__put(image);
	image__put(NULL);
}

/* What an attacker would change, and that it is found out, or does no harm. */
static void corrupt_headers(void **state)
{
	struct small_library library;
	struct error error = {0};
	struct list list = {0};
	struct image *image;

	(void)state;
#define REFUSED(field, value)                                                                                \
	do {                                                                                                 \
		library = small_library();                                                                   \
		library.field = (value);                                                                     \
		error.text[0] = '\0';                                                                        \
		assert_int_equal(image__from_memory("bad", &library, sizeof(library), &image, &error),       \
				 -ENOEXEC);                                                                  \
		assert_null(image);                                                                          \
		assert_memory_equal(error.text, "bad: ", 5);                                                 \
	} while (0)
	REFUSED(header.e_ident[0], 0);
	REFUSED(header.e_ident[EI_CLASS], 3);
	REFUSED(header.e_ident[EI_DATA], ELFDATA2MSB);
	REFUSED(header.e_type, ET_REL);
	REFUSED(header.e_type, ET_CORE);
	REFUSED(header.e_phoff, UINT64_MAX);
	REFUSED(header.e_phoff, sizeof(library) - 1);
	REFUSED(header.e_phnum, PN_XNUM);
	REFUSED(header.e_phentsize, 1);
	REFUSED(segments[0].p_vaddr, UINT64_MAX - 1);
	REFUSED(segments[0].p_offset, UINT64_MAX - 1);
	REFUSED(segments[0].p_filesz, UINT64_MAX);
#undef REFUSED

	/* As many sections as a size can claim. */
	library = small_library();
	library.header.e_shnum = 0;
	library.sections[0].sh_size = UINT32_MAX;
	assert_int_equal(image__from_memory("bad", &library, sizeof(library), &image, &error), -ENOEXEC);

	/* A symbol table that leads out of the file, or to names that are none. */
	for (int i = 0; i < 4; i++) {
		library = small_library();
		if (i == 0)
			library.sections[1].sh_offset = UINT64_MAX - 16;
		else if (i == 1)
			library.sections[1].sh_link = 99;
		else if (i == 2)
			library.sections[1].sh_entsize = 0;
		else
			library.sections[2].sh_size = UINT64_MAX;
		assert_int_equal(image__from_memory("bad", &library, sizeof(library), &image, &error), 0);
		assert_int_equal(image__symbols(image, note_symbol, &list, &error), -ENOEXEC);
		assert_int_equal(list.count, 0);
		image__put(image);
	}

	/* A last name that does not end is not a name; those before it are. */
	library = small_library();
	library.sections[2].sh_size = strlen("?good?object?ifunc?undefined?absolute?section?thread?unty");
	assert_int_equal(image__from_memory("odd", &library, sizeof(library), &image, &error), 0);
	assert_int_equal(image__symbols(image, note_symbol, &list, &error), 0);
	assert_int_equal(list.count, 3);
	image__put(image);

	/* Notes of absurd sizes are no build id. */
	library = small_library();
	library.note.header.n_descsz = UINT32_MAX;
	assert_int_equal(image__from_memory("odd", &library, sizeof(library), &image, &error), 0);
	assert_int_equal(image->build_id_size, 0);
	image__put(image);
}

static int touch_symbol(const struct image_symbol *symbol, void *context)
{
	*(size_t *)context += strlen(symbol->name);
	return 0;
}

/* Every prefix, and each byte changed to each of a few values: no crash, and an error that says something. */
static void truncated_and_flipped(void **state)
{
	static const unsigned char values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	struct small_library library;
	struct error error = {0};
	struct image *image;
	size_t seen = 0;

	(void)state;
	for (size_t size = 0; size < sizeof(library); size++) {
		library = small_library();
		if (!image__from_memory("cut", &library, size, &image, &error))
			image__symbols(image, touch_symbol, &seen, &error);
		image__put(image);
	}
	for (size_t at = 0; at < sizeof(library); at++) {
		for (size_t i = 0; i < sizeof(values); i++) {
			int err;

			library = small_library();
			((unsigned char *)&library)[at] = values[i];
			err = image__from_memory("flipped", &library, sizeof(library), &image, &error);
			assert_true(!err || (err == -ENOEXEC && error.text[0] && !image));
			if (!err)
				image__symbols(image, touch_symbol, &seen, &error);
			image__put(image);
		}
	}
	assert_int_not_equal(seen, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handmade_library),
		cmocka_unit_test(corrupt_headers),
		cmocka_unit_test(truncated_and_flipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

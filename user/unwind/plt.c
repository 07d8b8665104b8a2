// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unwind/plt.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "unwind_abi.h"

#define MAX_PLT (1u << 22) /* 260,000 entries */

#define AT_RSP(offset)  UNWIND_RULE(UNWIND_RSP, (offset) / 8, 0, 0)
#define STUB(pushed_at) UNWIND_RULE(UNWIND_PLT, 1, 0, pushed_at)

/* An entry of a PLT: bytes that are 0 here may be any. */
static const struct form {
	uint8_t bytes[16];
	uint8_t size;
	bool first;        /* the others go there after their push: push GOT+8; jmp *GOT+16 */
	uint8_t pushed_at; /* 0: it pushes nothing */
} forms[] = {
	{{0xff, 0x35, [6] = 0xff, 0x25}, 16, true, 0},
	{{0xff, 0x35, [6] = 0xf2, 0xff, 0x25}, 16, true, 0},
	/* jmp *GOT; push; jmp */
	{{0xff, 0x25, [6] = 0x68, [11] = 0xe9}, 16, false, 11},
	/* endbr64; push; jmp */
	{{0xf3, 0x0f, 0x1e, 0xfa, 0x68, [9] = 0xe9}, 16, false, 9},
	{{0xf3, 0x0f, 0x1e, 0xfa, 0x68, [9] = 0xf2, 0xe9}, 16, false, 9},
	/* push; jmp */
	{{0x68, [5] = 0xf2, 0xe9}, 16, false, 5},
	/* endbr64; jmp *GOT; nop */
	{{0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, [10] = 0x66, 0x0f, 0x1f, 0x44}, 16, false, 0},
	{{0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, [11] = 0x0f, 0x1f, 0x44}, 16, false, 0},
	/* jmp *GOT; nop */
	{{0xff, 0x25, [6] = 0x66, 0x90}, 8, false, 0},
	{{0xf2, 0xff, 0x25, [7] = 0x90}, 8, false, 0},
};

/* Joins it to the one before, where it goes on by the same rule. */
static int add(struct gaps *gaps, uint64_t start, uint64_t end, uint32_t rule)
{
	struct gap *last = gaps->count ? &gaps->items[gaps->count - 1] : NULL;

	if (last && last->end == start && last->rule == rule) {
		last->end = end;
		return 0;
	}
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): room that is reserved is there */
	return vec_push(gaps, ((struct gap){start, end, rule}));
}

static const struct form *find_form(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		size_t same = 0;

		if (forms[i].size > size)
			continue;
		while (same < forms[i].size && (!forms[i].bytes[same] || forms[i].bytes[same] == bytes[same]))
			same++;
		if (same == forms[i].size)
			return &forms[i];
	}
	return NULL;
}

/* Up to what is not known: retpolines, and whatever other linkers make up. */
static int add_entries(struct gaps *gaps, const uint8_t *bytes, size_t size, uint64_t vaddr)
{
	const struct form *form;
	int err = 0;

	for (size_t at = 0; !err && (form = find_form(bytes + at, size - at)); at += form->size) {
		uint64_t start = vaddr + at, end = start + form->size;

		/* Further down such an entry is another: one for thread-local variables. */
		if (form->first ? at : form->pushed_at && start % 16)
			break;
		if (form->first) {
			err = add(gaps, start, start + 6, AT_RSP(16));
			err = err ? err : add(gaps, start + 6, end, AT_RSP(24));
		} else {
			err = add(gaps, start, end, form->pushed_at ? STUB(form->pushed_at) : AT_RSP(8));
		}
	}
	return err;
}

static int add_section(struct gaps *gaps, const struct image *image, const GElf_Shdr *header)
{
	uint8_t *bytes;
	ssize_t got;
	int err = 0;

	if (!header->sh_size || header->sh_size > MAX_PLT || !image__is_code(image, header->sh_addr))
		return 0;
	bytes = malloc(header->sh_size);
	if (!bytes)
		return -ENOMEM;
	got = image__read(image, header->sh_addr, bytes, header->sh_size);
	if (got > 0)
		err = add_entries(gaps, bytes, (size_t)got, header->sh_addr);
	free(bytes);
	return got < 0 ? (int)got : err;
}

int plt__find(const struct image *image, struct gaps *gaps)
{
	static const char *const wanted[] = {".plt", ".plt.got", ".plt.sec", ".plt.bnd", ".iplt"};
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;
	int err = 0;

	if (!image->has_sections || elf_getshdrstrndx(image->elf, &names))
		return 0;
	while (!err && (section = elf_nextscn(image->elf, section))) {
		const char *name;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_PROGBITS ||
		    !(header.sh_flags & SHF_EXECINSTR))
			continue;
		name = elf_strptr(image->elf, names, header.sh_name);
		for (size_t i = 0; name && !err && i < sizeof(wanted) / sizeof(*wanted); i++) {
			if (!strcmp(name, wanted[i]))
				err = add_section(gaps, image, &header);
		}
	}
	return err;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A library of our own making, byte by byte, some of whose symbols are not to be seen. */
#ifndef MEMWATCH_TESTS_SMALL_LIBRARY_H
#define MEMWATCH_TESTS_SMALL_LIBRARY_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "target/image.h"

#define NAMES "\0good\0object\0ifunc\0undefined\0absolute\0section\0thread\0untyped\0"

struct small_library {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	struct {
		Elf64_Nhdr header;
		char name[4];
		unsigned char id[8];
	} note;
	Elf64_Sym symbols[11];
	char names[sizeof(NAMES)];
	Elf64_Shdr sections[3] __attribute__((aligned(8)));
};

static inline struct small_library small_library(void)
{
	const uint16_t here = 1;
	struct small_library library = {
		.header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			   .e_type = ET_DYN,
			   .e_machine = EM_X86_64,
			   .e_version = EV_CURRENT,
			   .e_entry = 0x4321,
			   .e_phoff = offsetof(struct small_library, segments),
			   .e_shoff = offsetof(struct small_library, sections),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 2,
			   .e_shentsize = sizeof(Elf64_Shdr),
			   .e_shnum = 3},
		.segments = {{.p_type = PT_LOAD,
			      .p_flags = PF_R | PF_X,
			      .p_offset = 0,
			      .p_vaddr = 0x10000,
			      .p_filesz = sizeof(struct small_library),
			      .p_memsz = 2 * sizeof(struct small_library)},
			     {.p_type = PT_NOTE,
			      .p_offset = offsetof(struct small_library, note),
			      .p_filesz = 24,
			      .p_align = 4}},
		.note = {.header = {4, 8, NT_GNU_BUILD_ID}, .name = "GNU", .id = {1, 2, 3, 4, 5, 6, 7, 8}},
		.symbols = {{0},
			    {1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, here, 0x10010, 32},
			    {6, ELF64_ST_INFO(STB_WEAK, STT_OBJECT), 0, here, 0x10020, 8},
			    {13, ELF64_ST_INFO(STB_LOCAL, STT_GNU_IFUNC), 0, here, 0x10030, 4},
			    {19, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, SHN_UNDEF, 0x10040, 4},
			    {29, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, SHN_ABS, 0x10050, 4},
			    {38, ELF64_ST_INFO(STB_LOCAL, STT_SECTION), 0, here, 0x10060, 4},
			    {46, ELF64_ST_INFO(STB_GLOBAL, STT_TLS), 0, here, 0x10070, 4},
			    {53, ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE), 0, here, 0x10080, 0},
			    {0x7fffffff, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, here, 0x10090, 4},
			    {0, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, here, 0x100a0, 4}},
		.names = NAMES,
		.sections = {{0},
			     {.sh_type = SHT_DYNSYM,
			      .sh_offset = offsetof(struct small_library, symbols),
			      .sh_size = 11 * sizeof(Elf64_Sym),
			      .sh_link = 2,
			      .sh_entsize = sizeof(Elf64_Sym)},
			     {.sh_type = SHT_STRTAB,
			      .sh_offset = offsetof(struct small_library, names),
			      .sh_size = sizeof(NAMES)}},
	};

	return library;
}

/* Symbols seen, one line each. */
struct list {
	char text[1024];
	size_t count;
	int stop_after;
};

static inline int note_symbol(const struct image_symbol *symbol, void *context)
{
	struct list *list = context;
	size_t used = strlen(list->text);

	snprintf(list->text + used, sizeof(list->text) - used, "%s %lx %lu %u %u %u %d\n", symbol->name,
		 symbol->value, symbol->size, symbol->type, symbol->binding, symbol->section,
		 symbol->dynamic);
	list->count++;
	return list->stop_after && (int)list->count == list->stop_after ? 77 : 0;
}

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/dwarf_file.h"

#include <dwarf.h>
#include <elfutils/libdwelf.h>
#include <stdlib.h>
#include <string.h>
#include "symbolize/dwarf_index.h"
#include "symbolize/dwarf_lines.h"
#include "symbolize/dwarf_walk.h"

/* libdw reads every section of DWARF into memory: what is larger is not opened. */
#define MAX_SECTIONS (2ull << 30)
/* libdw makes 72 bytes of each byte of a line program at worst; the largest units' have a few MiB. */
#define MAX_LINE_PROGRAM (16u << 20)

/*
 * libdw keeps what it has expanded until the file is closed: some 120 bytes for a row, which is three or four
 * bytes of line program. Beyond this much (or half of the sections, where these are larger) the file is
 * closed in between.
 */
#define BYTES_PER_LINE_BYTE 32
#define MAX_EXPANDED        (12u << 20)

struct dwarf_file {
	const struct debug_search *search;
	struct image *debug;
	char *path;
	struct debug_file alternate;
	struct dwarf_index index;
	Elf *elf, *alternate_elf; /* NULL: closed */
	Dwarf *dwarf, *alternate_dwarf;
	Elf_Data *line_programs;
	size_t bytes, expanded;
	bool alternate_sought;
	bool failed; /* opening does not work: not tried again */
};

/*
 * Stands in for an alternate file that was not found. Without one, libdw would look for it by itself and open
 * whatever path the DWARF names. It has one empty-handed section, so that libdw takes it for DWARF.
 */
static const struct {
	Elf64_Ehdr header;
	Elf64_Shdr sections[3];
	char names[32];
	char info[4];
} no_alternate = {
	.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		   .e_type = ET_DYN,
		   .e_machine = EM_X86_64,
		   .e_version = EV_CURRENT,
		   .e_shoff = sizeof(Elf64_Ehdr),
		   .e_ehsize = sizeof(Elf64_Ehdr),
		   .e_shentsize = sizeof(Elf64_Shdr),
		   .e_shnum = 3,
		   .e_shstrndx = 1},
	.sections = {{0},
		     {.sh_name = 1,
		      .sh_type = SHT_STRTAB,
		      .sh_offset = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Shdr),
		      .sh_size = 32},
		     {.sh_name = 11,
		      .sh_type = SHT_PROGBITS,
		      .sh_offset = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Shdr) + 32,
		      .sh_size = 4}},
	.names = "\0.shstrtab\0.debug_info",
};

struct dwarf_file *dwarf_file__new(const struct debug_search *search, struct image *debug, const char *path)
{
	struct dwarf_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->search = search;
	file->path = strdup(path);
	if (!file->path) {
		free(file);
		return NULL;
	}
	file->debug = image__get(debug);
	return file;
}

/* How much memory the DWARF of @elf will take. */
static uint64_t section_bytes(Elf *elf)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr header;
	GElf_Chdr compressed;
	uint64_t total = 0;
	size_t strings;

	if (elf_getshdrstrndx(elf, &strings))
		return 0;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *name;
		uint64_t size;

		if (!gelf_getshdr(scn, &header) || header.sh_type == SHT_NOBITS)
			continue;
		name = elf_strptr(elf, strings, header.sh_name);
		if (!name || (strncmp(name, ".debug_", 7) != 0 && strncmp(name, ".zdebug_", 8) != 0))
			continue;
		size = header.sh_size;
		if ((header.sh_flags & SHF_COMPRESSED) && gelf_getchdr(scn, &compressed))
			size = compressed.ch_size;
		if (__builtin_add_overflow(total, size, &total))
			return UINT64_MAX;
	}
	return total;
}

/* libdw takes the lengths of file names in line tables without looking where the section ends. */
static bool has_ended_strings(Elf *elf)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr header;
	size_t strings;

	if (elf_getshdrstrndx(elf, &strings))
		return false;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *name;
		Elf_Data *data;

		if (!gelf_getshdr(scn, &header) || header.sh_type == SHT_NOBITS)
			continue;
		name = elf_strptr(elf, strings, header.sh_name);
		if (!name || (strcmp(name, ".debug_str") != 0 && strcmp(name, ".debug_line_str") != 0 &&
			      strcmp(name, ".zdebug_str") != 0))
			continue;
		data = elf_getdata(scn, NULL);
		if (data && data->d_buf && data->d_size &&
		    ((const char *)data->d_buf)[data->d_size - 1] != '\0')
			return false;
	}
	return true;
}

/* A descriptor of our own, so that closing it frees what libdw made it read. */
static Dwarf *open_dwarf(int fd, Elf **elf, size_t *bytes)
{
	Dwarf *dwarf = NULL;
	uint64_t size;

	*elf = elf_begin(fd, ELF_C_READ, NULL);
	size = *elf ? section_bytes(*elf) : 0;
	if (size > 0 && size <= MAX_SECTIONS)
		dwarf = dwarf_begin_elf(*elf, DWARF_C_READ, NULL);
	if (dwarf && !has_ended_strings(*elf)) {
		dwarf_end(dwarf);
		dwarf = NULL;
	}
	if (dwarf) {
		*bytes += size;
	} else {
		elf_end(*elf);
		*elf = NULL;
	}
	return dwarf;
}

static void open_alternate(struct dwarf_file *file)
{
	const char *name;
	const void *build_id;
	ssize_t size = dwelf_dwarf_gnu_debugaltlink(file->dwarf, &name, &build_id);

	if (size <= 0)
		return;
	if (!file->alternate_sought) {
		file->alternate_sought = true;
		if (debug_file__find_alternate(file->search, file->path, name, build_id, (size_t)size,
					       &file->alternate))
			log__say(file->search->log, 1, "%s: its alternate debug file %s was not found",
				 file->path, name);
	}
	if (file->alternate.path)
		file->alternate_dwarf = open_dwarf(file->alternate.fd, &file->alternate_elf, &file->bytes);
	if (!file->alternate_dwarf) {
		file->alternate_elf = elf_memory((char *)&no_alternate, sizeof(no_alternate));
		if (file->alternate_elf)
			file->alternate_dwarf = dwarf_begin_elf(file->alternate_elf, DWARF_C_READ, NULL);
	}
	dwarf_setalt(file->dwarf, file->alternate_dwarf);
}

/* After libdw has decompressed it in place, so under either name. */
static Elf_Data *find_line_programs(Elf *elf)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr header;
	size_t strings;

	if (elf_getshdrstrndx(elf, &strings))
		return NULL;
	while ((scn = elf_nextscn(elf, scn))) {
		const char *name = gelf_getshdr(scn, &header) && header.sh_type != SHT_NOBITS
					   ? elf_strptr(elf, strings, header.sh_name)
					   : NULL;

		if (name && (strcmp(name, ".debug_line") == 0 || strcmp(name, ".zdebug_line") == 0))
			return elf_getdata(scn, NULL);
	}
	return NULL;
}

/* Whether the line program of @unit can be expanded without eating all memory. */
static bool has_sane_lines(struct dwarf_file *file, Dwarf_Die *unit)
{
	const Elf_Data *data = file->line_programs;
	uint64_t offset, wide;
	uint32_t length;

	if (!data || !data->d_buf || !dwarf_walk__number(unit, DW_AT_stmt_list, &offset) ||
	    data->d_size < sizeof(length) + sizeof(wide) ||
	    offset > data->d_size - sizeof(length) - sizeof(wide))
		return false;
	memcpy(&length, (const char *)data->d_buf + offset, sizeof(length));
	wide = length;
	/* DWARF 5, 7.4: this length announces the 64-bit format. */
	if (length == UINT32_MAX)
		memcpy(&wide, (const char *)data->d_buf + offset + sizeof(length), sizeof(wide));
	if (wide > MAX_LINE_PROGRAM)
		return false;
	if (dwarf_index__first_use(&file->index, unit))
		file->expanded += wide * BYTES_PER_LINE_BYTE;
	return true;
}

static bool open_file(struct dwarf_file *file)
{
	if (file->dwarf)
		return true;
	if (file->failed)
		return false;
	file->dwarf = open_dwarf(file->debug->fd, &file->elf, &file->bytes);
	if (!file->dwarf) {
		file->failed = true;
		log__say(file->search->log, 1, "%s: its debug information cannot be read", file->path);
		return false;
	}
	file->index.opened++;
	file->line_programs = find_line_programs(file->elf);
	open_alternate(file);
	log__say(file->search->log, 2, "%s: %zu bytes of debug information opened", file->path, file->bytes);
	return true;
}

static size_t resolve(struct dwarf_file *file, uint64_t vaddr, struct string_pool *strings,
		      struct symbol_line *lines)
{
	Dwarf_Die units[8], function;
	size_t count = dwarf_index__units(&file->index, file->dwarf, file->debug, vaddr, units, 8), best = 0;

	for (size_t i = 0; i < count; i++) {
		if (dwarf_index__function(&file->index, file->dwarf, &units[i], vaddr, &function))
			return dwarf_lines__resolve(&units[i], has_sane_lines(file, &units[i]), &function,
						    vaddr, strings, lines, DWARF_FILE_MAX_LINES);
	}
	/* No function, but maybe a line: assembler sources. */
	for (size_t i = 0; i < count && best == 0; i++)
		best = dwarf_lines__resolve(&units[i], has_sane_lines(file, &units[i]), NULL, vaddr, strings,
					    lines, DWARF_FILE_MAX_LINES);
	return best;
}

size_t dwarf_file__resolve(struct dwarf_file *file, uint64_t vaddr, struct string_pool *strings,
			   struct symbol_line lines[DWARF_FILE_MAX_LINES])
{
	size_t count;

	if (!open_file(file))
		return 0;
	count = resolve(file, vaddr, strings, lines);
	if (file->expanded > MAX_EXPANDED && file->expanded > file->bytes / 2)
		dwarf_file__close(file);
	return count;
}

size_t dwarf_file__bytes(const struct dwarf_file *file)
{
	return file->bytes;
}

void dwarf_file__close(struct dwarf_file *file)
{
	dwarf_end(file->dwarf);
	dwarf_end(file->alternate_dwarf);
	elf_end(file->elf);
	elf_end(file->alternate_elf);
	file->dwarf = file->alternate_dwarf = NULL;
	file->elf = file->alternate_elf = NULL;
	file->line_programs = NULL;
	file->bytes = file->expanded = 0;
}

void dwarf_file__free(struct dwarf_file *file)
{
	if (!file)
		return;
	dwarf_file__close(file);
	dwarf_index__free(&file->index);
	debug_file__close(&file->alternate);
	image__put(file->debug);
	free(file->path);
	free(file);
}

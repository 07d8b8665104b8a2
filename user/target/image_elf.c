// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What an image's ELF headers say. The file header is checked before libelf sees the file: libelf allocates
 * and fills memory by the number of sections that a header claims, which may be four thousand million.
 */
#include "target/image_private.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Above what linkers make of programs and libraries: the kernel itself takes no more than 64 KiB of them. */
#define MAX_PROGRAM_HEADERS 1024
/* Object files of -ffunction-sections have tens of thousands; linked files have tens. */
#define MAX_SECTIONS   (1u << 17)
#define MAX_NOTES_SIZE (1u << 20)

#if __BYTE_ORDER != __LITTLE_ENDIAN
#error "the checks of the file header are written for little-endian machines"
#endif

/* The fields of Elf32_Ehdr and Elf64_Ehdr that are checked here. */
struct tables {
	uint64_t program_offset, program_count, program_size;
	uint64_t section_offset, section_count, section_size;
	size_t program_wanted, section_wanted; /* sizes of an entry */
};

int image__corrupt(const struct image *image, struct error *error, const char *what)
{
	return error__set(error, ENOEXEC, "%s: %s", image->path, what);
}

#define READ_TABLES(tables, header, Phdr, Shdr)                                                              \
	do {                                                                                                 \
		*(tables) = (struct tables){                                                                 \
			.program_offset = (header)->e_phoff,                                                 \
			.program_count = (header)->e_phnum,                                                  \
			.program_size = (header)->e_phentsize,                                               \
			.section_offset = (header)->e_shoff,                                                 \
			.section_count = (header)->e_shnum,                                                  \
			.section_size = (header)->e_shentsize,                                               \
			.program_wanted = sizeof(Phdr),                                                      \
			.section_wanted = sizeof(Shdr),                                                      \
		};                                                                                           \
	} while (0)

static int read_header(const struct image *image, struct tables *tables, struct error *error)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr narrow;
		Elf64_Ehdr wide;
	} header = {0};
	ssize_t length = image__pread(image, 0, &header, sizeof(header));

	if (length < 0)
		return error__set(error, (int)-length, "cannot read %s: %s", image->path,
				  strerror((int)-length));
	if (length < EI_NIDENT || memcmp(header.ident, ELFMAG, SELFMAG))
		return image__corrupt(image, error, "not an ELF file");
	if (header.ident[EI_VERSION] != EV_CURRENT || header.ident[EI_DATA] != ELFDATA2LSB)
		return image__corrupt(image, error, "an ELF file of another byte order or version");
	if (header.ident[EI_CLASS] == ELFCLASS64 && length >= (ssize_t)sizeof(header.wide))
		READ_TABLES(tables, &header.wide, Elf64_Phdr, Elf64_Shdr);
	else if (header.ident[EI_CLASS] == ELFCLASS32 && length >= (ssize_t)sizeof(header.narrow))
		READ_TABLES(tables, &header.narrow, Elf32_Phdr, Elf32_Shdr);
	else
		return image__corrupt(image, error, "its ELF header is cut short or of no known class");
	return 0;
}

static bool table_fits(uint64_t offset, uint64_t count, size_t entry, uint64_t file_size)
{
	return offset <= file_size && count <= (file_size - offset) / entry;
}

/*
 * Sets @count to the true number of sections: where it does not fit in e_shnum, it is in the first section
 * header's sh_size (elf(5)). Returns false where there are no section headers, or they lie outside the file.
 */
static bool count_sections(const struct image *image, const struct tables *tables, uint64_t file_size,
			   uint64_t *count)
{
	union {
		Elf32_Shdr narrow;
		Elf64_Shdr wide;
	} first;

	*count = tables->section_count;
	if (!tables->section_offset || tables->section_size != tables->section_wanted ||
	    !table_fits(tables->section_offset, *count ? *count : 1, tables->section_wanted, file_size))
		return false;
	if (*count)
		return true;
	if (image__pread(image, tables->section_offset, &first, tables->section_wanted) !=
	    (ssize_t)tables->section_wanted)
		return false;
	*count = tables->section_wanted == sizeof(first.wide) ? first.wide.sh_size : first.narrow.sh_size;
	return table_fits(tables->section_offset, *count, tables->section_wanted, file_size);
}

static int check_header(struct image *image, uint64_t file_size, struct error *error)
{
	struct tables tables = {0};
	uint64_t sections;
	int err;

	err = read_header(image, &tables, error);
	if (err)
		return err;
	if (tables.program_count > MAX_PROGRAM_HEADERS)
		return image__corrupt(image, error, "too many program headers");
	if (tables.program_count &&
	    (tables.program_size != tables.program_wanted ||
	     !table_fits(tables.program_offset, tables.program_count, tables.program_wanted, file_size)))
		return image__corrupt(image, error, "its program headers lie outside the file");
	image->has_sections = count_sections(image, &tables, file_size, &sections);
	/* Also where they are not to be used: libelf may see them nevertheless. */
	if (sections > MAX_SECTIONS)
		return image__corrupt(image, error, "too many section headers");
	return 0;
}

static int read_segments(struct image *image, struct error *error)
{
	size_t count = 0;
	GElf_Phdr header;
	uint64_t end;

	if (elf_getphdrnum(image->elf, &count))
		return image__corrupt(image, error, elf_errmsg(-1));
	image->segments = calloc(count ? count : 1, sizeof(*image->segments));
	if (!image->segments)
		return error__set(error, ENOMEM, "out of memory for %s", image->path);
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(image->elf, (int)i, &header))
			return image__corrupt(image, error, elf_errmsg(-1));
		if (header.p_type != PT_LOAD)
			continue;
		if (__builtin_add_overflow(header.p_vaddr, header.p_memsz, &end) ||
		    __builtin_add_overflow(header.p_vaddr, header.p_filesz, &end) ||
		    __builtin_add_overflow(header.p_offset, header.p_filesz, &end) || end > INT64_MAX)
			return image__corrupt(image, error, "a segment of it lies outside any address space");
		image->segments[image->segment_count++] = (struct image_segment){
			.vaddr = header.p_vaddr,
			.memory_size = header.p_memsz,
			.offset = header.p_offset,
			.file_size = header.p_filesz,
			.executable = header.p_flags & PF_X,
		};
	}
	return 0;
}

/* Takes the first GNU build id of sane size in @notes. */
static bool take_build_id(struct image *image, Elf_Data *notes)
{
	size_t offset = 0, next, name, description;
	GElf_Nhdr note;

	while ((next = gelf_getnote(notes, offset, &note, &name, &description)) > 0 && next > offset) {
		const char *bytes = notes->d_buf;

		/* What gelf_getnote returned lies within the data, whatever the note says. */
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(ELF_NOTE_GNU) &&
		    !memcmp(bytes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) && note.n_descsz &&
		    note.n_descsz <= sizeof(image->build_id)) {
			memcpy(image->build_id, bytes + description, note.n_descsz);
			image->build_id_size = note.n_descsz;
			return true;
		}
		offset = next;
	}
	return false;
}

/*
 * By the sections first: in a separate debug file the program headers are those of the program, and lead
 * elsewhere. A file without a build id, or whose notes are corrupt, is one that has none.
 */
static void find_build_id(struct image *image)
{
	size_t count = 0;
	Elf_Scn *section = NULL;
	GElf_Phdr segment;
	GElf_Shdr header;
	Elf_Data *notes;

	while (image->has_sections && (section = elf_nextscn(image->elf, section))) {
		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_NOTE ||
		    header.sh_size > MAX_NOTES_SIZE || header.sh_flags & SHF_COMPRESSED)
			continue;
		notes = elf_getdata(section, NULL);
		if (notes && notes->d_buf && take_build_id(image, notes))
			return;
	}
	if (elf_getphdrnum(image->elf, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(image->elf, (int)i, &segment) || segment.p_type != PT_NOTE ||
		    segment.p_offset > INT64_MAX || !segment.p_filesz || segment.p_filesz > MAX_NOTES_SIZE)
			continue;
		notes = elf_getdata_rawchunk(image->elf, (int64_t)segment.p_offset, segment.p_filesz,
					     segment.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
		if (notes && notes->d_buf && take_build_id(image, notes))
			return;
	}
}

int image__parse(struct image *image, uint64_t file_size, struct error *error)
{
	GElf_Ehdr header;
	int err;

	err = check_header(image, file_size, error);
	if (err)
		return err;
	elf_version(EV_CURRENT);
	image->elf = elf_begin(image->fd, ELF_C_READ, NULL);
	if (!image->elf || elf_kind(image->elf) != ELF_K_ELF || !gelf_getehdr(image->elf, &header))
		return image__corrupt(image, error, elf_errmsg(-1));
	if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
		return image__corrupt(image, error, "neither a program nor a library");
	image->type = header.e_type;
	image->machine = header.e_machine;
	image->elf_class = header.e_ident[EI_CLASS];
	image->entry = header.e_entry;
	err = read_segments(image, error);
	if (err)
		return err;
	find_build_id(image);
	if (!image->has_sections)
		image__find_dynamic(image);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An image's symbols: by its section headers, or by PT_DYNAMIC where those were stripped. */
#include "target/image_private.h"

#include <errno.h>
#include <string.h>

/* The largest programs (browsers with all their symbols) have some 300 MB of symbol names. */
#define MAX_TABLE_SIZE (512u << 20)
#define MAX_SYMBOLS    (MAX_TABLE_SIZE / sizeof(Elf64_Sym))
/* Many symbols may share one long name: what visitors have to look at altogether. */
#define MAX_NAMES_SIZE   (2ul * MAX_TABLE_SIZE)
#define MAX_DYNAMIC_SIZE (64u << 10)
#define MAX_BUCKETS      (1u << 24)

/*
 * How much of @strings can hold names: up to its last NUL, so that every name in it ends. Found once for the
 * table: a search for the end of each name would let a hostile table cost its size times the number of
 * symbols.
 */
static size_t names_size(const Elf_Data *strings)
{
	const char *last = strings->d_buf ? memrchr(strings->d_buf, '\0', strings->d_size) : NULL;

	return last ? (size_t)(last - (const char *)strings->d_buf) + 1 : 0;
}

static bool is_wanted(const GElf_Sym *symbol)
{
	/* The value of an absolute symbol is no address in the file, and that of a common one an alignment.
	 */
	if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx == SHN_ABS || symbol->st_shndx == SHN_COMMON)
		return false;
	switch (GELF_ST_TYPE(symbol->st_info)) {
	case STT_NOTYPE:
	case STT_OBJECT:
	case STT_FUNC:
	case STT_GNU_IFUNC:
		return true;
	default:
		return false;
	}
}

static int visit_table(const struct image *image, Elf_Data *symbols, const Elf_Data *strings, bool dynamic,
		       int (*visit)(const struct image_symbol *symbol, void *context), void *context,
		       struct error *error)
{
	size_t count = symbols->d_size / gelf_fsize(image->elf, ELF_T_SYM, 1, EV_CURRENT);
	size_t usable = names_size(strings), length, total = 0;
	GElf_Sym symbol;
	const char *name;
	int stop;

	for (size_t i = 1; i < count && gelf_getsym(symbols, (int)i, &symbol); i++) {
		if (!is_wanted(&symbol) || symbol.st_name >= usable)
			continue;
		name = (const char *)strings->d_buf + symbol.st_name;
		length = strlen(name);
		total += length;
		if (total > MAX_NAMES_SIZE)
			return image__corrupt(image, error, "its symbols' names are too long");
		if (!length)
			continue;
		stop = visit(&(struct image_symbol){.value = symbol.st_value,
						    .size = symbol.st_size,
						    .name = name,
						    .type = GELF_ST_TYPE(symbol.st_info),
						    .binding = GELF_ST_BIND(symbol.st_info),
						    .section = symbol.st_shndx,
						    .dynamic = dynamic},
			     context);
		if (stop)
			return stop;
	}
	return 0;
}

/* The contents of @section if they are of @type and of bearable size. */
static Elf_Data *section_data(Elf_Scn *section, const GElf_Shdr *header, uint32_t type)
{
	if (header->sh_type != type || header->sh_size > MAX_TABLE_SIZE || header->sh_flags & SHF_COMPRESSED)
		return NULL;
	return elf_getdata(section, NULL);
}

/* A file has one table of each type at most (the ELF specification): what comes after the first is not looked
 * at. */
static int visit_sections(const struct image *image, uint32_t type,
			  int (*visit)(const struct image_symbol *symbol, void *context), void *context,
			  struct error *error)
{
	Elf_Scn *section = NULL, *linked;
	GElf_Shdr header, linked_header;
	Elf_Data *symbols, *strings;
	size_t entry = gelf_fsize(image->elf, ELF_T_SYM, 1, EV_CURRENT);

	while ((section = elf_nextscn(image->elf, section))) {
		if (gelf_getshdr(section, &header) && header.sh_type == type)
			break;
	}
	if (!section || !header.sh_size)
		return 0;
	if (header.sh_entsize != entry)
		return image__corrupt(image, error, "its symbol table is corrupt");
	symbols = section_data(section, &header, type);
	linked = elf_getscn(image->elf, header.sh_link);
	strings = linked && gelf_getshdr(linked, &linked_header)
			  ? section_data(linked, &linked_header, SHT_STRTAB)
			  : NULL;
	if (!symbols || !strings)
		return image__corrupt(image, error, "its symbol table is corrupt or too large");
	return visit_table(image, symbols, strings, type == SHT_DYNSYM, visit, context, error);
}

int image__symbols(const struct image *image, int (*visit)(const struct image_symbol *symbol, void *context),
		   void *context, struct error *error)
{
	int stop;

	if (image->has_sections) {
		stop = visit_sections(image, SHT_DYNSYM, visit, context, error);
		return stop ? stop : visit_sections(image, SHT_SYMTAB, visit, context, error);
	}
	if (!image->dynamic_symbols)
		return 0;
	return visit_table(image, image->dynamic_symbols, image->dynamic_strings, true, visit, context,
			   error);
}

/* What PT_DYNAMIC says of the symbols: addresses, and 0 where there is none. */
struct dynamic {
	uint64_t symbols, strings, strings_size, hash, gnu_hash;
};

static bool read_dynamic(const struct image *image, struct dynamic *dynamic)
{
	GElf_Phdr segment = {0};
	size_t count = 0;
	Elf_Data *data;
	GElf_Dyn entry;

	*dynamic = (struct dynamic){0};
	if (elf_getphdrnum(image->elf, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (gelf_getphdr(image->elf, (int)i, &segment) && segment.p_type == PT_DYNAMIC)
			break;
		segment.p_type = PT_NULL;
	}
	if (segment.p_type != PT_DYNAMIC || !segment.p_filesz || segment.p_filesz > MAX_DYNAMIC_SIZE ||
	    segment.p_offset > INT64_MAX)
		return false;
	data = elf_getdata_rawchunk(image->elf, (int64_t)segment.p_offset, segment.p_filesz, ELF_T_DYN);
	for (int i = 0; data && gelf_getdyn(data, i, &entry) && entry.d_tag != DT_NULL; i++) {
		if (entry.d_tag == DT_SYMTAB)
			dynamic->symbols = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_STRTAB)
			dynamic->strings = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_STRSZ)
			dynamic->strings_size = entry.d_un.d_val;
		else if (entry.d_tag == DT_HASH)
			dynamic->hash = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_GNU_HASH)
			dynamic->gnu_hash = entry.d_un.d_ptr;
	}
	return dynamic->symbols && dynamic->strings && dynamic->strings_size;
}

/* Reads @count words at @vaddr; false unless all are there. */
static bool read_words(const struct image *image, uint64_t vaddr, uint32_t *words, size_t count)
{
	return image__read(image, vaddr, words, count * sizeof(*words)) == (ssize_t)(count * sizeof(*words));
}

/* Follows a chain of DT_GNU_HASH, whose last word is odd, from symbol @index on. Returns the symbol after its
 * end. */
static uint64_t end_of_chain(const struct image *image, uint64_t chains, uint64_t first, uint64_t index)
{
	uint32_t words[256];

	while (index < MAX_SYMBOLS) {
		ssize_t got =
			image__read(image, chains + (index - first) * sizeof(*words), words, sizeof(words));

		if (got < (ssize_t)sizeof(*words))
			return 0;
		for (ssize_t i = 0; i < got / (ssize_t)sizeof(*words); i++, index++) {
			if (words[i] & 1)
				return index + 1;
		}
	}
	return 0;
}

/*
 * DT_GNU_HASH does not say how many symbols there are, but the hashed ones come last and in the order of
 * their buckets: the end of the last bucket's chain is the end of the table (binutils, bfd/elflink.c).
 * Returns 0 where it makes no sense.
 */
static uint64_t count_by_gnu_hash(const struct image *image, uint64_t vaddr)
{
	const uint64_t word = image->elf_class == ELFCLASS64 ? 8 : 4;
	uint32_t header[4]; /* buckets, first hashed symbol, bloom filter's words, its shift */
	uint32_t chunk[256];
	uint64_t buckets, last = 0;

	if (!read_words(image, vaddr, header, 4) || header[0] > MAX_BUCKETS)
		return 0;
	/* May wrap around for a hostile vaddr; image__read gives nothing outside the file then. */
	buckets = vaddr + sizeof(header) + header[2] * word;
	for (uint64_t done = 0; done < header[0];) {
		size_t count = header[0] - done < 256 ? (size_t)(header[0] - done) : 256;

		if (!read_words(image, buckets + done * sizeof(*chunk), chunk, count))
			return 0;
		for (size_t i = 0; i < count; i++)
			last = chunk[i] > last ? chunk[i] : last;
		done += count;
	}
	if (!last)
		return header[1];
	if (last < header[1])
		return 0;
	return end_of_chain(image, buckets + header[0] * sizeof(*chunk), header[1], last);
}

static uint64_t count_symbols(const struct image *image, const struct dynamic *dynamic)
{
	uint32_t header[2]; /* DT_HASH: buckets, chains; there is one chain word for each symbol */

	if (dynamic->hash && read_words(image, dynamic->hash, header, 2))
		return header[1];
	return dynamic->gnu_hash ? count_by_gnu_hash(image, dynamic->gnu_hash) : 0;
}

void image__find_dynamic(struct image *image)
{
	size_t entry = gelf_fsize(image->elf, ELF_T_SYM, 1, EV_CURRENT);
	uint64_t symbols, strings, count;
	struct dynamic dynamic;
	Elf_Data *names;

	if (!read_dynamic(image, &dynamic) || dynamic.strings_size > MAX_TABLE_SIZE)
		return;
	count = count_symbols(image, &dynamic);
	if (!count || count > MAX_SYMBOLS || !image__offset_of(image, dynamic.symbols, &symbols) ||
	    !image__offset_of(image, dynamic.strings, &strings))
		return;
	/* libelf gives nothing unless all of it lies within the file. */
	names = elf_getdata_rawchunk(image->elf, (int64_t)strings, dynamic.strings_size, ELF_T_BYTE);
	if (!names)
		return;
	image->dynamic_strings = names;
	image->dynamic_symbols = elf_getdata_rawchunk(image->elf, (int64_t)symbols, count * entry, ELF_T_SYM);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unwind/frames.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "unwind/contexts.h"

/* Programs of 200 MB have some 20 MB of it. */
#define MAX_FRAMES (1ull << 27)

struct place {
	uint64_t vaddr, size;
};

static Elf_Scn *find_section(const struct image *image, const char *wanted, GElf_Shdr *header)
{
	Elf_Scn *section = NULL;
	size_t names;

	if (!image->has_sections || elf_getshdrstrndx(image->elf, &names))
		return NULL;
	while ((section = elf_nextscn(image->elf, section))) {
		const char *name;

		if (!gelf_getshdr(section, header))
			continue;
		name = elf_strptr(image->elf, names, header->sh_name);
		if (name && !strcmp(name, wanted) && header->sh_type != SHT_NOBITS)
			return section;
	}
	return NULL;
}

/* How many bytes of the file follow @vaddr in its segment. */
static uint64_t bytes_behind(const struct image *image, uint64_t vaddr)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];

		if (vaddr >= segment->vaddr && vaddr - segment->vaddr < segment->file_size)
			return segment->file_size - (vaddr - segment->vaddr);
	}
	return 0;
}

/*
 * .eh_frame_hdr: a version, the encodings of the pointer and of a table that is not needed here, the pointer
 * to .eh_frame (LSB, "The .eh_frame_hdr section").
 */
static bool read_index(const struct image *image, uint64_t vaddr, struct place *place)
{
	uint8_t bytes[16] = {0};
	struct cfi_section header = {.bytes = bytes, .size = sizeof(bytes), .vaddr = vaddr};
	struct cursor cursor = {bytes + 4, bytes + sizeof(bytes), false};

	if (image__read(image, vaddr, bytes, sizeof(bytes)) < 8 || bytes[0] != 1)
		return false;
	place->vaddr = cfi__address(&header, &cursor, bytes[1], vaddr);
	place->size = bytes_behind(image, place->vaddr);
	return !cursor.failed && place->size;
}

static bool find_by_segment(const struct image *image, struct place *place)
{
	GElf_Phdr header;
	size_t count = 0;

	if (elf_getphdrnum(image->elf, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (gelf_getphdr(image->elf, (int)i, &header) && header.p_type == PT_GNU_EH_FRAME &&
		    read_index(image, header.p_vaddr, place))
			return true;
	}
	return false;
}

int frames__read_eh(const struct image *image, struct cfi_section *section, struct error *error)
{
	struct place place = {0};
	GElf_Shdr header;
	struct stat file;
	uint8_t *bytes;
	ssize_t got;

	*section = (struct cfi_section){0};
	if (find_section(image, ".eh_frame", &header)) {
		place = (struct place){header.sh_addr, header.sh_size};
	} else {
		if (!find_by_segment(image, &place))
			return 0;
		section->ends_at_zero = true;
	}
	if (fstat(image->fd, &file))
		return error__set(error, errno, "cannot read %s: %s", image->path, strerror(errno));
	/* Whatever the headers say, there is no more than the file. */
	if (place.size > (uint64_t)file.st_size)
		place.size = (uint64_t)file.st_size;
	if (!place.size || place.size > MAX_FRAMES)
		return 0;
	/* Not by libelf, which would keep them for as long as the image is open. */
	bytes = malloc(place.size);
	if (!bytes)
		return error__set(error, ENOMEM, "out of memory for the unwind table of %s", image->path);
	got = image__read(image, place.vaddr, bytes, place.size);
	if (got <= 0) {
		free(bytes);
		return got ? error__set(error, (int)-got, "cannot read %s: %s", image->path,
					strerror((int)-got))
			   : 0;
	}
	section->bytes = bytes;
	section->size = (size_t)got;
	section->vaddr = place.vaddr;
	return 0;
}

void frames__find_debug(const struct image *image, struct cfi_section *section)
{
	Elf_Data *data;
	Elf_Scn *found;
	GElf_Shdr header;
	GElf_Chdr compressed;

	*section = (struct cfi_section){.is_debug = true};
	found = find_section(image, ".debug_frame", &header);
	if (!found || header.sh_size > MAX_FRAMES)
		return;
	/* libelf allocates what the header claims before it looks at the data. */
	if (header.sh_flags & SHF_COMPRESSED &&
	    (!gelf_getchdr(found, &compressed) || compressed.ch_size > MAX_FRAMES ||
	     elf_compress(found, 0, 0) < 0))
		return;
	data = elf_getdata(found, NULL);
	if (!data || !data->d_buf)
		return;
	section->bytes = data->d_buf;
	section->size = data->d_size;
	section->vaddr = header.sh_addr;
}

int call_frames__read(const struct image *image, struct call_frames *frames, struct error *error)
{
	int err;

	*frames = (struct call_frames){0};
	if (image->machine != EM_X86_64 || image->elf_class != ELFCLASS64 || !image->segment_count)
		return 0;
	err = frames__read_eh(image, &frames->eh, error);
	if (err)
		return err;
	frames__find_debug(image, &frames->debug);
	frames->start_context = contexts__find_start(image);
	err = gaps__find(image, &frames->gaps, error);
	if (err)
		call_frames__free(frames);
	return err;
}

void call_frames__free(struct call_frames *frames)
{
	free((void *)frames->eh.bytes);
	gaps__free(&frames->gaps);
	*frames = (struct call_frames){0};
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The entries of .eh_frame and .debug_frame. */
#include "unwind/cfi.h"

#include <dwarf.h>
#include <errno.h>

#define LONG_LENGTH   UINT32_MAX
#define MAX_ENCODINGS 8 /* characters of an augmentation */
/* Ten times what the largest programs have. */
#define MAX_FUNCTIONS (1u << 22)

struct entry {
	size_t offset;
	struct cursor body; /* after the CIE's id, or the FDE's pointer to its CIE */
	bool is_cie;
	uint64_t cie; /* an FDE's: the offset of its CIE */
};

uint64_t cfi__address(const struct cfi_section *section, struct cursor *cursor, uint8_t encoding,
		      uint64_t data_base)
{
	uint64_t place = section->vaddr + (uint64_t)(cursor->at - section->bytes);
	uint64_t value = 0;

	switch (encoding & 0x0f) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		value = cursor__number(cursor, 8);
		break;
	case DW_EH_PE_udata2:
		value = cursor__number(cursor, 2);
		break;
	case DW_EH_PE_udata4:
		value = cursor__number(cursor, 4);
		break;
	case DW_EH_PE_sdata2:
		value = (uint64_t)(int16_t)cursor__number(cursor, 2);
		break;
	case DW_EH_PE_sdata4:
		value = (uint64_t)(int32_t)cursor__number(cursor, 4);
		break;
	case DW_EH_PE_uleb128:
		value = cursor__uleb(cursor);
		break;
	case DW_EH_PE_sleb128:
		value = (uint64_t)cursor__sleb(cursor);
		break;
	default:
		cursor__fail(cursor);
	}
	switch (encoding & 0xf0) {
	case DW_EH_PE_absptr:
		return value;
	case DW_EH_PE_pcrel:
		return value + place;
	case DW_EH_PE_datarel:
		if (data_base)
			return value + data_base;
	}
	/* Relative to a place that is not known here, or read from the program's memory. */
	cursor__fail(cursor);
	return 0;
}

/* Reads the entry at *@offset and moves on. Returns false at the end, and where no next entry can be found.
 */
static bool next_entry(const struct cfi_section *section, size_t *offset, struct entry *entry)
{
	struct cursor cursor = {section->bytes + *offset, section->bytes + section->size, false};
	size_t width = 4;
	uint64_t length, id;
	const uint8_t *body;

	do {
		entry->offset = (size_t)(cursor.at - section->bytes);
		length = cursor__number(&cursor, 4);
		/* crtend.o's end mark, which linkers may leave in the middle. */
	} while (!length && !cursor.failed && !section->ends_at_zero);
	if (length == LONG_LENGTH) {
		length = cursor__number(&cursor, 8);
		width = 8;
	}
	body = cursor__block(&cursor, length);
	if (cursor.failed || !length)
		return false;
	*offset = (size_t)(cursor.at - section->bytes);
	entry->body = (struct cursor){body, body + length, false};
	id = cursor__number(&entry->body, width);
	if (section->is_debug) {
		entry->is_cie = id == (width == 8 ? UINT64_MAX : UINT32_MAX);
		entry->cie = id;
	} else {
		/* The distance backwards from the field itself. */
		entry->is_cie = !id && !entry->body.failed;
		entry->cie = (uint64_t)(body - section->bytes) - id;
	}
	return true;
}

/* Takes in what the letters of @augmentation stand for (LSB, "Augmentation String Format"). */
static bool read_augmentation(const struct cfi_section *section, const char *augmentation,
			      struct cursor *cursor, struct cfi_cie *cie)
{
	struct cursor data;
	uint64_t size;

	cie->encoding = DW_EH_PE_absptr;
	cie->augmented = *augmentation == 'z';
	if (!cie->augmented)
		return !*augmentation;
	size = cursor__uleb(cursor);
	data.at = cursor__block(cursor, size);
	if (!data.at)
		return false;
	data.end = data.at + size;
	data.failed = false;
	for (const char *letter = augmentation + 1; *letter; letter++) {
		uint8_t encoding;

		switch (*letter) {
		case 'R':
			cie->encoding = (uint8_t)cursor__number(&data, 1);
			break;
		case 'P':
			/* Of the personality routine's address only the size is wanted. */
			encoding = (uint8_t)cursor__number(&data, 1);
			cfi__address(section, &data, encoding & 0x0f, 0);
			break;
		case 'L':
			cursor__number(&data, 1);
			break;
		case 'S':
			cie->signal = true;
			break;
		case 'B': /* AArch64's pointer authentication */
			break;
		default:
			return false;
		}
	}
	return !data.failed;
}

static bool read_cie(const struct cfi_section *section, const struct entry *entry, struct cfi_cie *cie)
{
	struct cursor cursor = entry->body;
	const char *augmentation;
	uint64_t version, column;
	const uint8_t *nul;

	*cie = (struct cfi_cie){.offset = entry->offset};
	version = cursor__number(&cursor, 1);
	if (version != 1 && version != 3 && version != 4)
		return false;
	augmentation = (const char *)cursor.at;
	nul = memchr(cursor.at, 0, cursor__rest(&cursor));
	if (!nul || nul - cursor.at > MAX_ENCODINGS)
		return false;
	cursor.at = nul + 1;
	/* Since version 4: the sizes of an address and of a segment selector. */
	if (version == 4 && (cursor__number(&cursor, 1) != 8 || cursor__number(&cursor, 1) != 0))
		return false;
	cie->code_factor = cursor__uleb(&cursor);
	cie->data_factor = cursor__sleb(&cursor);
	column = version == 1 ? cursor__number(&cursor, 1) : cursor__uleb(&cursor);
	if (cursor.failed || column != CFI_RETURN || !read_augmentation(section, augmentation, &cursor, cie))
		return false;
	return !cfi__run_initial(section, cie, cursor.at, cursor__rest(&cursor));
}

static int compare_cies(const void *key, const void *item)
{
	uint64_t offset = *(const uint64_t *)key;
	const struct cfi_cie *cie = item;

	return offset < cie->offset ? -1 : offset > cie->offset;
}

/* FDEs mostly follow their CIE: @last saves the search. */
static const struct cfi_cie *find_cie(const struct cfi *cfi, uint64_t offset, const struct cfi_cie *last)
{
	if (last && last->offset == offset)
		return last;
	if (!cfi->cies.count)
		return NULL;
	return bsearch(&offset, cfi->cies.items, cfi->cies.count, sizeof(*cfi->cies.items), compare_cies);
}

static bool read_fde(const struct cfi_section *section, const struct entry *entry, const struct cfi_cie *cie,
		     struct cfi_fde *fde)
{
	struct cursor cursor = entry->body;
	uint64_t length;

	fde->start = cfi__address(section, &cursor, cie->encoding, 0);
	length = cfi__address(section, &cursor, cie->encoding & 0x0f, 0);
	if (cie->augmented)
		cursor__block(&cursor, cursor__uleb(&cursor));
	if (cursor.failed || !length || length > UINT32_MAX ||
	    __builtin_add_overflow(fde->start, length, &fde->end) || cursor__rest(&cursor) > UINT32_MAX)
		return false;
	fde->instructions = cursor.at;
	fde->size = (uint32_t)cursor__rest(&cursor);
	return true;
}

static int compare_fdes(const void *left, const void *right)
{
	const struct cfi_fde *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	/* Instructions lie in the section's order. */
	return a->instructions < b->instructions ? -1 : a->instructions > b->instructions;
}

int cfi__parse(const struct cfi_section *section, struct cfi *cfi)
{
	const struct cfi_cie *cie = NULL;
	struct cfi_cie read;
	struct cfi_fde fde;
	struct entry entry;
	int err = 0;

	*cfi = (struct cfi){0};
	for (size_t offset = 0; next_entry(section, &offset, &entry);) {
		if (!entry.is_cie || !read_cie(section, &entry, &read))
			continue;
		err = cfi->cies.count == MAX_FUNCTIONS ? -E2BIG : vec_push(&cfi->cies, read);
		if (err)
			goto out;
	}
	for (size_t offset = 0; next_entry(section, &offset, &entry);) {
		if (entry.is_cie || entry.body.failed)
			continue;
		cie = find_cie(cfi, entry.cie, cie);
		if (!cie || !read_fde(section, &entry, cie, &fde))
			continue;
		fde.cie = (uint32_t)(cie - cfi->cies.items);
		err = cfi->fdes.count == MAX_FUNCTIONS ? -E2BIG : vec_push(&cfi->fdes, fde);
		if (err)
			goto out;
	}
	if (cfi->fdes.count)
		qsort(cfi->fdes.items, cfi->fdes.count, sizeof(*cfi->fdes.items), compare_fdes);
out:
	if (err)
		cfi__free(cfi);
	return err;
}

void cfi__free(struct cfi *cfi)
{
	vec_free(&cfi->cies);
	vec_free(&cfi->fdes);
}

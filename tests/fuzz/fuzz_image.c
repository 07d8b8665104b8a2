// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Any bytes as an ELF file: nothing may be read outside them, and whatever is said of them must hold
 * together. */
#include <stdlib.h>
#include <string.h>

#include "target/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct walk {
	const struct image *image;
	size_t count;
};

static int visit(const struct image_symbol *symbol, void *context)
{
	struct walk *walk = context;
	uint64_t offset, vaddr;
	char code[32];

	walk->count++;
	if (!strlen(symbol->name))
		abort();
	if (image__offset_of(walk->image, symbol->value, &offset) &&
	    !image__vaddr_of(walk->image, offset, &vaddr))
		abort();
	if (image__read(walk->image, symbol->value, code, sizeof(code)) > (ssize_t)sizeof(code))
		abort();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct error error = {0};
	struct walk walk = {0};
	struct image *image;
	char buffer[256];
	int err;

	err = image__from_memory("fuzz", bytes, size, &image, &error);
	if (err) {
		if (image || err > 0 || !error.text[0])
			abort();
		return 0;
	}
	walk.image = image;
	image__symbols(image, visit, &walk, &error);
	if (walk.count > 2 * size)
		abort();
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];

		image__read(image, segment->vaddr, buffer, sizeof(buffer));
		if (segment->file_size)
			image__read(image, segment->vaddr + segment->file_size - 1, buffer, sizeof(buffer));
	}
	image__read(image, image->entry, buffer, sizeof(buffer));
	image__put(image);
	return 0;
}

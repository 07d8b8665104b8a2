// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Any bytes as an ELF file with symbols and DWARF, asked for names at the start, middle and end of its
 * segments. */
#include <stdint.h>
#include <string.h>
#include "symbolize/module.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(struct module *module, uint64_t vaddr)
{
	size_t count = 0;
	const struct symbol_line *lines = module__resolve(module, vaddr, &count);

	if (count == 0)
		__builtin_trap();
	for (size_t i = 0; i < count; i++) {
		if (!lines[i].function || !lines[i].linkage || !lines[i].file)
			__builtin_trap();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct debug_search search = {.debug_root = "/nonexistent"};
	struct string_pool *strings = string_pool__new();
	struct module *module;
	struct image *image;

	if (!strings)
		return 0;
	if (image__from_memory("fuzz", data, size, &image, NULL))
		goto out;
	module = module__new(image, &search, strings);
	for (size_t i = 0; module && i < image->segment_count && i < 8; i++) {
		const struct image_segment *segment = &image->segments[i];

		if (!segment->executable)
			continue;
		for (uint64_t step = 0; step < 16; step++)
			ask(module, segment->vaddr + segment->memory_size / 16 * step);
	}
	if (module)
		module__trim(module);
	module__free(module);
	image__put(image);
out:
	string_pool__free(strings);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Any text as /proc/PID/maps: what is accepted must be in order, without overlaps, and found again. */
#include <stdlib.h>

#include "target/maps.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct error error = {0};
	struct maps maps = {0};
	uint64_t end = 0;

	if (maps__parse((const char *)bytes, size, &maps, &error)) {
		if (maps.items || maps.count || !error.text[0])
			abort();
		return 0;
	}
	for (size_t i = 0; i < maps.count; i++) {
		const struct mapping *mapping = &maps.items[i];

		if (mapping->start < end || mapping->end <= mapping->start || !mapping->path)
			abort();
		end = mapping->end;
		if (maps__find(&maps, mapping->start) != mapping ||
		    maps__find(&maps, mapping->end - 1) != mapping ||
		    maps__find(&maps, mapping->end) == mapping)
			abort();
	}
	maps__free(&maps);
	return 0;
}

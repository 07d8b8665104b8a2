// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Any bytes as a JIT compiler's map. */
#include <stdint.h>
#include <string.h>
#include "symbolize/perf_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct perf_map *map = perf_map__new(0, "/nonexistent", NULL);
	uint64_t address;

	if (!map)
		return 0;
	perf_map__parse(map, (const char *)data, size);
	for (size_t i = 0; i + sizeof(address) <= size && i < 64; i++) {
		const char *name;

		memcpy(&address, data + i, sizeof(address));
		name = perf_map__find(map, address & 0xffff);
		if (name && strlen(name) == 0)
			__builtin_trap();
	}
	perf_map__free(map);
	return 0;
}

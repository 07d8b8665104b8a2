// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Any bytes in two rings, from any position on: what comes out is in order, bounded, and well formed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "target/map_records.h"

#define RING_SIZE 4096

static void check(const struct map_event *event, uint64_t *last_ns)
{
	if (event->type == MAP_EVENT_LOST)
		return;
	if (event->time_ns < *last_ns)
		abort();
	*last_ns = event->time_ns;
	if (event->type == MAP_EVENT_MAPPED &&
	    (event->mapping.start >= event->mapping.end || !event->mapping.path))
		abort();
	if (event->type == MAP_EVENT_EXEC && strlen(event->comm) >= sizeof(event->comm))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct map_records records = {0};
	const struct map_event *event;
	uint8_t *ring = calloc(1, RING_SIZE);
	uint64_t tail = 0, last_ns = 0;

	for (int i = 0; ring && i < 2 && size >= sizeof(tail); i++) {
		size_t length;

		memcpy(&tail, data, sizeof(tail));
		data += sizeof(tail);
		size -= sizeof(tail);
		length = size < RING_SIZE ? size : RING_SIZE;
		for (size_t byte = 0; byte < length; byte++)
			ring[(tail + byte) % RING_SIZE] = data[byte];
		map_records__take(&records, ring, RING_SIZE, tail, tail + length);
		data += length;
		size -= length;
	}
	map_records__sort(&records);
	/* Some stay, to be freed. */
	while ((event = map_records__first(&records, UINT64_MAX / 2))) {
		check(event, &last_ns);
		map_records__drop_first(&records);
	}
	map_records__free(&records);
	free(ring);
	return 0;
}

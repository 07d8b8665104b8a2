// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a process can read. */
#include "fake.h"

unsigned char *fake_memory__add(struct fake_memory *memory, __u64 start, __u64 size)
{
	struct fake_region region = {start, size, calloc(1, size)};

	if (vec_push(&memory->regions, region))
		abort();
	return region.bytes;
}

void fake_memory__free(struct fake_memory *memory)
{
	vec_each (region, &memory->regions)
		free(region->bytes);
	vec_free(&memory->regions);
}

static unsigned char *bytes_at(struct fake_memory *memory, __u64 address, size_t size)
{
	vec_each (region, &memory->regions) {
		if (address >= region->start && address - region->start < region->size &&
		    size <= region->size - (address - region->start))
			return region->bytes + (address - region->start);
	}
	return NULL;
}

int fake_memory__read(struct fake_memory *memory, __u64 address, void *to, size_t size)
{
	unsigned char *bytes = bytes_at(memory, address, size);

	if (!bytes)
		return -EFAULT;
	memcpy(to, bytes, size);
	return 0;
}

int fake_memory__write(struct fake_memory *memory, __u64 address, const void *from, size_t size)
{
	unsigned char *bytes = bytes_at(memory, address, size);

	if (!bytes)
		return -EFAULT;
	memcpy(bytes, from, size);
	return 0;
}

void fake_memory__put(struct fake_memory *memory, __u64 address, __u64 word)
{
	if (fake_memory__write(memory, address, &word, sizeof(word)))
		abort();
}

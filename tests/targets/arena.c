// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Loaded late with an allocator of its own, which it alone uses (RTLD_LOCAL, bound symbolically). */
#include <stddef.h>
#include <string.h>

void *malloc(size_t size);
void free(void *block);
void *arena_keep(size_t size);
void arena_release(void *block);

static _Alignas(16) unsigned char arena[1 << 20];
static size_t used;

__attribute__((noinline)) void *malloc(size_t size)
{
	size_t whole = (size + 15) / 16 * 16;
	void *block;

	if (whole < size || whole > sizeof(arena) - used)
		return NULL;
	block = arena + used;
	used += whole;
	return block;
}

__attribute__((noinline)) void free(void *block)
{
	__asm__ volatile("" ::"r"(block) : "memory");
}

void *arena_keep(size_t size)
{
	void *block = malloc(size); /* kept by the arena */

	return block ? memset(block, 1, size) : NULL;
}

void arena_release(void *block)
{
	free(block);
	__asm__ volatile("");
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Loaded late: uses the program's allocator. */
#include <stddef.h>
#include <stdlib.h>

void *plugin_keep(size_t size);

void *plugin_keep(size_t size)
{
	void *block = malloc(size); /* kept by the plugin */

	__asm__ volatile("" : "+r"(block)::"memory");
	return block;
}

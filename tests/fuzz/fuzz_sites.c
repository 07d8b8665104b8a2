// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sites of arbitrary bytes. The choice must lie on a boundary of instructions that are decoded one by one
 *from the start, must be what its fields say, and must not read behind the bytes, which AddressSanitizer sees
 *as they are copied into a block of their own size.
 *
 *	clang -g -O1 -fsanitize=fuzzer,address,undefined -Iuser -Iinclude … fuzz_sites.c
 */
#include <stdlib.h>
#include <string.h>

#include "attach/sites.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint8_t *code, size_t size, uint64_t vaddr, bool wants_return, unsigned arguments)
{
	struct site site;
	size_t offset = 0, length;

	memset(&site, 0xa5, sizeof(site));
	sites__choose(code, size, vaddr, wants_return, arguments, &site);
	if (!memchr(site.instruction, 0, sizeof(site.instruction)) ||
	    !memchr(site.reason, 0, sizeof(site.reason)))
		abort();
	if (site.cost == SITE_REFUSED) {
		if (site.offset || site.sp_adjust)
			abort();
		return;
	}
	if (site.offset >= size || site.offset >= SITES_CHOICE_BYTES || site.sp_adjust > 248 ||
	    (wants_return && site.sp_adjust))
		abort();
	while (offset < site.offset) {
		sites__classify(code + offset, size - offset, vaddr + offset, &length);
		if (!length)
			abort();
		offset += length;
	}
	if (offset != site.offset ||
	    sites__classify(code + offset, size - offset, vaddr + offset, &length) != site.cost ||
	    length > size - offset)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t vaddr = 0x401000;
	uint8_t *code;

	if (size < 2)
		return 0;
	/* some at a page's end, and some where addresses wrap */
	vaddr = data[0] & 0x80 ? UINT64_MAX - data[1] : vaddr + 16 * (uint64_t)data[1];
	code = malloc(size - 2 ? size - 2 : 1);
	if (!code)
		return 0;
	memcpy(code, data + 2, size - 2);
	check(code, size - 2, vaddr, data[0] & 0x40, data[0] % 7);
	free(code);
	return 0;
}

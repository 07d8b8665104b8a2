// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unwind/contexts.h"

#include <stdbool.h>
#include <string.h>

#include "unwind/gaps.h"

#define MAX_CODE  (1u << 24) /* glibc's is 1.4 MB */
#define ALIGNMENT 16         /* of functions that are written by hand (ENTRY, sysdeps/x86/sysdep.h) */

/* Or may have it within. */
static bool is_glibc(const struct image *image)
{
	const char *slash = strrchr(image->path, '/'), *name = slash ? slash + 1 : image->path;

	/* Until 2.33 the file was called by the version. */
	return !strncmp(name, "libc.so.6", 9) || !strncmp(name, "libc-2.", 7) || gaps__starts_alone(image);
}

/* Not 0 where it is found, in *@context. */
static int find_in(const uint8_t *code, size_t size, uint64_t vaddr, void *context)
{
	/* mov %rbx,%rsp; mov (%rsp),%rdi; test %rdi,%rdi: sysdeps/unix/sysv/linux/x86_64/__start_context.S */
	static const uint8_t start[] = {0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x85, 0xff};
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	const uint8_t *found = memmem(code, size, start, sizeof(start));

	if (!found)
		return 0;
	if (found - code >= (ptrdiff_t)sizeof(endbr64) &&
	    !memcmp(found - sizeof(endbr64), endbr64, sizeof(endbr64)))
		found -= sizeof(endbr64);
	vaddr += (uint64_t)(found - code);
	if (vaddr % ALIGNMENT)
		return 0;
	*(uint64_t *)context = vaddr;
	return 1;
}

uint64_t contexts__find_start(const struct image *image)
{
	uint64_t found = 0;

	if (is_glibc(image))
		image__each_code(image, MAX_CODE, find_in, &found);
	return found;
}

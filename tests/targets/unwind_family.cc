// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Every function that allocates, each of which may call another one (unwind_run.h). With WRAPPED, malloc and
 * its like are the program's own, and hand on to libc's.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <new>
#include "unwind_run.h"

#ifdef WRAPPED
/* Found when they are needed first, which is in a constructor of some library. */
template <typename Function> static Function *next(const char *name)
{
	return reinterpret_cast<Function *>(dlsym(RTLD_NEXT, name));
}

extern "C" {
void *malloc(size_t size) noexcept
{
	static auto libcs = next<void *(size_t)>("malloc");
	void *block = libcs(size);

	KEEP(block);
	return block;
}

void free(void *block) noexcept
{
	static auto libcs = next<void(void *)>("free");

	libcs(block);
	KEEP(block);
}

void *realloc(void *block, size_t size) noexcept
{
	static auto libcs = next<void *(void *, size_t)>("realloc");

	block = libcs(block, size);
	KEEP(block);
	return block;
}

/* By another one of the family. */
void *calloc(size_t count, size_t size) noexcept
{
	void *block = malloc(count * size);

	return block ? memset(block, 0, count * size) : NULL;
}
}
#endif

#define CASE(function_name, expression)                                                                      \
	static NOINLINE int leaf_##function_name(int value)                                                  \
	{                                                                                                    \
		size_t size = block_size;                                                                    \
		KEEP(size);                                                                                  \
		kept = expression;                                                                           \
		stand_still();                                                                               \
		KEEP(value);                                                                                 \
		return value;                                                                                \
	}                                                                                                    \
	static int in_##function_name(int value)                                                             \
	{                                                                                                    \
		value = leaf_##function_name(value);                                                         \
		KEEP(value);                                                                                 \
		return value + 1;                                                                            \
	}

static void *aligned_block(size_t size)
{
	void *block;

	return posix_memalign(&block, 256, size) ? NULL : block;
}

static const char *text_of(size_t size)
{
	static char text[16384];

	memset(text, 'x', size - 1);
	text[size - 1] = 0;
	return text;
}

CASE(malloc, malloc(size))
CASE(calloc, calloc(1, size))
CASE(realloc, realloc(NULL, size))
CASE(grown, realloc(opaque(malloc(10)), size))
CASE(reallocarray, reallocarray(NULL, 1, size))
CASE(posix_memalign, aligned_block(size))
CASE(aligned_alloc, aligned_alloc(64, size))
CASE(memalign, memalign(128, size))
CASE(valloc, valloc(size))
CASE(strdup, strdup(text_of(size)))
CASE(strndup, strndup(text_of(size), size))
CASE(new, ::operator new(size))
CASE(new_array, ::operator new[](size))
CASE(new_nothrow, ::operator new(size, std::nothrow))
CASE(new_aligned, ::operator new(size, std::align_val_t(16)))

static const struct unwind_case cases[] = {
	{"malloc", in_malloc, 1},
	{"calloc", in_calloc, 1},
	{"realloc", in_realloc, 1},
	{"grown", in_grown, 1},
	{"reallocarray", in_reallocarray, 1},
	{"posix_memalign", in_posix_memalign, 1},
	{"aligned_alloc", in_aligned_alloc, 1},
	{"memalign", in_memalign, 1},
	{"valloc", in_valloc, 1},
	{"strdup", in_strdup, 1},
	{"strndup", in_strndup, 1},
	{"new", in_new, 1},
	{"new array", in_new_array, 1},
	{"new nothrow", in_new_nothrow, 1},
	{"new aligned", in_new_aligned, 1},
	{"main", in_calloc, 1},
};

int main()
{
	return run_cases(cases, sizeof(cases) / sizeof(cases[0]));
}

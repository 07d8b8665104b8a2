/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The functions that hand out and take back memory, as a table. A new allocator is a row. */
#ifndef MEMWATCH_ATTACH_ALLOCATORS_H
#define MEMWATCH_ATTACH_ALLOCATORS_H

#include <stdbool.h>
#include <stddef.h>
#include "abi.h"

struct allocator_function {
	const char *symbol;
	enum call_kind kind;
	enum domain domain;
	bool cpp; /* an operator new or delete: usually calls malloc or free, and is left alone where it does
		   */
};

extern const struct allocator_function allocator_functions[];
extern const size_t allocator_function_count;

/*
 * Whether it is an operator new that throws when there is no memory. The C++ runtime cannot unwind through a
 * function whose return is probed (the kernel has replaced its return address), so such an exception would
 * end the program.
 */
bool allocators__can_throw(const struct allocator_function *function);

/* The row of @symbol, or NULL. */
const struct allocator_function *allocators__find(const char *symbol);

/*
 * Whether a demangled or C function name is an allocator's own (malloc, operator new,
 * std::allocator<…>::allocate,
 * __gnu_cxx::new_allocator, xmalloc is not), so that a report's line is its caller's.
 */
bool allocators__is_own(const char *function);

#endif

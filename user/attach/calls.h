/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether an operator new or delete hands its work on to the malloc family on every way through it, so that
 * probing it as well would only cost. One way that does its own work is enough to keep it: a probe too many
 * is outermost or nested and counted right, a probe too few loses blocks.
 */
#ifndef MEMWATCH_ATTACH_CALLS_H
#define MEMWATCH_ATTACH_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include "attach/allocators.h"
#include "base/error.h"
#include "target/image.h"

struct calls;

/*
 * Reads @image's relocations: which GOT slots are bound to functions that matter here. @image must outlive
 * the result. Returns 0, -ENOMEM, or -ENOEXEC for an unreadable file.
 */
int calls__new(const struct image *image, struct calls **calls, struct error *error);

/*
 * Tells of a function that the image defines at @vaddr; names that do not matter here are passed over.
 * Returns 0 or -ENOMEM.
 */
int calls__define(struct calls *calls, const char *name, uint64_t vaddr);

/*
 * Whether every way from @vaddr, where @function stands, to a return meets a call of or a jump to a function
 * of the table with the same task (to allocate or to free) at another address. Ways that cannot be followed
 * count against it.
 */
bool calls__always_forwarded(const struct calls *calls, const struct allocator_function *function,
			     uint64_t vaddr);

void calls__free(struct calls *calls); /* NULL is fine */

#endif

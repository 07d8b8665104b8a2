/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the stacks of makecontext(3) end. */
#ifndef MEMWATCH_UNWIND_CONTEXTS_H
#define MEMWATCH_UNWIND_CONTEXTS_H

#include <stdint.h>
#include "target/image.h"

/*
 * The vaddr of __start_context in glibc or a static program, to which a context's function returns though
 * nothing called it from there: it has no symbol, and its call frame information takes what lies on the stack
 * for a return address. 0 in other files, and where its code is not as expected.
 */
uint64_t contexts__find_start(const struct image *image);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The stubs by which calls go to other files' functions, as linkers write them. */
#ifndef MEMWATCH_UNWIND_PLT_H
#define MEMWATCH_UNWIND_PLT_H

#include "target/image.h"
#include "unwind/gaps.h"

/* Adds those of @image to @gaps, up to the first in each section that is not known. Returns 0 or a negative
 * errno. */
int plt__find(const struct image *image, struct gaps *gaps);

#endif

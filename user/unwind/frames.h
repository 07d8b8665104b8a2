/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where an image keeps its call frame information. */
#ifndef MEMWATCH_UNWIND_FRAMES_H
#define MEMWATCH_UNWIND_FRAMES_H

#include "base/error.h"
#include "target/image.h"
#include "unwind/cfi.h"
#include "unwind/gaps.h"

/*
 * Reads .eh_frame: by its section header, or, in files without, by PT_GNU_EH_FRAME. section->bytes is NULL
 * where there is none; else the caller frees it. Returns 0 or a negative errno.
 */
int frames__read_eh(const struct image *image, struct cfi_section *section, struct error *error);

/*
 * Finds .debug_frame, decompressed. section->bytes is NULL where there is none that can be read; else it
 * belongs to the image's libelf handle.
 */
void frames__find_debug(const struct image *image, struct cfi_section *section);

/* All that an unwind table is made of, but for the image's segments. */
struct call_frames {
	struct cfi_section eh, debug;
	uint64_t start_context; /* contexts__find_start */
	struct gaps gaps;
};

/* Nothing in files that are not for x86-64. Returns 0 or a negative errno. */
int call_frames__read(const struct image *image, struct call_frames *frames, struct error *error);
void call_frames__free(struct call_frames *frames);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files that make up an image share, and nobody else includes. */
#ifndef MEMWATCH_TARGET_IMAGE_PRIVATE_H
#define MEMWATCH_TARGET_IMAGE_PRIVATE_H

#include "target/image.h"

/*
 * Reads @size bytes at @offset of the file; fewer only at its end. Returns how many, or a negative errno.
 */
ssize_t image__pread(const struct image *image, uint64_t offset, void *buffer, size_t size);

/* Fills in all that the ELF headers say; @image has path and fd, and the file has @file_size bytes. */
int image__parse(struct image *image, uint64_t file_size, struct error *error);

/* Finds dynamic_symbols and dynamic_strings by PT_DYNAMIC; leaves them NULL where they cannot be found. */
void image__find_dynamic(struct image *image);

/* Fills @error: @image is not what it should be. Returns -ENOEXEC. */
int image__corrupt(const struct image *image, struct error *error, const char *what);

#endif

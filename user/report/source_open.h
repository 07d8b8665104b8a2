/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Opening files whose names a target chose, as root: nothing but regular files, without waiting, and without
 * leaving the target's root by symbolic links. Private to report/.
 */
#ifndef MEMWATCH_REPORT_SOURCE_OPEN_H
#define MEMWATCH_REPORT_SOURCE_OPEN_H

#include <stddef.h>

/* A handle on the directory @root, or a negative errno. */
int source_open__root(const char *root);
void source_open__close(int root); /* negative is fine */

/*
 * The contents of @name below @root, or in memwatch's own root where @root is negative or has no such file.
 * At most
 * @size_max bytes; the caller frees it. NULL where it cannot be read, is empty, too large, or no regular
 * file.
 */
char *source_open__read(int root, const char *name, size_t size_max, size_t *length);

#endif

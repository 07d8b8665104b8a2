/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Source file names as DWARF spells them → as a reader expects them. */
#ifndef MEMWATCH_SYMBOLIZE_PATH_CLEAN_H
#define MEMWATCH_SYMBOLIZE_PATH_CLEAN_H

/*
 * @name, joined to @directory (may be NULL) where it is relative and @directory absolute, without "." and
 * "a/.." and double slashes. Works on the text alone. The caller frees it; NULL: out of memory.
 */
char *path_clean__join(const char *directory, const char *name);

#endif

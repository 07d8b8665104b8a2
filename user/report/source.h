/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Source text by file and line, as Python's linecache: read once, kept, silent where it cannot be read. */
#ifndef MEMWATCH_REPORT_SOURCE_H
#define MEMWATCH_REPORT_SOURCE_H

#include <stdint.h>

struct source_cache;
/*
 * @root: where the target's files are ("/proc/PID/root", or "" for ours). A file that is not there is looked
 * for under its own name. Kept are the 64 files used last, 64 MiB in all; larger files than 16 MiB are not
 * read. NULL: no memory.
 */
struct source_cache *source_cache__new(const char *root);
void source_cache__free(struct source_cache *cache);
/* The line's text without its indentation and line end, control characters made harmless; NULL where unknown.
 */
const char *source_cache__line(struct source_cache *cache, const char *file, uint32_t line);

#endif

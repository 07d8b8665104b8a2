/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Debug files from debuginfod servers, where libdebuginfod is installed and DEBUGINFOD_URLS names one. */
#ifndef MEMWATCH_SYMBOLIZE_DEBUGINFOD_H
#define MEMWATCH_SYMBOLIZE_DEBUGINFOD_H

#include <stddef.h>
#include <stdint.h>

/*
 * The debug file with that build id: an fd to close and, in @path, its name in the client's cache, to free.
 * -ENOENT where there is none; -EOPNOTSUPP where nothing can be asked. Blocks while it downloads, as long as
 * the library's own limits allow (DEBUGINFOD_TIMEOUT).
 */
int debuginfod__find(const uint8_t *build_id, size_t build_id_size, char **path);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the debug information of a stripped file is: by its build id, by .gnu_debuglink, embedded as
 * .gnu_debugdata, or from a debuginfod server; and the file that several share (dwz, .gnu_debugaltlink).
 */
#ifndef MEMWATCH_SYMBOLIZE_DEBUG_FILE_H
#define MEMWATCH_SYMBOLIZE_DEBUG_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/log.h"
#include "target/image.h"

struct debug_search {
	const char *debug_root; /* "/usr/lib/debug"; below the target's root, then below our own */
	pid_t pid;              /* whose root; 0: only our own */
	bool debuginfod;        /* ask, where DEBUGINFOD_URLS is set and the library is installed */
	const struct log *log;
};

struct debug_file {
	struct image *image; /* of a file of the program's own; NULL for an alternate */
	int fd;              /* of an alternate: it is no program, dwz even makes it a relocatable file */
	char *path;          /* NULL: nothing was found */
};

/* Whether @image itself has a non-empty section of that name with contents. */
bool debug_file__has_section(const struct image *image, const char *name);

/*
 * The separate debug file of @image. Its build id, or where only the link names it, its checksum, was
 * checked. Returns 0 or -ENOENT; on 0 debug_file__close is the caller's to call.
 */
int debug_file__find(const struct debug_search *search, const struct image *image, struct debug_file *found);

/* The dwz file with @build_id that @debug names @name. The same results. */
int debug_file__find_alternate(const struct debug_search *search, const char *debug_path, const char *name,
			       const uint8_t *build_id, size_t build_id_size, struct debug_file *found);

void debug_file__close(struct debug_file *file);

/*
 * The symbol table in .gnu_debugdata: an xz-compressed ELF file of at most 64 MiB. Returns 0, -ENOENT where
 * there is none, or another negative errno; @embedded is the caller's to put.
 */
int debug_file__embedded(const struct image *image, struct image **embedded);

#endif

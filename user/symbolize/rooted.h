/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Files by their name in a target's file system, which it may have filled with anything: no link leads out of
 * it, and nothing but a regular file is ever opened (a FIFO would block us, a device may act on being
 * opened).
 */
#ifndef MEMWATCH_SYMBOLIZE_ROOTED_H
#define MEMWATCH_SYMBOLIZE_ROOTED_H

#include <sys/stat.h>
#include <sys/types.h>

/* A handle on the root directory of @pid; 0: our own. Returns an fd to close, or a negative errno. */
int rooted__open_root(pid_t pid);

/*
 * Opens @path below @root for reading, following links as if @root were "/"; @no_links: not even those. Fills
 * @info (may be NULL). Returns an fd to close, or a negative errno; -EINVAL where it is no regular file.
 */
int rooted__open(int root, const char *path, int no_links, struct stat *info);

#endif

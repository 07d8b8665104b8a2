/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pages that unwind tables lie in, as the kernel side reads them. They are mapped here, too, so that a
 * table of a library that was loaded a moment ago is in its place without a system call. Room is added by
 * chunks ahead of need: whenever a map within a map is changed the kernel waits for all programs to end
 * (maybe_wait_bpf_programs), some 10 ms in which stacks through that library would end at it.
 */
#ifndef MEMWATCH_SNAPSHOT_UNWIND_POOL_H
#define MEMWATCH_SNAPSHOT_UNWIND_POOL_H

#include <stdint.h>
#include "base/vec.h"
#include "unwind_abi.h"

struct unwind_run {
	uint32_t first, count; /* pages */
};

struct unwind_pool {
	int outer; /* the map of chunks; borrowed */
	struct unwind_page
		*pages; /* all that there may ever be; address space only, until chunks are added */
	VEC(int) chunks;
	VEC(struct unwind_run) free; /* by rising first, none next to another */
	VEC(struct unwind_run) gone; /* which a program that is still running may read */
};

/* Returns 0 or a negative errno. */
int unwind_pool__init(struct unwind_pool *pool, int outer);
void unwind_pool__free(struct unwind_pool *pool);

/*
 * Takes @count pages that follow one another; *@first gets the number of the first, which is not 0. The
 * caller fills them at pool->pages + *@first. Returns 0, -ENOSPC or another negative errno.
 */
int unwind_pool__take(struct unwind_pool *pool, uint32_t count, uint32_t *first);

/* Gives pages back that no published mapping names any more. Returns 0 or -ENOMEM, with which they are lost.
 */
int unwind_pool__give_back(struct unwind_pool *pool, uint32_t first, uint32_t count);

/* Adds a chunk where less than half of one is free. To be called when nothing waits for it. */
int unwind_pool__stock_up(struct unwind_pool *pool);

/* Bytes of kernel memory. */
uint64_t unwind_pool__bytes(const struct unwind_pool *pool);

#endif

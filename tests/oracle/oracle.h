/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The file that the recorder keeps and the reader reads: header, stripes, modules, sites, blocks, in this
 * order. It is a MAP_SHARED mapping, so it is complete at whatever moment the process ends.
 */
#ifndef MEMWATCH_ORACLE_H
#define MEMWATCH_ORACLE_H

#include <stdint.h>

#define ORACLE_MAGIC   UINT64_C(0x31656c6361726f6d)
#define ORACLE_STRIPES 1024
#define ORACLE_MODULES 2048
#define ORACLE_SITES   65536
#define ORACLE_BLOCKS  (UINT64_C(1) << 22) /* by default: 96 MiB of file, sparse */

struct oracle_header {
	uint64_t magic;
	uint32_t pid, parent;
	uint64_t block_slots;   /* a multiple of ORACLE_STRIPES */
	uint64_t calls;         /* outermost entries into the malloc family */
	uint64_t failed;        /* allocations that the allocator refused */
	uint64_t unknown_frees; /* frees of blocks that are not in these books */
	uint64_t replaced;      /* allocations at an address that the books hold already */
	uint64_t blocks_full;   /* blocks that found no place in these books */
	uint64_t sites_full;
	uint64_t modules_full;
	uint64_t foreign; /* calls from a vfork(2) child: another process on this memory, not recorded */
	uint32_t module_count;
	uint32_t module_lock;
	char exe[512];
};

/* A stripe owns block_slots / ORACLE_STRIPES consecutive blocks. */
struct oracle_stripe {
	uint32_t lock;
	uint32_t used;
	uint64_t reserved[7];
};

/* An executable mapping. Module 0 is the one that holds what no mapping could be found for. */
struct oracle_module {
	uint64_t start, end;
	uint64_t offset; /* in the file */
	char path[488];  /* as /proc/self/maps names it; "" for anonymous memory */
};

/* Outstanding is allocated − freed. A block is freed at the site that allocated it. */
struct oracle_site {
	uint64_t address; /* return address into the caller; 0: free slot */
	uint64_t module;
	uint64_t allocated_bytes, allocated_count;
	uint64_t freed_bytes, freed_count;
	uint64_t reserved[2];
};

struct oracle_block {
	uint64_t address; /* 0: free slot */
	uint64_t size;
	uint64_t site;
};

#define ORACLE_STRIPES_AT 4096
#define ORACLE_MODULES_AT (ORACLE_STRIPES_AT + ORACLE_STRIPES * sizeof(struct oracle_stripe))
#define ORACLE_SITES_AT   (ORACLE_MODULES_AT + ORACLE_MODULES * sizeof(struct oracle_module))
#define ORACLE_BLOCKS_AT  (ORACLE_SITES_AT + ORACLE_SITES * sizeof(struct oracle_site))

_Static_assert(sizeof(struct oracle_header) <= ORACLE_STRIPES_AT, "header");
_Static_assert(sizeof(struct oracle_stripe) == 64, "stripe");
_Static_assert(sizeof(struct oracle_module) == 512, "module");
_Static_assert(sizeof(struct oracle_site) == 64, "site");

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The levels of the table of live blocks. A kernel hash table's buckets are allocated when it is made (16
 * bytes for each entry that it may have: a second and 256 MiB for 16 Mi blocks), so it begins small and grows
 * with the process.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <unistd.h>
#include "memwatch.skel.h"
#include "snapshot/engine_private.h"

#define BYTES_A_BLOCK 112u
#define MOST_LIVE     (26ull << 20)
#define LEAST_LIVE    (1ull << 20)

/* Room of each level, in blocks; the last one takes what is left of --max-live. */
static const uint64_t level_room[LIVE_LEVELS] = {512ull << 10, 2ull << 20, 8ull << 20, 4ull << 30};

uint64_t engine__default_max_live(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);
	uint64_t blocks = pages > 0 && page_size > 0 ? (uint64_t)pages * page_size / 4 / BYTES_A_BLOCK : 0;

	if (blocks > MOST_LIVE)
		return MOST_LIVE;
	return blocks < LEAST_LIVE ? LEAST_LIVE : blocks;
}

int levels__grow(struct engine *engine)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	struct live_levels *levels = &engine->levels;
	uint64_t left = levels->max_live - levels->room, room;
	uint32_t level = levels->count;
	int fd, err;

	if (level >= LIVE_LEVELS || !left)
		return -ENOSPC;
	room = level_room[level] < left ? level_room[level] : left;
	fd = bpf_map_create(BPF_MAP_TYPE_HASH, "live_level", sizeof(struct live_key),
			    sizeof(struct live_value), room, &options);
	if (fd < 0)
		return -errno;
	err = bpf_map__update_elem(engine->skel->maps.live, &level, sizeof(level), &fd, sizeof(fd), BPF_ANY);
	if (err) {
		close(fd);
		return err;
	}
	levels->fds[levels->count++] = fd;
	levels->room += room;
	/* The level is in its place before it is named; the next one is asked for when it is half full. */
	__atomic_store_n(&engine->skel->bss->live_newest, level, __ATOMIC_SEQ_CST);
	__atomic_store_n(&engine->skel->bss->live_fill, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&engine->skel->bss->live_fill_limit, levels->room < levels->max_live ? room / 2 : 0,
			 __ATOMIC_SEQ_CST);
	return 0;
}

void levels__close(struct engine *engine)
{
	for (uint32_t level = 0; level < engine->levels.count; level++)
		close(engine->levels.fds[level]);
	engine->levels.count = 0;
}

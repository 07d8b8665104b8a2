// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "snapshot/unwind_pool.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK_BYTES (UNWIND_CHUNK_PAGES * sizeof(struct unwind_page))
#define ALL_BYTES   (UNWIND_CHUNKS_MAX * CHUNK_BYTES)

int unwind_pool__init(struct unwind_pool *pool, int outer)
{
	void *pages = mmap(NULL, ALL_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	memset(pool, 0, sizeof(*pool));
	if (pages == MAP_FAILED)
		return -errno;
	pool->outer = outer;
	pool->pages = pages;
	return 0;
}

void unwind_pool__free(struct unwind_pool *pool)
{
	if (pool->pages)
		munmap(pool->pages, ALL_BYTES);
	vec_each (chunk, &pool->chunks)
		close(*chunk);
	vec_free(&pool->chunks);
	vec_free(&pool->free);
	vec_free(&pool->gone);
	memset(pool, 0, sizeof(*pool));
}

static size_t find_place(const struct unwind_pool *pool, uint32_t first)
{
	size_t at = 0;

	while (at < pool->free.count && pool->free.items[at].first < first)
		at++;
	return at;
}

static void remove_run(struct unwind_pool *pool, size_t at)
{
	memmove(&pool->free.items[at], &pool->free.items[at + 1],
		(pool->free.count - at - 1) * sizeof(*pool->free.items));
	pool->free.count--;
}

/* Adds a run to the free ones, joined with its neighbours. */
static int add_free(struct unwind_pool *pool, struct unwind_run run)
{
	size_t at = find_place(pool, run.first);

	if (at && pool->free.items[at - 1].first + pool->free.items[at - 1].count == run.first) {
		run.first = pool->free.items[at - 1].first;
		run.count += pool->free.items[at - 1].count;
		remove_run(pool, --at);
	}
	if (at < pool->free.count && run.first + run.count == pool->free.items[at].first) {
		run.count += pool->free.items[at].count;
		remove_run(pool, at);
	}
	if (vec_reserve(&pool->free, pool->free.count + 1))
		return -ENOMEM;
	memmove(&pool->free.items[at + 1], &pool->free.items[at],
		(pool->free.count - at) * sizeof(*pool->free.items));
	pool->free.items[at] = run;
	pool->free.count++;
	return 0;
}

static int make_chunk(struct unwind_pool *pool, uint32_t number)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	void *at = (char *)pool->pages + number * CHUNK_BYTES;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_chunk", sizeof(uint32_t),
				sizeof(struct unwind_page), UNWIND_CHUNK_PAGES, &options);

	if (fd < 0)
		return -errno;
	if (mmap(at, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/* Tells the kernel side of chunks @from and up, by one call: each call waits for the programs. */
static int publish(struct unwind_pool *pool, uint32_t from)
{
	uint32_t count = pool->chunks.count - from, done = count, *keys = calloc(count, sizeof(*keys));
	int err;

	if (!keys)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		keys[i] = from + i;
	err = bpf_map_update_batch(pool->outer, keys, pool->chunks.items + from, &done, NULL);
	free(keys);
	return err;
}

static int grow(struct unwind_pool *pool, uint32_t chunks)
{
	uint32_t old = pool->chunks.count, first = old * UNWIND_CHUNK_PAGES;
	int err = 0;

	if (chunks > UNWIND_CHUNKS_MAX - old)
		return -ENOSPC;
	for (uint32_t i = 0; !err && i < chunks; i++) {
		int fd = make_chunk(pool, old + i);

		err = fd < 0 ? fd : vec_push(&pool->chunks, fd);
		if (err && fd >= 0)
			close(fd);
	}
	err = err ? err : publish(pool, old);
	if (err) {
		while (pool->chunks.count > old)
			close(pool->chunks.items[--pool->chunks.count]);
		return err;
	}
	/* Page 0 is none: a mapping without a table names it. */
	return add_free(pool, (struct unwind_run){first + !first, chunks * UNWIND_CHUNK_PAGES - !first});
}

/* Waits until no program reads what is gone, and takes it among the free. */
static int settle(struct unwind_pool *pool)
{
	uint32_t zero = 0;
	int err;

	if (!pool->gone.count || !pool->chunks.count)
		return 0;
	err = bpf_map_update_elem(pool->outer, &zero, &pool->chunks.items[0], BPF_ANY);
	if (err)
		return err;
	while (!err && pool->gone.count)
		err = add_free(pool, pool->gone.items[--pool->gone.count]);
	return err;
}

static bool take_free(struct unwind_pool *pool, uint32_t count, uint32_t *first)
{
	for (size_t i = 0; i < pool->free.count; i++) {
		struct unwind_run *run = &pool->free.items[i];

		if (run->count < count)
			continue;
		*first = run->first;
		run->first += count;
		run->count -= count;
		if (!run->count)
			remove_run(pool, i);
		return true;
	}
	return false;
}

int unwind_pool__take(struct unwind_pool *pool, uint32_t count, uint32_t *first)
{
	int err;

	if (!count || count >= UNWIND_CHUNKS_MAX * UNWIND_CHUNK_PAGES)
		return -ENOSPC;
	if (take_free(pool, count, first))
		return 0;
	err = settle(pool);
	if (err || take_free(pool, count, first))
		return err;
	err = grow(pool, (count + !pool->chunks.count + UNWIND_CHUNK_PAGES - 1) / UNWIND_CHUNK_PAGES);
	if (err)
		return err;
	return take_free(pool, count, first) ? 0 : -ENOSPC;
}

int unwind_pool__give_back(struct unwind_pool *pool, uint32_t first, uint32_t count)
{
	return vec_push(&pool->gone, ((struct unwind_run){first, count}));
}

static bool has_stock(const struct unwind_pool *pool)
{
	vec_each (run, &pool->free) {
		if (run->count >= UNWIND_CHUNK_PAGES / 2)
			return true;
	}
	return false;
}

int unwind_pool__stock_up(struct unwind_pool *pool)
{
	int err;

	if (has_stock(pool))
		return 0;
	err = settle(pool);
	if (err || has_stock(pool))
		return err;
	err = grow(pool, 1);
	return err == -ENOSPC ? 0 : err;
}

uint64_t unwind_pool__bytes(const struct unwind_pool *pool)
{
	return pool->chunks.count * CHUNK_BYTES;
}

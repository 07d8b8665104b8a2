// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "snapshot/unwind_files.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <uthash.h>

#include "base/clock.h"
#include "unwind/unwind_pages.h"
#include "unwind/unwind_table.h"

/* The same file, unchanged. */
struct key {
	uint64_t device, inode, size;
	int64_t changed_s, changed_ns; /* ctime: mtime can be set back */
};

struct unwind_loaded {
	uint64_t digest;
	uint64_t base; /* struct unwind_table */
	uint64_t rows;
	uint32_t first, pages; /* in the pool; 0: no table */
	size_t files;          /* that have it */
	UT_hash_handle hh;
};

struct unwind_file {
	struct key key;
	struct unwind_loaded *table; /* or NULL: it could not be read */
	size_t holders;
	uint64_t unused_since; /* holders is 0 */
	UT_hash_handle hh;
};

/*
 * A build id is what a file claims, and any process may map a file of its own making: copies are known by
 * what their tables are made of. The polynomial that the bytes are the coefficients of, at a secret place
 * modulo 2^61 - 1: others than the same bytes meet there by chance only, whoever chose them.
 */
#define PRIME      ((1ull << 61) - 1)
#define WORD_BYTES 7 /* less than the prime */

static uint64_t digest_word(uint64_t digest, uint64_t secret, uint64_t word)
{
	unsigned __int128 product = (unsigned __int128)digest * secret + word;
	uint64_t sum = (uint64_t)(product & PRIME) + (uint64_t)(product >> 61);

	return sum >= PRIME ? sum - PRIME : sum;
}

static uint64_t digest_bytes(uint64_t digest, uint64_t secret, const void *bytes, size_t size)
{
	digest = digest_word(digest, secret, size + 1);
	for (size_t at = 0; at < size; at += WORD_BYTES) {
		uint64_t word = 0;

		memcpy(&word, (const char *)bytes + at, size - at < WORD_BYTES ? size - at : WORD_BYTES);
		digest = digest_word(digest, secret, word);
	}
	return digest;
}

static uint64_t digest_section(uint64_t digest, uint64_t secret, const struct cfi_section *section)
{
	digest = digest_bytes(digest, secret, &section->vaddr, sizeof(section->vaddr));
	digest = digest_word(digest, secret, section->ends_at_zero);
	return digest_bytes(digest, secret, section->bytes, section->bytes ? section->size : 0);
}

/* All that unwind_table__from_frames looks at. */
static uint64_t digest_all(uint64_t secret, const struct image *image, const struct call_frames *frames)
{
	uint64_t digest = digest_section(1, secret, &frames->eh);

	digest = digest_section(digest, secret, &frames->debug);
	digest = digest_bytes(digest, secret, &frames->start_context, sizeof(frames->start_context));
	digest = digest_word(digest, secret, frames->gaps.count);
	vec_each (gap, &frames->gaps) {
		uint64_t words[] = {gap->start, gap->end, gap->rule};

		digest = digest_bytes(digest, secret, words, sizeof(words));
	}
	for (size_t i = 0; i < image->segment_count; i++) {
		uint64_t words[] = {image->segments[i].vaddr, image->segments[i].memory_size,
				    image->segments[i].executable};

		digest = digest_bytes(digest, secret, words, sizeof(words));
	}
	return digest;
}

static int choose_secret(struct unwind_files *files)
{
	while (files->secret < 2 || files->secret >= PRIME) {
		if (getrandom(&files->secret, sizeof(files->secret), 0) != sizeof(files->secret))
			return -EIO;
		files->secret &= PRIME;
	}
	return 0;
}

static void drop_table(struct unwind_files *files, struct unwind_loaded *table)
{
	if (!table || --table->files)
		return;
	/* Where it cannot be noted, the pages are not used again. */
	if (table->pages)
		unwind_pool__give_back(files->pool, table->first, table->pages);
	files->rows -= table->rows;
	HASH_DEL(files->tables, table);
	free(table);
}

static void drop_file(struct unwind_files *files, struct unwind_file *file)
{
	files->unused -= !file->holders;
	drop_table(files, file->table);
	HASH_DEL(files->files, file);
	free(file);
}

void unwind_files__drop_unused(struct unwind_files *files, uint64_t before, size_t most)
{
	struct unwind_file *file, *next;

	HASH_ITER (hh, files->files, file, next) {
		if (!files->unused || !most)
			return;
		if (file->holders || file->unused_since > before)
			continue;
		drop_file(files, file);
		most--;
	}
}

void unwind_files__free(struct unwind_files *files)
{
	struct unwind_file *file, *next;

	HASH_ITER (hh, files->files, file, next)
		drop_file(files, file);
}

/* Takes pages, at need those of files that nobody has mapped any more. */
static int take_pages(struct unwind_files *files, uint32_t pages, uint32_t *first)
{
	int err = unwind_pool__take(files->pool, pages, first);

	if (err != -ENOSPC || !files->unused)
		return err;
	unwind_files__drop_unused(files, UINT64_MAX, SIZE_MAX);
	return unwind_pool__take(files->pool, pages, first);
}

static int load(struct unwind_files *files, const struct unwind_table *table, struct unwind_loaded *loaded,
		struct error *why)
{
	struct unwind_layout layout;
	uint32_t first = 0;
	int err;

	loaded->base = table->base;
	if (!table->count)
		return 0;
	err = unwind_pages__lay_out(table, &layout);
	err = err ? err : take_pages(files, layout.pages, &first);
	if (err)
		return error__set(why, -err, "no room for an unwind table of %zu rows: %s", table->count,
				  strerror(-err));
	memset(files->pool->pages + first, 0, layout.pages * sizeof(*files->pool->pages));
	unwind_pages__fill(table, &layout, files->pool->pages + first);
	loaded->first = first;
	loaded->pages = layout.pages;
	loaded->rows = table->count;
	return 0;
}

static int add_table(struct unwind_files *files, const struct image *image, const struct call_frames *frames,
		     uint64_t digest, struct unwind_loaded **added, struct error *why)
{
	struct unwind_loaded *loaded = calloc(1, sizeof(*loaded));
	struct unwind_table table = {0};
	int err;

	if (!loaded)
		return error__set(why, ENOMEM, "out of memory");
	loaded->digest = digest;
	err = unwind_table__from_frames(image, frames, &table, why);
	err = err ? err : load(files, &table, loaded, why);
	unwind_table__free(&table);
	if (err) {
		free(loaded);
		return err;
	}
	files->rows += loaded->rows;
	HASH_ADD(hh, files->tables, digest, sizeof(loaded->digest), loaded);
	*added = loaded;
	return 0;
}

static int find_table(struct unwind_files *files, const struct image *image, struct unwind_loaded **found,
		      struct error *why)
{
	uint64_t began = clock__monotonic(), digest;
	struct call_frames frames = {0};
	int err;

	*found = NULL;
	err = choose_secret(files);
	if (err)
		return error__set(why, -err, "no random numbers");
	err = call_frames__read(image, &frames, why);
	if (err)
		return err;
	digest = digest_all(files->secret, image, &frames);
	HASH_FIND(hh, files->tables, &digest, sizeof(digest), *found);
	if (!*found)
		err = add_table(files, image, &frames, digest, found, why);
	if (*found)
		(*found)->files++;
	call_frames__free(&frames);
	files->compile_ns += clock__monotonic() - began;
	return err;
}

static int find_key(const struct image *image, struct key *key)
{
	struct stat status;

	if (fstat(image->fd, &status))
		return -errno;
	*key = (struct key){.device = status.st_dev,
			    .inode = status.st_ino,
			    .size = (uint64_t)status.st_size,
			    .changed_s = status.st_ctim.tv_sec,
			    .changed_ns = status.st_ctim.tv_nsec};
	return 0;
}

/* A file that cannot be read, or for which there is no room, is tried again once nobody has it mapped any
 * more. */
static int add_file(struct unwind_files *files, const struct image *image, const struct key *key,
		    struct unwind_file **added, struct error *why)
{
	struct unwind_file *file = calloc(1, sizeof(*file));

	if (!file)
		return error__set(why, ENOMEM, "out of memory");
	file->key = *key;
	find_table(files, image, &file->table, why);
	file->holders = 1;
	HASH_ADD(hh, files->files, key, sizeof(file->key), file);
	*added = file;
	return 0;
}

int unwind_files__get(struct unwind_files *files, const struct image *image, struct unwind_file **file,
		      struct error *why)
{
	struct key key;
	int err = find_key(image, &key);

	if (err)
		return error__set(why, -err, "cannot look at %s: %s", image->path, strerror(-err));
	HASH_FIND(hh, files->files, &key, sizeof(key), *file);
	if (!*file)
		return add_file(files, image, &key, file, why);
	files->unused -= !(*file)->holders;
	(*file)->holders++;
	return 0;
}

void unwind_files__put(struct unwind_files *files, struct unwind_file *file)
{
	if (--file->holders)
		return;
	files->unused++;
	file->unused_since = clock__monotonic();
}

uint32_t unwind_file__first(const struct unwind_file *file)
{
	return file->table ? file->table->first : 0;
}

uint64_t unwind_file__base(const struct unwind_file *file)
{
	return file->table ? file->table->base : 0;
}

size_t unwind_files__count_tables(const struct unwind_files *files)
{
	struct unwind_loaded *table, *next;
	size_t count = 0;

	HASH_ITER (hh, files->tables, table, next)
		count += table->pages != 0;
	return count;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "target/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* A target can map any number of files, one after the other; every image is an open descriptor. */
#define MAX_ENTRIES 4096

struct key {
	uint64_t device, inode; /* as maps shows them */
};

struct entry {
	struct key key;
	struct image *image; /* or NULL, and then: */
	int err;
	pid_t pid; /* who asked */
	struct error error;
	UT_hash_handle hh;
};

struct image_cache {
	struct entry *entries;
};

struct image_cache *image_cache__new(void)
{
	return calloc(1, sizeof(struct image_cache));
}

static void drop(struct image_cache *cache, struct entry *entry)
{
	HASH_DEL(cache->entries, entry);
	image__put(entry->image);
	free(entry);
}

void image_cache__free(struct image_cache *cache)
{
	struct entry *entry, *next;

	if (!cache)
		return;
	HASH_ITER (hh, cache->entries, entry, next)
		drop(cache, entry);
	free(cache);
}

/* Lets go of failures, and of images that nobody but the cache holds. */
static void drop_unused(struct image_cache *cache)
{
	struct entry *entry, *next;

	HASH_ITER (hh, cache->entries, entry, next) {
		if (!entry->image || entry->image->references == 1)
			drop(cache, entry);
	}
}

/* Whether a failure of @pid's says something about the file, and not about the moment. */
static bool is_lasting(int err)
{
	switch (-err) {
	case ESRCH:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
	case EINTR:
	case EAGAIN:
	case EIO:
		return false;
	default:
		return true;
	}
}

/* What is no program is none for anybody; what one process cannot reach may be within reach of another. */
static bool holds_for(const struct entry *entry, pid_t pid)
{
	return entry->image || entry->err == -ENOEXEC || entry->pid == pid;
}

static int open_with_room(struct image_cache *cache, pid_t pid, const struct mapping *mapping,
			  struct image **image, struct error *error)
{
	int err;

	if (HASH_COUNT(cache->entries) >= MAX_ENTRIES)
		drop_unused(cache);
	err = image__open_mapping(pid, mapping, image, error);
	if (err != -EMFILE && err != -ENFILE)
		return err;
	drop_unused(cache);
	return image__open_mapping(pid, mapping, image, error);
}

int image_cache__open(struct image_cache *cache, pid_t pid, const struct mapping *mapping,
		      struct image **image, struct error *error)
{
	struct key key = {.device = mapping->device, .inode = mapping->inode};
	struct error reason = {0};
	struct entry *entry;
	int err;

	*image = NULL;
	HASH_FIND(hh, cache->entries, &key, sizeof(key), entry);
	if (entry && holds_for(entry, pid)) {
		if (entry->image) {
			*image = image__get(entry->image);
			return 0;
		}
		return error__set(error, -entry->err, "%s", entry->error.text);
	}
	if (entry)
		drop(cache, entry);
	err = open_with_room(cache, pid, mapping, image, &reason);
	if (err)
		error__set(error, -err, "%s", reason.text);
	if ((err && !is_lasting(err)) || HASH_COUNT(cache->entries) >= MAX_ENTRIES)
		return err;
	entry = calloc(1, sizeof(*entry));
	if (!entry) {
		image__put(*image);
		*image = NULL;
		return error__set(error, ENOMEM, "out of memory for %s", mapping->path);
	}
	*entry = (struct entry){.key = key, .err = err, .pid = pid, .error = reason};
	if (!err)
		entry->image = image__get(*image);
	HASH_ADD(hh, cache->entries, key, sizeof(entry->key), entry);
	return err;
}

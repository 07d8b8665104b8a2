// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/places.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/vec.h"
#include "target/vdso.h"

/* A program that maps and unmaps code all day must not grow us. */
#define MAX_GONE 4096

static struct place *find(const struct places *places, uint64_t address)
{
	size_t low = 0, high = places->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (places->items[middle].mapping.end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < places->count && places->items[low].mapping.start <= address ? &places->items[low]
										  : NULL;
}

const struct place *places__find(const struct places *places, uint64_t address)
{
	return find(places, address);
}

/* Whether what @mapping shows at its start is what @place showed there; the end may have moved. */
static bool is_same(const struct place *place, const struct mapping *mapping)
{
	return place->mapping.start == mapping->start && place->mapping.offset == mapping->offset &&
	       place->mapping.device == mapping->device && place->mapping.inode == mapping->inode &&
	       (place->mapping.flags & MAPPING_EXEC) == (mapping->flags & MAPPING_EXEC) &&
	       strcmp(place->mapping.path, mapping->path) == 0;
}

static void open_image(struct place *place, pid_t pid, struct image_cache *images, const struct log *log)
{
	const struct mapping *mapping = &place->mapping;
	struct error error = {0};
	int err = 0;

	if (!(mapping->flags & MAPPING_EXEC))
		return;
	if (vdso__is(mapping))
		err = vdso__open(pid, mapping->start, mapping->end, &place->image, &error);
	else if (mapping->inode && images)
		err = image_cache__open(images, pid, mapping, &place->image, &error);
	if (err) {
		place->image = NULL;
		log__say(log, 1, "no names for %s: %s", mapping->path, error.text);
	}
}

static void drop(struct place *place)
{
	image__put(place->image);
	free(place->mapping.path);
}

/* Appends @mapping to @fresh: with what @old is, where that is the same, else anew. */
static int add(struct places *fresh, struct place *old, pid_t pid, struct image_cache *images,
	       const struct mapping *mapping, const struct log *log)
{
	struct place place = {.mapping = *mapping};

	place.mapping.path = strdup(mapping->path);
	if (!place.mapping.path)
		return -ENOMEM;
	if (old && is_same(old, mapping)) {
		place.id = old->id;
		place.image = old->image ? image__get(old->image) : NULL;
	} else {
		place.id = ++fresh->last_id;
		open_image(&place, pid, images, log);
	}
	if (vec_push(fresh, place)) {
		drop(&place);
		return -ENOMEM;
	}
	return 0;
}

static int keep(struct places *fresh, const struct place *old)
{
	struct place place = *old;

	place.gone = true;
	place.mapping.path = strdup(old->mapping.path);
	if (!place.mapping.path)
		return -ENOMEM;
	if (place.image)
		image__get(place.image);
	if (vec_push(fresh, place)) {
		drop(&place);
		return -ENOMEM;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct place *left = a, *right = b;

	return left->mapping.start < right->mapping.start ? -1 : left->mapping.start > right->mapping.start;
}

static bool overlaps(const struct maps *maps, const struct mapping *mapping)
{
	size_t low = 0, high = maps->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (maps->items[middle].end <= mapping->start)
			low = middle + 1;
		else
			high = middle;
	}
	return low < maps->count && maps->items[low].start < mapping->end;
}

int places__update(struct places *places, pid_t pid, struct image_cache *images, const struct maps *maps,
		   const struct log *log)
{
	struct places fresh = {.last_id = places->last_id};
	size_t gone = 0;
	int err = 0;

	for (size_t i = 0; !err && i < maps->count; i++)
		err = add(&fresh, find(places, maps->items[i].start), pid, images, &maps->items[i], log);
	for (size_t i = places->count; !err && i-- > 0 && gone < MAX_GONE;) {
		const struct place *old = &places->items[i];

		if (!(old->mapping.flags & MAPPING_EXEC) || overlaps(maps, &old->mapping))
			continue;
		err = keep(&fresh, old);
		gone++;
	}
	if (err) {
		places__free(&fresh);
		return err;
	}
	if (fresh.count)
		qsort(fresh.items, fresh.count, sizeof(*fresh.items), compare);
	places__free(places);
	*places = fresh;
	return 0;
}

void places__free(struct places *places)
{
	vec_each (place, places) {
		drop(place);
	}
	vec_free(places);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "profile/profile.h"

#include <string.h>

/* uthash ends the program when memory runs out unless it is told that its caller looks after that. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define STRING_LENGTH_MAX  (1u << 20)
#define LOCATION_LINES_MAX 4096u
#define TABLE_MAX          INT32_MAX

/* An entry of one of the tables, found by the bytes that make it what it is. */
struct indexed {
	uint32_t index;
	UT_hash_handle hh;
	unsigned char key[];
};

struct profile_index {
	struct indexed *strings, *functions, *mappings, *locations;
};

/* A location as it is compared: no field is left out and none is padding. Its lines follow. */
struct location_key {
	uint64_t address, module_offset;
	uint32_t mapping, kind;
};

_Static_assert(sizeof(struct location_key) == 24, "no padding: it is hashed as bytes");
_Static_assert(sizeof(struct profile_line) == 12, "no padding: it is hashed as bytes");
_Static_assert(sizeof(struct profile_function) == 12, "no padding: it is hashed as bytes");
_Static_assert(sizeof(struct profile_mapping) == 32, "no padding: it is hashed as bytes");

static int64_t index__find(struct indexed *table, const void *key, size_t size)
{
	struct indexed *entry;

	HASH_FIND(hh, table, key, size, entry);
	return entry ? (int64_t)entry->index : -ENOENT;
}

/* Remembers @index under @head followed by @tail. */
static int index__add(struct indexed **table, const void *head, size_t head_size, const void *tail,
		      size_t tail_size, uint32_t index)
{
	struct indexed *entry = malloc(sizeof(*entry) + head_size + tail_size);

	if (!entry)
		return -ENOMEM;
	entry->index = index;
	if (head_size)
		memcpy(entry->key, head, head_size);
	if (tail_size)
		memcpy(entry->key + head_size, tail, tail_size);
	HASH_ADD_KEYPTR(hh, *table, entry->key, head_size + tail_size, entry);
	if (!entry->hh.tbl) {
		free(entry);
		return -ENOMEM;
	}
	return 0;
}

static void index__free(struct indexed **table)
{
	struct indexed *entry, *next;

	HASH_ITER (hh, *table, entry, next) {
		HASH_DEL(*table, entry);
		free(entry);
	}
}

struct profile *profile__new(void)
{
	struct profile *profile = calloc(1, sizeof(*profile));

	if (!profile)
		return NULL;
	profile->index = calloc(1, sizeof(*profile->index));
	if (!profile->index)
		goto failed;
	if (profile__string_n(profile, "", 0) < 0)
		goto failed;
	if (vec_push(&profile->mappings, (struct profile_mapping){0}) ||
	    vec_push(&profile->functions, (struct profile_function){0}) ||
	    vec_push(&profile->lines, (struct profile_line){0}) ||
	    vec_push(&profile->locations,
		     (struct profile_location){.line_count = 1, .kind = LOCATION_UNKNOWN}))
		goto failed;
	return profile;
failed:
	profile__free(profile);
	return NULL;
}

void profile__free(struct profile *profile)
{
	if (!profile)
		return;
	if (profile->index) {
		index__free(&profile->index->strings);
		index__free(&profile->index->functions);
		index__free(&profile->index->mappings);
		index__free(&profile->index->locations);
		free(profile->index);
	}
	vec_free(&profile->strings); /* the texts are the keys of the index */
	vec_free(&profile->mappings);
	vec_free(&profile->functions);
	vec_free(&profile->lines);
	vec_free(&profile->locations);
	vec_free(&profile->stacks);
	vec_free(&profile->samples);
	free(profile);
}

int64_t profile__string_n(struct profile *profile, const char *text, size_t length)
{
	struct indexed *entry;
	int64_t index;
	int err;

	length = length ? strnlen(text, length) : 0;
	if (length > STRING_LENGTH_MAX)
		return -E2BIG;
	HASH_FIND(hh, profile->index->strings, text, length, entry);
	if (entry)
		return entry->index;
	if (profile->strings.count >= TABLE_MAX)
		return -E2BIG;
	index = (int64_t)profile->strings.count;
	if (vec_reserve(&profile->strings, profile->strings.count + 1))
		return -ENOMEM;
	/* The key is hashed without the NUL behind it: that one makes it a string for its readers. */
	entry = malloc(sizeof(*entry) + length + 1);
	if (!entry)
		return -ENOMEM;
	entry->index = (uint32_t)index;
	if (length)
		memcpy(entry->key, text, length);
	entry->key[length] = '\0';
	HASH_ADD_KEYPTR(hh, profile->index->strings, entry->key, length, entry);
	if (!entry->hh.tbl) {
		free(entry);
		return -ENOMEM;
	}
	err = vec_push(&profile->strings,
		       (struct profile_string){(const char *)entry->key, (uint32_t)length});
	return err ? err : index;
}

int64_t profile__string(struct profile *profile, const char *text)
{
	return profile__string_n(profile, text, strlen(text));
}

int64_t profile__function(struct profile *profile, const char *name, const char *system_name,
			  const char *file)
{
	int64_t strings[] = {profile__string(profile, name), profile__string(profile, system_name),
			     profile__string(profile, file)};
	struct profile_function function;
	int64_t index;
	int err;

	for (size_t i = 0; i < 3; i++) {
		if (strings[i] < 0)
			return strings[i];
	}
	function =
		(struct profile_function){(uint32_t)strings[0], (uint32_t)strings[1], (uint32_t)strings[2]};
	index = index__find(profile->index->functions, &function, sizeof(function));
	if (index >= 0)
		return index;
	if (profile->functions.count >= TABLE_MAX)
		return -E2BIG;
	if (vec_reserve(&profile->functions, profile->functions.count + 1))
		return -ENOMEM;
	index = (int64_t)profile->functions.count;
	err = index__add(&profile->index->functions, &function, sizeof(function), NULL, 0, (uint32_t)index);
	if (!err)
		err = vec_push(&profile->functions, function);
	return err ? err : index;
}

int64_t profile__mapping(struct profile *profile, const struct profile_mapping *mapping)
{
	int64_t index;
	int err;

	if (mapping->file >= profile->strings.count || mapping->build_id >= profile->strings.count)
		return -EINVAL;
	index = index__find(profile->index->mappings, mapping, sizeof(*mapping));
	if (index >= 0)
		return index;
	if (profile->mappings.count >= TABLE_MAX)
		return -E2BIG;
	if (vec_reserve(&profile->mappings, profile->mappings.count + 1))
		return -ENOMEM;
	index = (int64_t)profile->mappings.count;
	err = index__add(&profile->index->mappings, mapping, sizeof(*mapping), NULL, 0, (uint32_t)index);
	if (!err)
		err = vec_push(&profile->mappings, *mapping);
	return err ? err : index;
}

static int64_t location__append(struct profile *profile, const struct profile_location *location,
				const struct profile_line *lines)
{
	struct profile_location added = *location;
	size_t wanted = profile->lines.count + location->line_count;

	if (profile->locations.count >= TABLE_MAX || wanted > TABLE_MAX)
		return -E2BIG;
	if (vec_reserve(&profile->lines, wanted) ||
	    vec_reserve(&profile->locations, profile->locations.count + 1))
		return -ENOMEM;
	added.first_line = (uint32_t)profile->lines.count;
	memcpy(profile->lines.items + profile->lines.count, lines, location->line_count * sizeof(*lines));
	profile->lines.count = wanted;
	profile->locations.items[profile->locations.count++] = added;
	return (int64_t)profile->locations.count - 1;
}

int64_t profile__location(struct profile *profile, const struct profile_location *location,
			  const struct profile_line *lines)
{
	struct location_key key = {location->address, location->module_offset, location->mapping,
				   location->kind};
	unsigned char bytes[sizeof(key) + 16 * sizeof(*lines)], *whole = bytes;
	size_t lines_size = location->line_count * sizeof(*lines);
	int64_t index;

	if (!location->line_count || location->mapping >= profile->mappings.count)
		return -EINVAL;
	if (location->line_count > LOCATION_LINES_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < location->line_count; i++) {
		if (lines[i].function >= profile->functions.count)
			return -EINVAL;
	}
	if (sizeof(key) + lines_size > sizeof(bytes)) {
		whole = malloc(sizeof(key) + lines_size);
		if (!whole)
			return -ENOMEM;
	}
	memcpy(whole, &key, sizeof(key));
	memcpy(whole + sizeof(key), lines, lines_size);
	index = index__find(profile->index->locations, whole, sizeof(key) + lines_size);
	if (index == -ENOENT) {
		index = location__append(profile, location, lines);
		if (index >= 0) {
			int err = index__add(&profile->index->locations, &key, sizeof(key), lines, lines_size,
					     (uint32_t)index);

			if (err)
				index = err; /* the location stays, unnamed: nothing refers to it */
		}
	}
	if (whole != bytes)
		free(whole);
	return index;
}

int64_t profile__sample(struct profile *profile, const uint32_t *locations, size_t count, const char *domain,
			const char *type, uint32_t process)
{
	int64_t domain_string = profile__string(profile, domain);
	int64_t type_string = profile__string(profile, type);
	struct profile_sample sample = {.process = process};
	size_t wanted;

	if (domain_string < 0)
		return domain_string;
	if (type_string < 0)
		return type_string;
	for (size_t i = 0; i < count; i++) {
		if (locations[i] >= profile->locations.count)
			return -EINVAL;
	}
	if (profile->samples.count >= TABLE_MAX ||
	    __builtin_add_overflow(profile->stacks.count, count, &wanted) || wanted > UINT32_MAX)
		return -E2BIG;
	if (vec_reserve(&profile->stacks, wanted) ||
	    vec_reserve(&profile->samples, profile->samples.count + 1))
		return -ENOMEM;
	sample.first_location = (uint32_t)profile->stacks.count;
	sample.location_count = (uint32_t)count;
	sample.domain = (uint32_t)domain_string;
	sample.type = (uint32_t)type_string;
	if (count)
		memcpy(profile->stacks.items + profile->stacks.count, locations, count * sizeof(*locations));
	profile->stacks.count = wanted;
	profile->samples.items[profile->samples.count++] = sample;
	return (int64_t)profile->samples.count - 1;
}

const char *profile__text(const struct profile *profile, uint32_t string)
{
	return string < profile->strings.count ? profile->strings.items[string].text : "";
}

int profile__save_base(const struct profile *profile, struct profile_base *base)
{
	size_t count = profile->samples.count;
	struct profile_values *items = calloc(count ? count : 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		memcpy(items[i].values, profile->samples.items[i].values, sizeof(items[i].values));
	profile_base__free(base);
	base->items = items;
	base->count = count;
	return 0;
}

void profile_base__free(struct profile_base *base)
{
	free(base->items);
	*base = (struct profile_base){0};
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/source.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/vec.h"
#include "report/safe.h"
#include "report/source_open.h"

#define FILES_MAX      64
#define FILE_SIZE_MAX  (16u << 20)
#define CACHE_SIZE_MAX (64u << 20)
#define LINE_BYTES_MAX 1024

struct source_file {
	char *name;
	char *text; /* NULL: cannot be read */
	size_t length;
	VEC(uint32_t) starts; /* of lines */
	uint64_t used;        /* the cache's clock */
};

struct source_cache {
	int root; /* O_PATH, -1: none */
	struct source_file files[FILES_MAX];
	size_t count, bytes;
	uint64_t clock;
	char *shown; /* the line returned last */
};

struct source_cache *source_cache__new(const char *root)
{
	struct source_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	/* Held open, so that sources can still be read when the target has ended. */
	cache->root = *root ? source_open__root(root) : -1;
	return cache;
}

static void file__free(struct source_cache *cache, struct source_file *file)
{
	cache->bytes -= file->length;
	free(file->name);
	free(file->text);
	vec_free(&file->starts);
	*file = (struct source_file){0};
}

void source_cache__free(struct source_cache *cache)
{
	if (!cache)
		return;
	while (cache->count)
		file__free(cache, &cache->files[--cache->count]);
	source_open__close(cache->root);
	free(cache->shown);
	free(cache);
}

/* Makes room for another file: the one unused for longest goes. */
static void drop_oldest(struct source_cache *cache)
{
	size_t oldest = 0;

	for (size_t i = 1; i < cache->count; i++) {
		if (cache->files[i].used < cache->files[oldest].used)
			oldest = i;
	}
	file__free(cache, &cache->files[oldest]);
	cache->files[oldest] = cache->files[--cache->count];
	cache->files[cache->count] = (struct source_file){0};
}

static int find_lines(struct source_file *file)
{
	const char *end = file->text + file->length;

	for (const char *line = file->text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));

		if (vec_push(&file->starts, (uint32_t)(line - file->text)))
			return -ENOMEM;
		line = newline ? newline + 1 : end;
	}
	return 0;
}

/* What cannot be read is remembered as well: it is asked for at every report. */
static struct source_file *load(struct source_cache *cache, const char *name)
{
	struct source_file file = {.name = strdup(name)};

	if (!file.name)
		return NULL;
	file.text = source_open__read(cache->root, name, FILE_SIZE_MAX, &file.length);
	if (file.text && find_lines(&file)) {
		free(file.text);
		file.text = NULL;
		file.length = 0;
		vec_free(&file.starts);
	}
	while (cache->count && (cache->count == FILES_MAX || cache->bytes + file.length > CACHE_SIZE_MAX))
		drop_oldest(cache);
	cache->bytes += file.length;
	cache->files[cache->count] = file;
	return &cache->files[cache->count++];
}

static struct source_file *find(struct source_cache *cache, const char *name)
{
	for (size_t i = 0; i < cache->count; i++) {
		if (strcmp(cache->files[i].name, name) == 0)
			return &cache->files[i];
	}
	return load(cache, name);
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Tabs become spaces here, and are not the '?' of other control characters. */
static const char *show(struct source_cache *cache, const char *text, size_t length)
{
	size_t shown_length;
	FILE *shown;

	while (length && is_blank(*text)) {
		text++;
		length--;
	}
	while (length && is_blank(text[length - 1]))
		length--;
	if (length > LINE_BYTES_MAX) {
		length = LINE_BYTES_MAX;
		while (length && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--;
	}
	free(cache->shown);
	cache->shown = NULL;
	shown = open_memstream(&cache->shown, &shown_length);
	if (!shown)
		return NULL;
	while (length) {
		const char *tab = memchr(text, '\t', length);
		size_t run = tab ? (size_t)(tab - text) : length;

		safe__put(shown, text, run);
		if (tab) {
			fputc(' ', shown);
			run++;
		}
		text += run;
		length -= run;
	}
	if (fclose(shown)) {
		free(cache->shown);
		cache->shown = NULL;
	}
	return cache->shown;
}

const char *source_cache__line(struct source_cache *cache, const char *file, uint32_t line)
{
	struct source_file *found;
	size_t start, end;

	if (!*file || !line)
		return NULL;
	found = find(cache, file);
	if (!found)
		return NULL;
	found->used = ++cache->clock;
	if (!found->text || line > found->starts.count)
		return NULL;
	start = found->starts.items[line - 1];
	end = line < found->starts.count ? found->starts.items[line] : found->length;
	return show(cache, found->text + start, end - start);
}

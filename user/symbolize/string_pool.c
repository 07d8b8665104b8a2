// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/string_pool.h"

#include <stdlib.h>
#include <string.h>

/* A failed insertion must not end the process, as uthash does by default. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define MAX_TEXT 16384

struct pooled {
	UT_hash_handle hh;
	char text[];
};

struct string_pool {
	struct pooled *strings;
};

struct string_pool *string_pool__new(void)
{
	return calloc(1, sizeof(struct string_pool));
}

void string_pool__free(struct string_pool *pool)
{
	struct pooled *entry, *next;

	if (!pool)
		return;
	HASH_ITER (hh, pool->strings, entry, next) {
		HASH_DEL(pool->strings, entry);
		free(entry);
	}
	free(pool);
}

const char *string_pool__intern(struct string_pool *pool, const char *text)
{
	struct pooled *entry, *found;
	size_t length;

	if (!text || !*text)
		return "";
	length = strnlen(text, MAX_TEXT);
	entry = malloc(sizeof(*entry) + length + 1);
	if (!entry)
		return "";
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		entry->text[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	entry->text[length] = '\0';
	HASH_FIND(hh, pool->strings, entry->text, length, found);
	if (found) {
		free(entry);
		return found->text;
	}
	HASH_ADD_KEYPTR(hh, pool->strings, entry->text, length, entry);
	if (!entry->hh.tbl) {
		free(entry);
		return "";
	}
	return entry->text;
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Growing arrays. A vector is a struct of { T *items; size_t count, capacity; } that starts as zeros:
 *
 *	struct { int *items; size_t count, capacity; } numbers = {0};
 *	err = vec_push(&numbers, 42);      0 or -ENOMEM
 *	vec_free(&numbers);
 */
#ifndef MEMWATCH_BASE_VEC_H
#define MEMWATCH_BASE_VEC_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define VEC(type)                                                                                            \
	struct {                                                                                             \
		type *items;                                                                                 \
		size_t count;                                                                                \
		size_t capacity;                                                                             \
	}

/* Makes room for @wanted items of @item_size bytes each. Returns 0 or -ENOMEM, the vector unchanged. */
static inline int vec_reserve_raw(void **items, size_t *capacity, size_t wanted, size_t item_size)
{
	size_t bytes, grown = *capacity ? *capacity * 2 : 8;
	void *moved;

	if (wanted <= *capacity)
		return 0;
	if (grown < wanted)
		grown = wanted;
	if (__builtin_mul_overflow(grown, item_size, &bytes))
		return -ENOMEM;
	moved = realloc(*items, bytes);
	if (!moved)
		return -ENOMEM;
	*items = moved;
	*capacity = grown;
	return 0;
}

#define vec_reserve(vec, wanted)                                                                             \
	vec_reserve_raw((void **)&(vec)->items, &(vec)->capacity, (wanted), sizeof(*(vec)->items))

/* Appends a copy of @item. Returns 0 or -ENOMEM. */
#define vec_push(vec, ...)                                                                                   \
	(vec_reserve((vec), (vec)->count + 1) ? -ENOMEM : ((vec)->items[(vec)->count++] = (__VA_ARGS__), 0))

#define vec_each(item, vec)                                                                                  \
	for (__typeof__((vec)->items + 0)(item) = (vec)->items;                                              \
	     (vec)->count && (item) < (vec)->items + (vec)->count; (item)++)

#define vec_free(vec)                                                                                        \
	do {                                                                                                 \
		free((vec)->items);                                                                          \
		(vec)->items = NULL;                                                                         \
		(vec)->count = (vec)->capacity = 0;                                                          \
	} while (0)

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Each string once: names and paths outlive the files they were read from. */
#ifndef MEMWATCH_SYMBOLIZE_STRING_POOL_H
#define MEMWATCH_SYMBOLIZE_STRING_POOL_H

struct string_pool;
struct string_pool *string_pool__new(void); /* NULL: out of memory */
void string_pool__free(struct string_pool *pool);

/*
 * The pool's copy of @text; it lives as long as the pool. The text comes from files that a hostile program
 * may have written and goes to terminals: control characters become '?', and what is beyond 16 KiB is cut.
 * Never NULL: "" for NULL, and where memory has run out.
 */
const char *string_pool__intern(struct string_pool *pool, const char *text);

#endif

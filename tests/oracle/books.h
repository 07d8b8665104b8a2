/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The recorder's books: what is allocated, by whom. Never allocates. Safe from any thread. */
#ifndef MEMWATCH_ORACLE_BOOKS_H
#define MEMWATCH_ORACLE_BOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include "oracle.h"

/*
 * Makes the books of this process ready: opens them at the first call and anew in a fork's child. False where
 * nothing is to be recorded. Preserves errno, as all below do.
 */
bool books__ready(void);

void books__call(void);
void books__failed(void);
void books__unknown_free(void);

/* Enters the block that @caller has got. */
void books__allocated(const void *address, size_t size, const void *caller);

/* Takes the block out, before its memory can be handed out again. False: not in the books. */
bool books__take(const void *address, struct oracle_block *block);
/* Puts back what was taken: it was not freed after all. */
void books__put_back(const struct oracle_block *block);
/* The block that was taken is gone. */
void books__freed(const struct oracle_block *block);

/* The entry in the site table for a return address; ORACLE_SITES where there is no room. */
uint64_t sites__find(const void *caller);

/* The module table's entry for @address; 0 where no mapping holds it. Reads /proc/self/maps when it must. */
uint64_t modules__find(struct oracle_header *header, struct oracle_module *modules, uint64_t address);

void oracle__lock(uint32_t *lock);
void oracle__unlock(uint32_t *lock);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A watched process's Python: found, told to the kernel side, and its frames made readable. */
#ifndef MEMWATCH_SESSION_PYTHONS_H
#define MEMWATCH_SESSION_PYTHONS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "session/session.h"

struct pythons;

/*
 * Looks for an interpreter in @watched, unless one is known or refused. One that has not started yet is
 * looked for again by pythons__retry. Returns 0 or a negative errno; a Python that cannot be followed is a
 * note.
 */
int pythons__update(struct session *session, struct watched *watched, struct error *error);

/* Looks again in processes whose interpreter had not started; session->python_waiting says if there still are
 * such. */
void pythons__retry(struct session *session);

void pythons__free(struct pythons *pythons); /* NULL is fine */

/* The kernel side has met a code object (EVENT_CODE): it is read now, before it can vanish. */
int pythons__learn(struct watched *watched, const struct event *event);

/* What a stack's Python frame is. Lives as long as @watched. NULL: no memory. */
const struct symbol *pythons__resolve(struct watched *watched, uint64_t frame);

#endif

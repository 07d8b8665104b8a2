/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which mapped files have been searched for allocators and probed, and for whom. */
#ifndef MEMWATCH_SESSION_IMAGES_H
#define MEMWATCH_SESSION_IMAGES_H

#include "session/session_private.h"

/*
 * Reads the mappings of @watched and sets probes in the allocators of files that are new to it. Returns 0 or
 * a negative errno; a file that cannot be read is no error but noted.
 */
int images__update(struct session *session, struct watched *watched, struct error *error);

/*
 * Makes the mappings known that have only been reported so far: of a process that could not be read while it
 * lived, or has not been yet. To be done before stacks are resolved, which is done once.
 */
void images__learn(struct session *session, struct watched *watched);

#endif

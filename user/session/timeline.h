/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What happens to processes is told by two channels: by our kernel side (fork, exec, exit) and by the
 * kernel's own records (what is mapped). Here they become one sequence.
 *
 * Who reads the first channel before the second has, for each event of the first, whatever its process had
 * mapped before: that had been recorded by then. And for each mapping up to the moment before the reading of
 * the first began, whatever had happened to its process before, for the same reason. So all events of the
 * first channel are due, and mappings up to the latest of these or that moment; mappings after it stay.
 */
#ifndef MEMWATCH_SESSION_TIMELINE_H
#define MEMWATCH_SESSION_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>
#include "abi.h"
#include "base/vec.h"
#include "target/map_records.h"

/* Starts as zeros. */
struct timeline {
	VEC(struct event) told; /* in the ring buffer's order, which is that of what caused what */
};

struct timeline_handlers {
	void (*event)(const struct event *event, void *context);
	void (*mapped)(const struct map_event *event, void *context);
	void *context;
};

/* Keeps a copy of @event. Returns 0 or -ENOMEM. */
int timeline__tell(struct timeline *timeline, const struct event *event);

/* Whether there are so many that they should be dealt with before more are read. */
bool timeline__is_full(const struct timeline *timeline);

/* Hands over all events that were told and the mappings that are due, in one order. */
void timeline__run(struct timeline *timeline, struct map_records *records, uint64_t until_ns,
		   const struct timeline_handlers *handlers);

void timeline__free(struct timeline *timeline);

#endif

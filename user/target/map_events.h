/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Word of new executable mappings (dlopen, a JIT, exec), whatever dynamic linker made them, from the kernel's
 * own records (perf_event_open(2), PERF_RECORD_MMAP2): nothing is probed for it in any process. They tell
 * what a process had mapped even when it has ended before anybody could look.
 */
#ifndef MEMWATCH_TARGET_MAP_EVENTS_H
#define MEMWATCH_TARGET_MAP_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"
#include "target/map_records.h"

struct map_events;

/* Opens one event a CPU. Returns 0 or a negative errno. */
int map_events__new(struct map_events **events, struct error *error);
void map_events__free(struct map_events *events);

/* Descriptors to poll for reading. */
size_t map_events__count(const struct map_events *events);
int map_events__fd(const struct map_events *events, size_t index);

/*
 * Takes what has come on all CPUs over into the records. Returns whether there was any. A process may move
 * between CPUs while they are looked at: what it did up to a moment before the call is complete, of what it
 * did later a part may be missing still.
 */
bool map_events__collect(struct map_events *events);
struct map_records *map_events__records(struct map_events *events);

#endif

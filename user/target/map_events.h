/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Word of new executable mappings (dlopen, a JIT, exec), whatever dynamic linker made them, from the kernel's
 * own records (perf_event_open(2), PERF_RECORD_MMAP2): nothing is probed for it in any process.
 */
#ifndef MEMWATCH_TARGET_MAP_EVENTS_H
#define MEMWATCH_TARGET_MAP_EVENTS_H

#include <stddef.h>
#include <sys/types.h>
#include "base/error.h"

struct map_events;

/* Opens one event a CPU. Returns 0 or a negative errno. */
int map_events__new(struct map_events **events, struct error *error);
void map_events__free(struct map_events *events);

/* Descriptors to poll for reading. */
size_t map_events__count(const struct map_events *events);
int map_events__fd(const struct map_events *events, size_t index);

/* Calls @changed with the process of each record that has come; with 0 where records were lost: any may have
 * changed. */
void map_events__drain(struct map_events *events, void (*changed)(pid_t pid, void *context), void *context);

#endif

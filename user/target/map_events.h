/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Word of new executable mappings (dlopen, a JIT, exec), whatever dynamic linker made them, from the kernel's
 * own records (perf_event_open(2), PERF_RECORD_MMAP2): nothing is probed for it in any process. They tell
 * what a process had mapped even when it has ended before anybody could look.
 */
#ifndef MEMWATCH_TARGET_MAP_EVENTS_H
#define MEMWATCH_TARGET_MAP_EVENTS_H

#include <stddef.h>
#include <sys/types.h>
#include "base/error.h"
#include "target/maps.h"

struct map_events;

enum map_event_type {
	MAP_EVENT_MAPPED, /* mapping has been made */
	MAP_EVENT_EXEC,   /* the process has a new, empty address space */
	MAP_EVENT_LOST,   /* records were lost: any process may have changed */
};

struct map_event {
	enum map_event_type type;
	pid_t pid;              /* as our pid namespace numbers it */
	struct mapping mapping; /* its path is borrowed */
	char comm[16];          /* MAP_EVENT_EXEC: the new name, printable */
};

typedef void map_event_fn(const struct map_event *event, void *context);

/* Opens one event a CPU. Returns 0 or a negative errno. */
int map_events__new(struct map_events **events, struct error *error);
void map_events__free(struct map_events *events);

/* Descriptors to poll for reading. */
size_t map_events__count(const struct map_events *events);
int map_events__fd(const struct map_events *events, size_t index);

/* Hands over what has come, each CPU's records in their order. */
void map_events__drain(struct map_events *events, map_event_fn *fn, void *context);

#endif

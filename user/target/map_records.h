/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's records of executable mappings and of execs (perf_event_open(2), PERF_RECORD_MMAP2 and
 * PERF_RECORD_COMM): from the bytes of any number of rings to one list in the order of time.
 */
#ifndef MEMWATCH_TARGET_MAP_RECORDS_H
#define MEMWATCH_TARGET_MAP_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/vec.h"
#include "target/maps.h"

enum map_event_type {
	MAP_EVENT_MAPPED, /* mapping has been made */
	MAP_EVENT_EXEC,   /* the process has a new, empty address space */
	MAP_EVENT_LOST,   /* records were lost: any process may have changed */
};

struct map_event {
	enum map_event_type type;
	pid_t pid;              /* as our pid namespace numbers it */
	uint64_t time_ns;       /* CLOCK_MONOTONIC */
	struct mapping mapping; /* the list's own */
	char comm[16];          /* MAP_EVENT_EXEC: the new name, printable */
};

struct map_record {
	struct map_event event;
	uint64_t number; /* as read: the order of those that have one time */
};

/* Starts as zeros. */
struct map_records {
	VEC(struct map_record) items; /* from next on to come, in order once sorted */
	size_t next;
	size_t bytes; /* of those to come */
	uint64_t numbered;
	bool lost; /* what could not be read or kept: it comes first, as a MAP_EVENT_LOST */
};

/*
 * Takes over the records at positions [@tail, @head) of a ring of @size bytes, each of which ends in its time
 * (sample_id_all with PERF_SAMPLE_TIME alone). What makes no sense, and what there is no room for, is lost.
 */
void map_records__take(struct map_records *records, const void *ring, size_t size, uint64_t tail,
		       uint64_t head);

/* To be called when all rings have been taken over. */
void map_records__sort(struct map_records *records);

/* The first event, NULL if there is none up to @until_ns; and on to the next. */
const struct map_event *map_records__first(const struct map_records *records, uint64_t until_ns);
void map_records__drop_first(struct map_records *records);

/* Whether an exec by @pid, after @since_ns, is among those to come. */
bool map_records__has_exec(const struct map_records *records, pid_t pid, uint64_t since_ns);

void map_records__free(struct map_records *records);

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "session/timeline.h"

#define TOLD_MAX 8192

int timeline__tell(struct timeline *timeline, const struct event *event)
{
	return vec_push(&timeline->told, *event);
}

bool timeline__is_full(const struct timeline *timeline)
{
	return timeline->told.count >= TOLD_MAX;
}

static void run_mapped(struct map_records *records, uint64_t until_ns,
		       const struct timeline_handlers *handlers)
{
	const struct map_event *event;

	while ((event = map_records__first(records, until_ns))) {
		handlers->mapped(event, handlers->context);
		map_records__drop_first(records);
	}
}

void timeline__run(struct timeline *timeline, struct map_records *records, uint64_t until_ns,
		   const struct timeline_handlers *handlers)
{
	uint64_t latest = 0;

	vec_each (event, &timeline->told) {
		/*
		 * An event may have waited for its place in the ring behind one that was stamped later. Its
		 * place counts: what it led to was recorded after either.
		 */
		if (event->time_ns > latest)
			latest = event->time_ns;
		run_mapped(records, latest, handlers);
		handlers->event(event, handlers->context);
	}
	timeline->told.count = 0;
	run_mapped(records, until_ns, handlers);
}

void timeline__free(struct timeline *timeline)
{
	vec_free(&timeline->told);
}

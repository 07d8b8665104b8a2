// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "session/mapped.h"

#include <string.h>
#include "session/session_private.h"

static struct coming_image *find_coming(struct session *session, pid_t pid)
{
	vec_each (coming, &session->coming) {
		if (coming->pid == pid)
			return coming;
	}
	return NULL;
}

void mapped__forget(struct session *session, pid_t pid)
{
	struct coming_image *coming = find_coming(session, pid);

	if (!coming)
		return;
	maps__free(&coming->maps);
	*coming = session->coming.items[--session->coming.count];
}

/* The newest account of a process is the one that its mappings belong to, until the next one is open. */
static struct watched *newest_account(const struct session *session, pid_t pid)
{
	struct watched *newest = NULL;

	vec_each (watched, &session->watched) {
		if ((*watched)->process.pid == pid && !(*watched)->ended && !(*watched)->closing &&
		    (!newest || (*watched)->account > newest->account))
			newest = *watched;
	}
	return newest;
}

static int begin_image(struct session *session, const struct map_event *event)
{
	struct coming_image coming = {.pid = event->pid};

	mapped__forget(session, event->pid);
	memcpy(coming.comm, event->comm, sizeof(coming.comm));
	return vec_push(&session->coming, coming);
}

int mapped__book(struct session *session, const struct map_event *event)
{
	struct watched *watched = newest_account(session, event->pid);
	struct coming_image *coming;

	if (event->type == MAP_EVENT_LOST) {
		vec_each (any, &session->watched)
			(*any)->maps_changed = true;
		return session__note(session, "programs are started here faster than memwatch can follow: "
					      "code of short-lived ones may be without names");
	}
	/* What was recorded before its account was opened has been read from /proc since. */
	if (!watched || event->time_ns < watched->opened_ns)
		return 0;
	if (event->type == MAP_EVENT_EXEC)
		return begin_image(session, event);
	coming = find_coming(session, event->pid);
	if (coming)
		return maps__insert(&coming->maps, &event->mapping);
	watched->maps_changed = true;
	return maps__insert(&watched->seen, &event->mapping);
}

void mapped__open_image(struct session *session, struct watched *watched)
{
	struct coming_image *coming = find_coming(session, watched->process.pid);

	if (!coming)
		return;
	memcpy(watched->process.comm, coming->comm, sizeof(coming->comm));
	maps__free(&watched->seen);
	watched->seen = coming->maps;
	coming->maps = (struct maps){0};
	mapped__forget(session, watched->process.pid);
}

bool mapped__has_execed(struct session *session, const struct watched *watched)
{
	pid_t pid = watched->process.pid;

	map_events__collect(session->map_events);
	return watched->closing || find_coming(session, pid) ||
	       map_records__has_exec(map_events__records(session->map_events), pid, watched->opened_ns);
}

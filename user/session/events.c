// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What happens to watched processes: they map libraries, fork, exec and end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "session/images.h"
#include "session/session_private.h"

#define MAPPINGS_PAUSE_NS 20000000ull /* new mappings are looked for at most that often, unasked */

static struct watched *find_account(struct session *session, uint32_t account)
{
	vec_each (watched, &session->watched) {
		if ((*watched)->account == account)
			return *watched;
	}
	return NULL;
}

/* The first error is the one that matters; the ring buffer's callback cannot return it. */
static void fail(struct session *session, int err, const struct error *error)
{
	if (session->failed)
		return;
	session->failed = err;
	session->failure = *error;
}

/* A forked child has its parent's mappings, whether or not it lives long enough for its own to be read. */
static int inherit_mappings(struct watched *child, const struct watched *parent, struct error *error)
{
	int err = 0;

	for (size_t i = 0; !err && i < parent->seen.count; i++)
		err = maps__insert(&child->seen, &parent->seen.items[i]);
	return err ? error__set(error, ENOMEM, "out of memory") : 0;
}

/* @parent: whose fork it is; NULL after an exec. A process may be gone by now. */
static void open_account(struct session *session, pid_t pid, uint32_t account, const struct watched *parent)
{
	struct process process = {.pid = pid};
	struct watched *watched = NULL;
	struct error error = {""};
	int err;

	err = process__read(pid, &process, &error);
	if (err) {
		memset(&process, 0, sizeof(process));
		process.pid = pid;
		snprintf(process.comm, sizeof(process.comm), "%s", parent ? parent->process.comm : "(ended)");
	}
	err = watched__new(&process, account, session->symbolizer, session->images, &watched, &error);
	if (!err && parent)
		err = inherit_mappings(watched, parent, &error);
	if (!err && vec_push(&session->watched, watched))
		err = error__set(&error, ENOMEM, "out of memory");
	if (!err)
		return;
	watched__free(watched);
	fail(session, err, &error);
}

static void close_account(struct session *session, struct watched *watched)
{
	int err;

	watched->closing = false;
	watched->ended = true;
	if (session->ended_fn)
		session->ended_fn(watched, session->ended_context);
	/* The last one's room is needed by nobody. */
	err = session__open_count(session) ? engine__forget_account(session->engine, watched->account) : 0;
	if (err)
		log__say(session->log, 1, "the blocks of closed account %u stay in the kernel's table: %s",
			 watched->account, strerror(-err));
}

static void close_accounts(struct session *session)
{
	struct error error = {""};
	bool closing = false;
	int err;

	vec_each (watched, &session->watched) {
		closing |= (*watched)->closing;
	}
	err = closing ? session__refresh(session, &error) : 0;
	if (err)
		fail(session, err, &error);
	for (size_t i = 0; i < session->watched.count; i++) {
		if (session->watched.items[i]->closing)
			close_account(session, session->watched.items[i]);
	}
}

static void mark_closing(struct watched *watched, const char *ending)
{
	if (!watched)
		return;
	watched->closing = true;
	watched->ending = ending;
}

static void book_mapping(struct session *session, const struct event *event)
{
	struct watched *watched = find_account(session, event->account);
	struct error error = {""};

	if (watched && mappings__apply(&watched->mappings, event))
		fail(session, error__set(&error, ENOMEM, "out of memory"), &error);
}

static void on_event(const struct event *event, void *context)
{
	struct session *session = context;
	struct watched *watched = find_account(session, event->account);

	switch (event->type) {
	case EVENT_FORK:
		if (event->arg[0])
			open_account(session, event->other, event->arg[0], watched);
		break;
	case EVENT_EXEC:
		mark_closing(watched, "at exec");
		open_account(session, event->pid, event->other, NULL);
		break;
	case EVENT_EXIT:
		mark_closing(watched, "at exit");
		break;
	case EVENT_MMAP:
	case EVENT_MUNMAP:
	case EVENT_MREMAP:
		book_mapping(session, event);
		break;
	}
}

/* The newest account of a process, which is the one that its mappings are made by. */
static struct watched *newest_account(struct session *session, pid_t pid)
{
	struct watched *newest = NULL;

	vec_each (watched, &session->watched) {
		if ((*watched)->process.pid == pid && !(*watched)->ended &&
		    (!newest || (*watched)->account > newest->account))
			newest = *watched;
	}
	return newest;
}

static void on_map_event(const struct map_event *event, void *context)
{
	struct session *session = context;
	struct watched *watched = newest_account(session, event->pid);
	struct error error = {""};

	if (event->type == MAP_EVENT_LOST) {
		vec_each (any, &session->watched)
			(*any)->maps_changed = true;
		return;
	}
	if (!watched)
		return;
	watched->maps_changed = true;
	if (event->type == MAP_EVENT_EXEC) {
		maps__free(&watched->seen);
		memcpy(watched->process.comm, event->comm, sizeof(watched->process.comm));
	} else if (maps__insert(&watched->seen, &event->mapping)) {
		fail(session, error__set(&error, ENOMEM, "out of memory"), &error);
	}
}

/* New code may hold an allocator; whoever has ended meanwhile has nothing left to probe. */
static int probe_changed(struct session *session, struct error *error)
{
	for (size_t i = 0; i < session->watched.count; i++) {
		struct watched *watched = session->watched.items[i];
		int err;

		if (!watched->maps_changed || watched->ended)
			continue;
		err = images__update(session, watched, error);
		if (err && err != -ESRCH && process__alive(&watched->process))
			return err;
	}
	return 0;
}

size_t session__fds(const struct session *session, int *fds, size_t room, int *wait_ms)
{
	uint64_t passed = clock__monotonic() - session->mappings_ns;
	size_t count = 0;

	*wait_ms = -1;
	if (count < room)
		fds[count++] = engine__event_fd(session->engine);
	if (passed < MAPPINGS_PAUSE_NS) {
		*wait_ms = (MAPPINGS_PAUSE_NS - passed) / 1000000 + 1;
		return count;
	}
	for (size_t i = 0; i < map_events__count(session->map_events) && count < room; i++)
		fds[count++] = map_events__fd(session->map_events, i);
	return count;
}

int session__handle(struct session *session, struct error *error)
{
	int err;

	/*
	 * What has been opened and closed is known first, then what was mapped, and by whom; only then are
	 * closed accounts reported on, with whatever is known of their mappings.
	 */
	err = engine__poll(session->engine, 0, on_event, session);
	if (err < 0 && err != -EINTR)
		return error__set(error, -err, "cannot read the kernel's events: %s", strerror(-err));
	map_events__drain(session->map_events, on_map_event, session);
	session->mappings_ns = clock__monotonic();
	err = probe_changed(session, error);
	if (err)
		return err;
	close_accounts(session);
	if (session->failed)
		*error = session->failure;
	return session->failed;
}

void session__drop_ended(struct session *session)
{
	size_t kept = 0;

	for (size_t i = 0; i < session->watched.count; i++) {
		if (session->watched.items[i]->ended)
			watched__free(session->watched.items[i]);
		else
			session->watched.items[kept++] = session->watched.items[i];
	}
	session->watched.count = kept;
}

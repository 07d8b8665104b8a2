// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What happens to watched processes: they map libraries, fork, exec and end. */
#include <errno.h>
#include <string.h>
#include "session/images.h"
#include "session/session_private.h"

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

/* A process that is gone before it was looked at leaves nothing to look at. */
static void open_account(struct session *session, pid_t pid, uint32_t account, const struct process *known)
{
	struct watched *watched = NULL;
	struct process process;
	struct error error = {""};
	int err;

	err = process__read(pid, &process, &error);
	if (err && known) {
		process = *known;
		err = 0;
	}
	if (err) {
		log__say(session->log, 1, "%s", error.text);
		return;
	}
	err = watched__new(&process, account, session->symbolizer, session->images, &watched, &error);
	if (!err && vec_push(&session->watched, watched)) {
		watched__free(watched);
		err = error__set(&error, ENOMEM, "out of memory");
	}
	if (err)
		fail(session, err, &error);
}

static void close_account(struct session *session, struct watched *watched, const char *ending)
{
	struct error error = {""};
	int err;

	err = session__refresh(session, &error);
	if (err)
		fail(session, err, &error);
	watched->ended = true;
	watched->ending = ending;
	if (session->ended_fn)
		session->ended_fn(watched, session->ended_context);
	/* The last one's room is needed by nobody. */
	err = session__open_count(session) ? engine__forget_account(session->engine, watched->account) : 0;
	if (err)
		log__say(session->log, 1, "the blocks of closed account %u stay in the kernel's table: %s",
			 watched->account, strerror(-err));
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
			open_account(session, event->other, event->arg[0],
				     watched ? &watched->process : NULL);
		break;
	case EVENT_EXEC:
		if (watched)
			close_account(session, watched, "at exec");
		open_account(session, event->pid, event->other, watched ? &watched->process : NULL);
		break;
	case EVENT_EXIT:
		if (watched)
			close_account(session, watched, "at exit");
		break;
	case EVENT_MMAP:
	case EVENT_MUNMAP:
	case EVENT_MREMAP:
		book_mapping(session, event);
		break;
	}
}

static void on_map_change(pid_t pid, void *context)
{
	struct session *session = context;

	vec_each (watched, &session->watched) {
		if (!pid || (*watched)->process.pid == pid)
			(*watched)->maps_changed = true;
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
		watched->maps_changed = false;
		if (err && err != -ESRCH && process__alive(&watched->process))
			return err;
	}
	return 0;
}

size_t session__fds(const struct session *session, int *fds, size_t room)
{
	size_t count = 0;

	if (count < room)
		fds[count++] = engine__event_fd(session->engine);
	for (size_t i = 0; i < map_events__count(session->map_events) && count < room; i++)
		fds[count++] = map_events__fd(session->map_events, i);
	return count;
}

int session__handle(struct session *session, struct error *error)
{
	int err;

	/* Mappings first: a process that has just ended is resolved by what it had mapped. */
	map_events__drain(session->map_events, on_map_change, session);
	err = probe_changed(session, error);
	if (err)
		return err;
	err = engine__poll(session->engine, 0, on_event, session);
	if (err < 0 && err != -EINTR)
		return error__set(error, -err, "cannot read the kernel's events: %s", strerror(-err));
	if (session->failed) {
		*error = session->failure;
		return session->failed;
	}
	return probe_changed(session, error);
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

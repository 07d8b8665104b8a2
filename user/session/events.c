// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What happens to watched processes: they map libraries, fork, exec and end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "session/images.h"
#include "session/pythons.h"
#include "session/session_private.h"

/*
 * New mappings are told of every process of the machine. After some have been dealt with, the next are left
 * alone for a time that keeps the share of a CPU that they take at a quarter; a millisecond is what poll(2)
 * can wait, and 20 ms is as long as anyone should wait for probes in what he has just loaded.
 */
#define REST_FACTOR 3
#define REST_MIN_NS 1000000ull
#define REST_MAX_NS 20000000ull

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
static void open_account(struct session *session, const struct event *event, pid_t pid, uint32_t account,
			 const struct watched *parent)
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
	if (!err)
		watched->opened_ns = event->time_ns;
	if (!err && vec_push(&session->watched, watched))
		err = error__set(&error, ENOMEM, "out of memory");
	if (err) {
		watched__free(watched);
		fail(session, err, &error);
		return;
	}
	if (parent)
		mapped__forget(session, pid);
	else
		mapped__open_image(session, watched);
}

static void close_account(struct session *session, struct watched *watched)
{
	int err;

	watched->closing = watched->due = false;
	watched->ended = true;
	if (session->ended_fn)
		session->ended_fn(watched, session->ended_context);
	/* The last one's room is needed by nobody. */
	err = session__open_count(session) ? engine__forget_account(session->engine, watched->account) : 0;
	if (err)
		log__say(session->log, 1, "the blocks of closed account %u stay in the kernel's table: %s",
			 watched->account, strerror(-err));
}

/*
 * Those that had ended before their books are read for the last time. Reading them may tell of others that
 * have ended: theirs may be older than their ends.
 */
static int close_accounts(struct session *session, struct error *error)
{
	bool due = false;
	int err;

	vec_each (watched, &session->watched) {
		(*watched)->due = (*watched)->closing;
		due |= (*watched)->due;
	}
	err = due ? session__refresh_due(session, error) : 0;
	for (size_t i = 0; !err && i < session->watched.count; i++) {
		if (session->watched.items[i]->due)
			close_account(session, session->watched.items[i]);
	}
	return err;
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

static void learn_code(struct session *session, struct watched *watched, const struct event *event)
{
	struct error error = {""};

	if (watched && pythons__learn(watched, event))
		fail(session, error__set(&error, ENOMEM, "out of memory"), &error);
}

static void on_event(const struct event *event, void *context)
{
	struct session *session = context;
	struct watched *watched = find_account(session, event->account);

	session->behind = true;
	switch (event->type) {
	case EVENT_FORK:
		if (event->arg[0])
			open_account(session, event, event->other, event->arg[0], watched);
		break;
	case EVENT_EXEC:
		mark_closing(watched, "at exec");
		open_account(session, event, event->pid, event->other, NULL);
		break;
	case EVENT_EXIT:
		mark_closing(watched, "at exit");
		mapped__forget(session, event->pid);
		break;
	case EVENT_CODE:
		learn_code(session, watched, event);
		break;
	case EVENT_MAPPINGS:
		if (watched)
			watched->maps_changed = true;
		break;
	case EVENT_MMAP:
	case EVENT_MUNMAP:
	case EVENT_MREMAP:
		book_mapping(session, event);
		break;
	}
}

static void on_map_event(const struct map_event *event, void *context)
{
	struct session *session = context;
	struct error error = {""};

	session->behind = true;
	if (mapped__book(session, event))
		fail(session, error__set(&error, ENOMEM, "out of memory"), &error);
}

/* Applies the events that are at hand, and mappings up to @until_ns. Returns whether mappings were read. */
static bool apply(struct session *session, uint64_t until_ns)
{
	const struct timeline_handlers handlers = {on_event, on_map_event, session};
	bool mapped = map_events__collect(session->map_events);

	timeline__run(&session->timeline, map_events__records(session->map_events), until_ns, &handlers);
	return mapped;
}

static void keep_event(const struct event *event, void *context)
{
	struct session *session = context;
	struct watched *watched = event->type == EVENT_CODE ? find_account(session, event->account) : NULL;
	struct error error = {""};

	/* A code object may be gone in a moment; its order among the others is of no matter. */
	if (watched)
		return learn_code(session, watched, event);
	if (timeline__tell(&session->timeline, event))
		fail(session, error__set(&error, ENOMEM, "out of memory"), &error);
	if (timeline__is_full(&session->timeline))
		session->behind |= apply(session, 0);
}

int session__catch_up(struct session *session, struct error *error)
{
	uint64_t now = clock__monotonic();
	int err = engine__poll(session->engine, 0, keep_event, session);

	if (err < 0 && err != -EINTR)
		return error__set(error, -err, "cannot read the kernel's events: %s", strerror(-err));
	session->behind |= apply(session, now);
	if (session->failed)
		*error = session->failure;
	return session->failed;
}

/*
 * New code may hold an allocator; whoever has ended meanwhile has nothing left to probe. What was mapped for
 * a moment only is not in /proc any more, but it has been told of.
 */
static int probe_changed(struct session *session, struct error *error)
{
	for (size_t i = 0; i < session->watched.count; i++) {
		struct watched *watched = session->watched.items[i];
		int err;

		if (!watched->maps_changed || watched->ended || watched->closing)
			continue;
		images__learn(session, watched);
		err = images__update(session, watched, error);
		if (err && err != -ESRCH && process__alive(&watched->process))
			return err;
	}
	return 0;
}

/* Whether mappings have been read that were not due yet: no descriptor tells of them any more. */
/* An interpreter that starts is looked for every few milliseconds. */
#define PYTHON_WAIT_MS 5

static bool has_held(const struct session *session)
{
	return map_records__first(map_events__records(session->map_events), UINT64_MAX);
}

size_t session__fds(const struct session *session, int *fds, size_t room, int *wait_ms)
{
	uint64_t now = clock__monotonic();
	size_t count = 0;

	*wait_ms = session->behind ? 0 : session->python_waiting ? PYTHON_WAIT_MS : -1;
	if (count < room)
		fds[count++] = engine__event_fd(session->engine);
	if (now < session->rest_ns) {
		if (!session->behind)
			*wait_ms = (session->rest_ns - now + 999999) / 1000000;
		return count;
	}
	if (has_held(session))
		*wait_ms = 0;
	for (size_t i = 0; i < map_events__count(session->map_events) && count < room; i++)
		fds[count++] = map_events__fd(session->map_events, i);
	return count;
}

/* Mappings that come from now on are looked at after the rest; @spent_ns is what those before took of a CPU.
 */
static void rest(struct session *session, uint64_t spent_ns)
{
	uint64_t pause = spent_ns * REST_FACTOR;

	if (pause < REST_MIN_NS)
		pause = REST_MIN_NS;
	if (pause > REST_MAX_NS)
		pause = REST_MAX_NS;
	session->rest_ns = clock__monotonic() + pause;
}

int session__attend(struct session *session, struct error *error)
{
	uint64_t began = clock__read(CLOCK_THREAD_CPUTIME_ID);
	int err = session__catch_up(session, error);

	err = err ? err : probe_changed(session, error);
	if (session->python_waiting)
		pythons__retry(session);
	if (!err && (session->behind || has_held(session)))
		rest(session, clock__read(CLOCK_THREAD_CPUTIME_ID) - began);
	return err;
}

int session__handle(struct session *session, struct error *error)
{
	int err = session__attend(session, error);

	/* What the last reports find to have happened meanwhile is for the next time. */
	session->behind = false;
	err = err ? err : close_accounts(session, error);
	if (!err && session->failed) {
		*error = session->failure;
		err = session->failed;
	}
	return err;
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

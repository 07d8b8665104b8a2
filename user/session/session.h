/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A watching session: the kernel side, the processes it watches, and the probes in their allocators. */
#ifndef MEMWATCH_SESSION_SESSION_H
#define MEMWATCH_SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "attach/cost.h"
#include "base/error.h"
#include "base/log.h"
#include "session/watched.h"
#include "snapshot/engine.h"
#include "target/launch.h"
#include "target/map_events.h"

struct session_options {
	struct engine_options engine; /* mode: as wanted, ATTACH_AUTO allowed */
	unsigned domains;             /* mask of 1 << enum domain */
	bool allow_seccomp;
	bool no_debuginfod;
	uint64_t older_ns; /* 0: all blocks */
	struct skip_list skip;
};

/* Called when an account has been closed, its profile up to date, before its blocks are forgotten. */
typedef void session_ended_fn(struct watched *watched, void *context);

struct session;
int session__new(const struct session_options *options, const struct log *log, struct session **session,
		 struct error *error);
void session__free(struct session *session);
void session__on_end(struct session *session, session_ended_fn *fn, void *context);

/* Watches a running process; sets probes in whatever allocators it has mapped. Returns 0 or a negative errno.
 */
int session__add(struct session *session, pid_t pid, struct error *error);

/* Starts a program and watches it from its first instruction. @launch is the caller's to wait for. */
int session__launch(struct session *session, char *const *argv, struct launch *launch, struct error *error);

/* Counts hits for @ns without recording them (session__projection tells what came of it), then records. */
void session__start(struct session *session, uint64_t ns);

/* The share of one CPU's time that hits since the last call took, in percent, over @elapsed_ns. */
double session__overhead(struct session *session, uint64_t elapsed_ns, uint64_t *events);

/* What the counting of session__start showed. */
struct session_projection session__projection(const struct session *session);

/*
 * Descriptors that become readable when session__handle has something to do; at most @room. Returns how many.
 * New mappings are told of every process of the machine, and a busy one would keep memwatch awake: theirs are
 * left out of @fds for a moment after they have been looked at; @wait_ms is then how long (else -1).
 */
size_t session__fds(const struct session *session, int *fds, size_t room, int *wait_ms);

/* Deals with what has happened: processes that fork, exec and end; new libraries. Returns 0 or a negative
 * errno. */
int session__handle(struct session *session, struct error *error);

/* Brings every profile up to date. Returns 0 or a negative errno. */
int session__refresh(struct session *session, struct error *error);

/* Watched accounts, closed ones included until session__drop_ended. */
size_t session__count(const struct session *session);
struct watched *session__watched(const struct session *session, size_t index);
void session__drop_ended(struct session *session);
/* How many are still open. */
size_t session__open_count(const struct session *session);

struct engine *session__engine(struct session *session);
/* Remarks for reports' headers; NULL-terminated, owned by the session. */
const char *const *session__notes(const struct session *session);

#endif

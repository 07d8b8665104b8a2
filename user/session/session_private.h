/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* struct session, for the files that implement it. */
#ifndef MEMWATCH_SESSION_SESSION_PRIVATE_H
#define MEMWATCH_SESSION_SESSION_PRIVATE_H

#include "session/mapped.h"
#include "session/session.h"
#include "session/timeline.h"

/* A file that @pid has been probed in (0: everyone who maps it). */
struct probed_image {
	uint64_t device, inode;
	pid_t pid;
	size_t sites;
};

struct session {
	struct session_options options; /* engine.mode: the one in use */
	const struct log *log;          /* borrowed */
	struct engine *engine;
	struct image_cache *images;
	struct symbolizer *symbolizer;
	struct map_events *map_events;
	struct timeline timeline;
	VEC(struct coming_image) coming;
	int seccomp_kills; /* −1: not yet tried out */
	VEC(struct watched *) watched;
	VEC(struct probed_image) probed;
	VEC(char *) notes;      /* NULL-terminated when not empty */
	VEC(char *) stepped;    /* sites that are single-stepped, until that has become a note */
	VEC(struct total) rows; /* of the ledger, by index, as of the last session__refresh */
	VEC(struct old_blocks) old;
	uint64_t rest_ns;              /* CLOCK_MONOTONIC until when nobody asks for new mappings */
	bool python_waiting;           /* an interpreter has not started yet */
	bool behind;                   /* session__handle has something to do already */
	uint64_t tallies[TALLY_COUNT]; /* as of the last session__overhead */
	struct session_projection projection;
	session_ended_fn *ended_fn;
	void *ended_context;
	struct error failure; /* of a callback that cannot return it */
	int failed;
};

int session__note(struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Learns of all that has happened up to now: accounts are opened, and marked that are to be closed. Returns 0
 * or a negative errno.
 */
int session__catch_up(struct session *session, struct error *error);

/* The same, and sets probes in what has been mapped. Last reports are left to session__handle. */
int session__attend(struct session *session, struct error *error);

/* Brings the profiles of accounts that are due up to date. */
int session__refresh_due(struct session *session, struct error *error);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A view → text or JSON. Pure rendering: tested from made-up views, with no process running. */
#ifndef MEMWATCH_REPORT_REPORT_H
#define MEMWATCH_REPORT_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "abi.h"
#include "base/error.h"
#include "profile/view.h"
#include "report/source.h"

struct report_style {
	bool colour;
	bool most_recent_last; /* traceback order; tracemalloc's default is most recent call last */
	size_t width;          /* columns; 0: not a terminal, never cut */
	size_t frames;         /* at most this many frames a traceback; 0: all */
	bool source;           /* print the source line below each line */
	bool quiet;            /* no header */
};

/* What a report says besides its statistics. Times are CLOCK_REALTIME, ns. */
struct report_info {
	const char *comm;
	int pid;
	const char *domains; /* "heap" or "heap+mmap" */
	const char *mode;    /* "exact" */
	const char *title;   /* NULL, or e.g. "at exit", "since mark 'request'" */
	uint64_t from_ns, to_ns;
	int64_t rss, rss_diff;   /* bytes; rss < 0: the process has ended */
	double overhead_percent; /* of one CPU, estimated from the events; < 0: not known */
	uint64_t events;         /* probe hits within the interval */
	enum group_by group_by;
	struct loss_counter losses[LOSS_COUNT]; /* since the start */
	uint64_t free_unknown;                  /* since the start */
	/* Further lines for the header: single-stepped sites, …; NULL-terminated, or NULL. */
	const char *const *notes;
};

struct source_cache; /* report/source.h */

/*
 * Each writes one whole report and flushes @out. Returns 0 or a negative errno (-EPIPE: the reader went away,
 * where SIGPIPE is ignored; -ENOSPC, …). -ENOMEM leaves @out as it was. @sources may be NULL. What comes from
 * the target is made harmless: in text, control characters are '?'; in both, what is not UTF-8 is U+FFFD.
 *
 * JSON: one object, one line. Names that are not known are null, as is rss once the process has ended and the
 * percentage where it is not known; "line" is 0 then. "traceback" is the heaviest sample's, most recent call
 * first.
 */
int report__text(FILE *out, const struct view *view, const struct report_info *info,
		 const struct report_style *style, struct source_cache *sources);
int report__json(FILE *out, const struct view *view, const struct report_info *info);

#endif

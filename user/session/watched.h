/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One account: a program image of a watched process, and the profile that is built of it. The ledger's rows
 * become samples here, once each; their values are brought up to date before a report.
 */
#ifndef MEMWATCH_SESSION_WATCHED_H
#define MEMWATCH_SESSION_WATCHED_H

#include <stdbool.h>
#include <stdint.h>
#include "base/error.h"
#include "base/vec.h"
#include "profile/profile.h"
#include "snapshot/engine.h"
#include "snapshot/mappings.h"
#include "symbolize/symbolizer.h"
#include "target/process.h"

struct location_entry;
struct pythons;

/* What a report is the difference to. */
enum report_base {
	BASE_LAST, /* the last interval's report, which this one becomes */
	BASE_MARK, /* the last mark */
	REPORT_BASES
};

/* How things stood when a report was made. */
struct report_point {
	struct profile_base base;
	uint64_t ns; /* CLOCK_REALTIME */
	int64_t rss;
};

struct watched {
	uint32_t account;
	struct process process;
	uint64_t opened_ns; /* CLOCK_MONOTONIC */
	bool ended;         /* the account is closed: exit or exec */
	const char *ending; /* NULL, "at exit", "at exec" */
	bool closing;       /* its end has been told, and is dealt with when what it mapped is known */
	bool due;           /* its end is being dealt with */
	struct maps seen;  /* as last read, and what was reported since: all there is when it ends too soon */
	bool maps_changed; /* the mappings are to be read again */
	size_t image_count; /* mapped files that were looked at for an allocator */
	size_t site_count;  /* probes that it passes */
	struct symbol_space *space;
	struct profile *profile;
	VEC(uint32_t) samples; /* by index into totals: the sample's index + 1; 0: none yet */
	struct mappings mappings;
	struct location_entry *locations; /* hash: symbol → location */
	struct pythons *pythons;          /* NULL: not looked for yet */

	struct report_point points[REPORT_BASES];
};

/* Functions that are not the line a report names: the allocators' own, and those that --skip's globs name. */
struct skip_list {
	bool none;                /* --no-skip: not even the allocators' own */
	const char *const *globs; /* borrowed */
	size_t count;
};

/* Takes over nothing; @images and @symbolizer must outlive it. Returns 0 or a negative errno. */
int watched__new(const struct process *process, uint32_t account, struct symbolizer *symbolizer,
		 struct image_cache *images, struct watched **watched, struct error *error);
void watched__free(struct watched *watched);

/* Blocks that --older lets through, by index into totals. */
struct old_blocks {
	uint64_t bytes, count;
};

/*
 * Brings the sample of totals' row @index up to date with @total, making it (and resolving its stack) when it
 * is new.
 * @old: what the row's blocks older than asked for come to, or NULL for all. Returns 0 or a negative errno.
 */
int watched__update(struct watched *watched, const struct engine *engine, uint32_t index,
		    const struct total *total, const struct old_blocks *old, const struct skip_list *skip);

#endif

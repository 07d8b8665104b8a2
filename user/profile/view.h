/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Samples → statistics: grouping, filters, differences; what tracemalloc's Snapshot.filter_traces and
 *compare_to do (CPython Lib/tracemalloc.py).
 *
 * A sample is reported at its innermost frame that is not an allocator's own; at its outermost where all are.
 *Inlined lines are frames. The allocator's frames inside that one are no part of its traceback, of cumulative
 *groups, or of what all_frames looks at.
 *
 * What is printed is what is grouped:
 *	lineno     file and line; without a file, module and function (the smallest offset stands for all);
 *without either, module and offset filename   file; without one, module function   function and file; without
 *a file, function and module; without a function, as lineno module     module; without one (Python), file
 *	type       type
 *	traceback  every frame's file and line; without a file, module, function and offset
 * and, always, the domain: a line that holds memory in two domains has two statistics. A group that holds
 *nothing now and held nothing at the base is left out, though its traffic is in the total.
 *
 * One difference from tracemalloc: a recursive sample counts once in a cumulative group, not once a frame.
 */
#ifndef MEMWATCH_PROFILE_VIEW_H
#define MEMWATCH_PROFILE_VIEW_H

#include <stdbool.h>
#include "base/error.h"
#include "profile/profile.h"

enum group_by {
	GROUP_LINENO,
	GROUP_FILENAME,
	GROUP_TRACEBACK,
	GROUP_FUNCTION,
	GROUP_TYPE,
	GROUP_MODULE,
};

/*
 * Globs (fnmatch(3), where * matches / too and \ is itself) on file and module names; a sample is kept or
 * dropped by the frame that it is reported at, or by any of its frames with all_frames, as tracemalloc.Filter
 * does.
 */
struct view_options {
	enum group_by group_by;
	bool cumulative; /* lineno, filename, function, module: count a sample at every frame, once a group */
	bool all_frames;
	size_t frames;        /* of a traceback group, innermost; 0: all */
	const char **include; /* borrowed */
	size_t include_count;
	const char **exclude;
	size_t exclude_count;
	uint64_t min_size; /* entries whose size and |size_diff| are both below are summed up as hidden */
	size_t top;        /* 0: all */
};

/* A frame as it is reported. Strings are the profile's, and live as long. */
struct view_frame {
	const char *function; /* "" where unknown */
	const char *file;     /* "" where unknown */
	const char *module;
	uint32_t line;
	uint64_t module_offset; /* names the frame together with module where function or file is unknown */
	uint32_t kind;          /* enum location_kind */
	bool allocator;
	bool inlined; /* into the next frame of its traceback: both have one module_offset */
};

struct stat_values {
	int64_t size, count;           /* outstanding now */
	int64_t size_diff, count_diff; /* against the base */
	int64_t allocated, freed;      /* bytes since the base */
	int64_t allocated_count, freed_count;
};

struct statistic {
	/*
	 * What it is grouped by: fields that the grouping leaves open are "" and 0, but lineno, function and
	 * traceback name the heaviest sample's function and module.
	 */
	struct view_frame frame;
	const char *domain;
	const char *type;   /* "" none */
	uint32_t traceback; /* index into view.tracebacks: the heaviest sample's stack */
	struct stat_values values;
};

struct view_traceback {
	uint32_t first,
		count;  /* into view.frames, most recent call first; never more than view_options.frames */
	bool truncated; /* outer frames are missing: cut by view_options.frames or when captured */
};

struct view {
	/* By |size_diff|, size, |count_diff|, count, then name (a traceback's from its outermost frame), all
	 * falling. */
	VEC(struct statistic) stats;
	VEC(struct view_traceback) tracebacks;
	VEC(struct view_frame) frames;
	struct stat_values total;  /* of all samples that pass the filters, shown or not */
	struct stat_values hidden; /* of those that top and min_size cut off */
	size_t hidden_count;
};

/* Parses "lineno", "filename", …; the error names the choices. */
int group_by__parse(const char *text, enum group_by *group_by, struct error *error);
const char *group_by__name(enum group_by group_by);

/*
 * Fills @view (zeroed or freed by the caller). @base may be NULL: everything is growth. 0 or a negative
 * errno: -ENOMEM, -E2BIG; @view is empty then. Sums stop at the ends of int64_t instead of wrapping.
 */
int view__build(struct view *view, const struct profile *profile, const struct profile_base *base,
		const struct view_options *options);
void view__free(struct view *view);

#endif

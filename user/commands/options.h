/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the watching command was asked for. */
#ifndef MEMWATCH_COMMANDS_OPTIONS_H
#define MEMWATCH_COMMANDS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "attach/features.h"
#include "base/error.h"
#include "base/vec.h"
#include "profile/view.h"

struct options {
	VEC(pid_t) pids;
	char **command; /* argv of the program to start, NULL-terminated; NULL: none. Borrowed */
	uint64_t interval_ns;
	bool interval_given;
	uint64_t count; /* reports; 0: until told to stop */

	bool follow;
	unsigned domains; /* mask of 1 << enum domain */
	enum attach_mode attach_mode;
	bool allow_seccomp;
	uint64_t max_live, max_stacks, ring_size; /* 0: the default */

	struct view_options view;
	VEC(const char *) include, exclude, skip; /* borrowed globs */
	bool no_skip;
	uint64_t older_ns;
	size_t frames;
	bool most_recent_first;
	bool no_debuginfod;

	bool json;
	const char *output; /* NULL: stdout */
	bool quiet;
	int verbose;

	bool fail_on_leak;
	uint64_t fail_size;
};

/*
 * Parses `memwatch [options] -p PID … | -- CMD …`. Returns 0; 1 where --help or the like has been answered
 * and there is nothing left to do; -EINVAL with an error for what is no valid use. options__free in every
 * case.
 */
int options__parse(int argc, char **argv, struct options *options, struct error *error);
void options__free(struct options *options);

#endif

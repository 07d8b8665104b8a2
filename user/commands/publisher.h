/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a watched account to a report on the chosen output. */
#ifndef MEMWATCH_COMMANDS_PUBLISHER_H
#define MEMWATCH_COMMANDS_PUBLISHER_H

#include <stdio.h>
#include "base/error.h"
#include "commands/options.h"
#include "session/session.h"

struct publisher {
	const struct options *options; /* borrowed */
	FILE *out;
	bool close_out;
	double overhead_percent; /* of the interval that is being reported */
	uint64_t events;
};

/* Opens the output: nothing is attached to for a file that cannot be written. Returns 0 or a negative errno.
 */
int publisher__init(struct publisher *publisher, const struct options *options, struct error *error);
/* Returns 0, or a negative errno where what was written did not arrive. */
int publisher__close(struct publisher *publisher, struct error *error);

/* Writes one report of @watched, whose profile is up to date. Returns 0 or a negative errno. */
int publisher__report(struct publisher *publisher, struct session *session, struct watched *watched,
		      enum report_base base, const char *title, struct error *error);

#endif

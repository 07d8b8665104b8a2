/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which samples a view is made of: --include and --exclude. Private to profile/. */
#ifndef MEMWATCH_PROFILE_FILTER_H
#define MEMWATCH_PROFILE_FILTER_H

#include "profile/frames.h"

/* Each string is matched once; a profile has far fewer names than frames. */
struct filter {
	const struct frames *frames; /* borrowed, as the options */
	const struct view_options *options;
	uint8_t *included, *excluded; /* by string: enum verdict; NULL where there are no patterns */
};

int filter__init(struct filter *filter, const struct frames *frames, const struct view_options *options);
void filter__free(struct filter *filter);

bool filter__passes(struct filter *filter, const struct profile_sample *sample);

#endif

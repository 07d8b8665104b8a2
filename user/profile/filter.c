// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "profile/filter.h"

#include <fnmatch.h>

enum verdict { UNTRIED, MATCHES, DIFFERS };

/* The patterns of one kind and what they said of each string so far. */
struct patterns {
	const char **globs;
	size_t count;
	uint8_t *verdicts;
};

int filter__init(struct filter *filter, const struct frames *frames, const struct view_options *options)
{
	size_t strings = frames->profile->strings.count;

	*filter = (struct filter){.frames = frames, .options = options};
	if (options->include_count) {
		filter->included = calloc(strings, 1);
		if (!filter->included)
			return -ENOMEM;
	}
	if (options->exclude_count) {
		filter->excluded = calloc(strings, 1);
		if (!filter->excluded) {
			filter__free(filter);
			return -ENOMEM;
		}
	}
	return 0;
}

void filter__free(struct filter *filter)
{
	free(filter->included);
	free(filter->excluded);
	*filter = (struct filter){0};
}

static bool string_matches(const struct profile *profile, const struct patterns *patterns, uint32_t string)
{
	uint8_t *verdict = &patterns->verdicts[string];

	if (*verdict == UNTRIED) {
		const char *text = profile__text(profile, string);

		*verdict = DIFFERS;
		for (size_t i = 0; i < patterns->count && *verdict == DIFFERS; i++) {
			/* Python's fnmatch knows no escapes. */
			if (fnmatch(patterns->globs[i], text, FNM_NOESCAPE) == 0)
				*verdict = MATCHES;
		}
	}
	return *verdict == MATCHES;
}

static bool frame_matches(const struct frames *frames, const struct patterns *patterns, uint32_t frame)
{
	const struct profile *profile = frames->profile;
	uint32_t file = 0, module = 0;

	if (frame != FRAME_NONE) {
		const struct profile_location *location = &profile->locations.items[frames->locations[frame]];

		file = profile->functions.items[profile->lines.items[frame].function].file;
		module = profile->mappings.items[location->mapping].file;
	}
	if (module && string_matches(profile, patterns, module))
		return true;
	return (file || !module) && string_matches(profile, patterns, file);
}

static bool sample_matches(const struct filter *filter, const struct patterns *patterns,
			   const struct profile_sample *sample)
{
	struct frame_walk walk;
	uint32_t frame = filter->options->all_frames ? frame_walk__first(&walk, filter->frames, sample)
						     : frame_walk__reported(&walk, filter->frames, sample);

	do {
		if (frame_matches(filter->frames, patterns, frame))
			return true;
		frame = frame_walk__next(&walk);
	} while (filter->options->all_frames && frame != FRAME_NONE);
	return false;
}

bool filter__passes(struct filter *filter, const struct profile_sample *sample)
{
	const struct view_options *options = filter->options;
	struct patterns include = {options->include, options->include_count, filter->included};
	struct patterns exclude = {options->exclude, options->exclude_count, filter->excluded};

	if (include.count && !sample_matches(filter, &include, sample))
		return false;
	return !exclude.count || !sample_matches(filter, &exclude, sample);
}

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The made-up process that the reports' golden files are about. */
#ifndef MEMWATCH_TESTS_MADE_REPORT_H
#define MEMWATCH_TESTS_MADE_REPORT_H

#include "abi.h"
#include "made_up.h"
#include "report/report.h"

#define MADE_TIME 1763812810200000000ull /* 2025-11-22 12:00:10.2 UTC */

static inline struct report_info made_info(enum group_by group_by)
{
	return (struct report_info){
		.comm = "python3",
		.pid = 4242,
		.domains = "heap+python",
		.mode = "exact",
		.from_ns = MADE_TIME - 5000000000ull,
		.to_ns = MADE_TIME,
		.rss = 64172032,
		.rss_diff = 1572864,
		.overhead_percent = 0.8,
		.events = 123456,
		.group_by = group_by,
	};
}

/* Samples of every kind of frame; @base is what was there before. */
static inline struct profile *made_profile(struct profile_base *base)
{
	struct profile *profile = profile__new();
	static const int64_t later[][VALUE_COUNT] = {
		{4971520, 39328, 8000000, 60000},
		{3000000, 30000, 3000000, 30000},
		{1500000, 11, 1500000, 11},
		{70000, 7, 70000, 7},
		{0, 0, 60000, 10},
		{522, 11857, 522, 11857},
	};
	const int64_t *now = later[0];

	assert_non_null(profile);
	made_sample(profile, "python", "",
		    FRAMES(MADE_PYTHON, {"<module>", "app.py", 50, "", 0, LOCATION_PYTHON, 0, 0}),
		    VALUES(3922944, 31136, 5000000, 40000));
	made_sample(profile, "heap", "", FRAMES(MADE_NEW, MADE_PUSH, MADE_LOAD_INLINE, MADE_MAIN),
		    VALUES(2685428, 28171, 2685428, 28171));
	made_sample(profile, "heap", "", FRAMES(MADE_LIB(0x4f10), MADE_MAIN),
		    VALUES(1500000, 11, 1500000, 11));
	made_sample(profile, "heap", "", FRAMES(MADE_BARE(0x1234), MADE_MAIN), VALUES(70000, 7, 70000, 7));
	made_sample(profile, "heap", "",
		    FRAMES({"std::vector<int, std::allocator<int> >::push_back(int&&)",
			    "/usr/src/a/very/long/way/down/to/the/file/that/holds/the/line/vector.h", 1234,
			    "/bin/app", 0x77, LOCATION_NATIVE, false, false},
			   MADE_MAIN),
		    VALUES(60000, 10, 60000, 10));
	profile->samples
		.items[made_sample(profile, "heap", "", FRAMES(MADE_MAIN), VALUES(522, 11857, 522, 11857))]
		.flags = STACK_TRUNCATED;
	assert_int_equal(profile__save_base(profile, base), 0);
	for (size_t i = 0; i < profile->samples.count; i++, now += VALUE_COUNT)
		memcpy(profile->samples.items[i].values, now, sizeof(later[0]));
	return profile;
}

/* Prints to memory what @style (NULL: JSON) says; the caller frees it. */
static inline char *made_report(const struct view *view, const struct report_info *info,
				const struct report_style *style, struct source_cache *sources,
				size_t *length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);

	assert_non_null(out);
	assert_int_equal(
		style ? report__text(out, view, info, style, sources) : report__json(out, view, info), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

#endif

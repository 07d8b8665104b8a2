// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "base/units.h"
#include "report/parts.h"
#include "report/safe.h"

#define NS_PER_SECOND 1000000000ull

static void put_times(FILE *out, uint64_t from_ns, uint64_t to_ns)
{
	time_t from = (time_t)(from_ns / NS_PER_SECOND), to = (time_t)(to_ns / NS_PER_SECOND);
	const char *format = "%H:%M:%S";
	struct tm first, last;
	char text[64];

	if (!localtime_r(&to, &last))
		return;
	if (from_ns && localtime_r(&from, &first)) {
		if (first.tm_year != last.tm_year || first.tm_yday != last.tm_yday)
			format = "%Y-%m-%d %H:%M:%S";
		if (strftime(text, sizeof(text), format, &first))
			fprintf(out, ", %s →", text);
	} else {
		fputc(',', out);
	}
	if (strftime(text, sizeof(text), format, &last))
		fprintf(out, " %s", text);
}

void report__header(FILE *out, const struct report_info *info, const struct report_style *style)
{
	paint__on(out, style, PAINT_HEADING);
	fputs("memwatch: ", out);
	safe__puts(out, info->comm);
	fprintf(out, " (pid %d), ", info->pid);
	safe__puts(out, info->domains);
	fputs(", ", out);
	safe__puts(out, info->mode);
	if (info->title) {
		fputs(", ", out);
		safe__puts(out, info->title);
	}
	put_times(out, info->from_ns, info->to_ns);
	if (info->overhead_percent >= 0)
		fprintf(out, ", overhead %.1f %%", info->overhead_percent);
	paint__off(out, style);
	fputc('\n', out);
	for (const char *const *note = info->notes; note && *note; note++) {
		paint__on(out, style, PAINT_ASIDE);
		fputs("memwatch: ", out);
		safe__puts(out, *note);
		paint__off(out, style);
		fputc('\n', out);
	}
}

static void put_loss(FILE *out, const struct loss_counter *loss, const char *meaning, const char *advice,
		     const struct report_style *style)
{
	static const char nothing[] = "nothing; ";
	char text[32];

	if (!loss->events && !loss->bytes)
		return;
	/* What follows says why nothing needs to be done. */
	if (strncmp(advice, nothing, strlen(nothing)) == 0)
		advice += strlen(nothing);
	paint__on(out, style, PAINT_GROWTH);
	fputs("Lost:", out);
	paint__off(out, style);
	fprintf(out, " %" PRIu64, (uint64_t)loss->events);
	if (loss->bytes) {
		int64_t bytes = loss->bytes > INT64_MAX ? INT64_MAX : (int64_t)loss->bytes;

		fprintf(out, " (%s)", units__format_size(text, sizeof(text), bytes, 0));
	}
	fprintf(out, " %s; %s\n", meaning, advice);
}

static void put_losses(FILE *out, const struct report_info *info, const struct report_style *style)
{
#define PUT_LOSS(name, key, meaning, advice)                                                                 \
	put_loss(out, &info->losses[LOSS_##name], meaning, advice, style);
	LOSSES(PUT_LOSS)
#undef PUT_LOSS
	if (info->free_unknown)
		fprintf(out,
			"Not seen from birth: %" PRIu64 " frees of blocks allocated before memwatch came\n",
			info->free_unknown);
}

void report__footer(FILE *out, const struct view *view, const struct report_info *info,
		    const struct report_style *style)
{
	char text[32];

	paint__on(out, style, PAINT_HEADING);
	fputs("Total:", out);
	paint__off(out, style);
	fputc(' ', out);
	report__values(out, &view->total, style);
	if (info->rss < 0) {
		fputs("; process ended\n", out);
	} else {
		fprintf(out, "; RSS %s ", units__format_size(text, sizeof(text), info->rss, 0));
		report__size_diff(out, info->rss_diff, style);
		fputc('\n', out);
	}
	put_losses(out, info, style);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "commands/publisher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "report/report.h"
#include "report/terminal.h"

int publisher__init(struct publisher *publisher, const struct options *options, struct error *error)
{
	memset(publisher, 0, sizeof(*publisher));
	publisher->options = options;
	publisher->overhead_percent = -1;
	/* What CMD prints is not to be mixed with what is said of it. */
	publisher->out = options->command ? stderr : stdout;
	if (!options->output)
		return 0;
	publisher->out = fopen(options->output, "we");
	if (!publisher->out)
		return error__set(error, errno, "cannot write '%s': %s", options->output, strerror(errno));
	publisher->close_out = true;
	return 0;
}

static const char *output_name(const struct publisher *publisher)
{
	if (publisher->options->output)
		return publisher->options->output;
	return publisher->options->command ? "standard error" : "standard output";
}

static int write_error(const struct publisher *publisher, int err, struct error *error)
{
	if (err == -EPIPE)
		return error__set(error, EPIPE, "cannot write the report: its reader went away");
	return error__set(error, -err, "cannot write to %s: %s", output_name(publisher), strerror(-err));
}

int publisher__close(struct publisher *publisher, struct error *error)
{
	int err = 0;

	if (!publisher->out)
		return 0;
	if (publisher->close_out ? fclose(publisher->out) : fflush(publisher->out))
		err = -errno;
	publisher->out = NULL;
	return err ? write_error(publisher, err, error) : 0;
}

static const char *domain_names(unsigned domains)
{
	static const char *const names[] = {"none", "heap", "mmap", "heap+mmap"};

	return names[domains & 3];
}

static void fill_info(const struct publisher *publisher, struct session *session,
		      const struct watched *watched, enum report_base base, const char *title,
		      struct report_info *info)
{
	uint64_t tallies[TALLY_COUNT], rss = 0;

	memset(info, 0, sizeof(*info));
	info->comm = watched->process.comm;
	info->pid = watched->process.pid;
	info->domains = domain_names(publisher->options->domains);
	info->mode = "exact";
	info->title = title;
	info->from_ns = watched->points[base].ns;
	info->to_ns = clock__real();
	info->rss = -1;
	if (!watched->ended && !process__rss(watched->process.pid, &rss)) {
		info->rss = rss;
		info->rss_diff = info->rss - watched->points[base].rss;
	}
	info->overhead_percent = base == BASE_MARK ? -1 : publisher->overhead_percent;
	info->events = base == BASE_MARK ? 0 : publisher->events;
	info->group_by = publisher->options->view.group_by;
	engine__losses(session__engine(session), info->losses);
	engine__tallies(session__engine(session), tallies);
	info->free_unknown = tallies[TALLY_FREE_UNKNOWN];
	info->notes = session__notes(session);
}

static int render(struct publisher *publisher, const struct watched *watched, const struct view *view,
		  const struct report_info *info)
{
	const struct options *options = publisher->options;
	struct terminal terminal = terminal__detect(fileno(publisher->out));
	struct report_style style = {
		.colour = terminal.colour,
		.width = terminal.width,
		.most_recent_last = !options->most_recent_first,
		.frames = options->frames,
		.source = true,
		.quiet = options->quiet,
	};
	struct source_cache *sources;
	char root[64];
	int err;

	if (options->json)
		return report__json(publisher->out, view, info);
	snprintf(root, sizeof(root), "/proc/%d/root", watched->process.pid);
	/* Made anew each time: a file that is edited shows as it is, and a process that has ended has no
	 * root. */
	sources = source_cache__new(watched->ended ? "" : root);
	err = report__text(publisher->out, view, info, &style, sources);
	source_cache__free(sources);
	return err;
}

int publisher__report(struct publisher *publisher, struct session *session, struct watched *watched,
		      enum report_base base, const char *title, struct error *error)
{
	struct report_point *point = &watched->points[base];
	struct report_info info;
	struct view view = {0};
	int err;

	fill_info(publisher, session, watched, base, title, &info);
	err = view__build(&view, watched->profile, &point->base, &publisher->options->view);
	if (err) {
		err = error__set(error, -err, "cannot make a report: %s", strerror(-err));
		goto out;
	}
	err = render(publisher, watched, &view, &info);
	if (err) {
		err = write_error(publisher, err, error);
		goto out;
	}
	point->ns = info.to_ns;
	point->rss = info.rss;
	err = profile__save_base(watched->profile, &point->base);
	if (err)
		err = error__set(error, -err, "cannot keep a report's figures: %s", strerror(-err));
out:
	view__free(&view);
	return err;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "profile/view.h"

#include <string.h>
#include "abi.h"
#include "profile/group.h"

static const char *const group_names[] = {
	[GROUP_LINENO] = "lineno",     [GROUP_FILENAME] = "filename", [GROUP_TRACEBACK] = "traceback",
	[GROUP_FUNCTION] = "function", [GROUP_TYPE] = "type",         [GROUP_MODULE] = "module",
};

int group_by__parse(const char *text, enum group_by *group_by, struct error *error)
{
	for (size_t i = 0; i < sizeof(group_names) / sizeof(group_names[0]); i++) {
		if (strcmp(text, group_names[i]) == 0) {
			*group_by = (enum group_by)i;
			return 0;
		}
	}
	return error__set(
		error, EINVAL,
		"cannot group by '%s': choose lineno, filename, traceback, function, type or module", text);
}

const char *group_by__name(enum group_by group_by)
{
	size_t index = group_by;

	return index < sizeof(group_names) / sizeof(group_names[0]) ? group_names[index] : "";
}

/* A group whose samples cancelled out in both snapshots: nothing to say. */
static bool is_empty(const struct group_sums *values)
{
	return !values->size && !values->count && !values->size_diff && !values->count_diff;
}

static bool is_small(const struct group_sums *values, uint64_t min_size)
{
	uint64_t diff = values->size_diff < 0 ? -(uint64_t)values->size_diff : (uint64_t)values->size_diff;

	return (values->size < 0 || (uint64_t)values->size < min_size) && diff < min_size;
}

/* Sorts out the groups that are shown to the front, in order; sums up the rest as hidden. */
static size_t choose_shown(struct view *view, struct grouping *grouping, const struct view_options *options)
{
	struct group_sums hidden = {0};
	struct group *groups = grouping->groups.items;
	size_t shown = 0;

	for (size_t i = 0; i < grouping->groups.count; i++) {
		if (is_empty(&groups[i].sums))
			continue;
		if (is_small(&groups[i].sums, options->min_size)) {
			group_sums__add(&hidden, &groups[i].sums);
			view->hidden_count++;
			continue;
		}
		groups[shown++] = groups[i];
	}
	if (shown)
		qsort_r(groups, shown, sizeof(*groups), grouping__compare, grouping);
	while (options->top && shown > options->top) {
		group_sums__add(&hidden, &groups[--shown].sums);
		view->hidden_count++;
	}
	view->hidden = group_sums__values(&hidden);
	return shown;
}

static int add_traceback(struct view *view, const struct frames *frames, uint32_t index, size_t limit)
{
	const struct profile_sample *sample = &frames->profile->samples.items[index];
	struct view_traceback traceback = {.first = (uint32_t)view->frames.count};
	struct frame_walk walk;
	uint32_t frame = frame_walk__first(&walk, frames, sample);

	traceback.truncated = sample->flags & STACK_TRUNCATED;
	for (; frame != FRAME_NONE; frame = frame_walk__next(&walk)) {
		if (limit && traceback.count == limit) {
			traceback.truncated = true;
			break;
		}
		if (view->frames.count >= UINT32_MAX)
			return -E2BIG;
		if (vec_push(&view->frames, frames__full(frames, frame)))
			return -ENOMEM;
		traceback.count++;
	}
	return vec_push(&view->tracebacks, traceback);
}

static int add_statistic(struct view *view, const struct grouping *grouping, const struct group *group)
{
	const struct profile *profile = grouping->frames.profile;
	enum group_by group_by = grouping->options->group_by;
	struct statistic stat = {
		.frame = frames__grouped(&grouping->frames, group->frame),
		.domain = profile__text(profile, group->domain),
		.type = group_by == GROUP_TYPE ? profile__text(profile, group->key) : "",
		.traceback = (uint32_t)view->tracebacks.count,
		.values = group_sums__values(&group->sums),
	};
	int err;

	if (group_by == GROUP_LINENO && !*stat.frame.file && *stat.frame.function)
		stat.frame.module_offset = group->offset;
	err = add_traceback(view, &grouping->frames, group->sample, grouping->options->frames);
	return err ? err : vec_push(&view->stats, stat);
}

int view__build(struct view *view, const struct profile *profile, const struct profile_base *base,
		const struct view_options *options)
{
	struct grouping grouping = {0};
	size_t shown;
	int err;

	*view = (struct view){0};
	err = grouping__build(&grouping, profile, base, options);
	if (err)
		goto done;
	view->total = group_sums__values(&grouping.total);
	shown = choose_shown(view, &grouping, options);
	for (size_t i = 0; i < shown && !err; i++)
		err = add_statistic(view, &grouping, &grouping.groups.items[i]);
done:
	grouping__free(&grouping);
	if (err)
		view__free(view);
	return err;
}

void view__free(struct view *view)
{
	vec_free(&view->stats);
	vec_free(&view->tracebacks);
	vec_free(&view->frames);
	*view = (struct view){0};
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "profile/group.h"

#include <string.h>
#include "profile/filter.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct stack_identity {
	UT_hash_handle hh;
	uint32_t key, count;
	uint32_t ids[];
};

static int64_t add_saturated(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return b > 0 ? INT64_MAX : INT64_MIN;
	return sum;
}

static int64_t subtract_saturated(int64_t a, int64_t b)
{
	int64_t difference;

	if (__builtin_sub_overflow(a, b, &difference))
		return b < 0 ? INT64_MAX : INT64_MIN;
	return difference;
}

void group_sums__add(struct group_sums *sum, const struct group_sums *added)
{
	sum->size = add_saturated(sum->size, added->size);
	sum->count = add_saturated(sum->count, added->count);
	sum->size_diff = add_saturated(sum->size_diff, added->size_diff);
	sum->count_diff = add_saturated(sum->count_diff, added->count_diff);
	sum->allocated = add_saturated(sum->allocated, added->allocated);
	sum->allocated_count = add_saturated(sum->allocated_count, added->allocated_count);
}

struct stat_values group_sums__values(const struct group_sums *sums)
{
	return (struct stat_values){
		.size = sums->size,
		.count = sums->count,
		.size_diff = sums->size_diff,
		.count_diff = sums->count_diff,
		.allocated = sums->allocated,
		.allocated_count = sums->allocated_count,
		/* What came and is not there any more has been freed. */
		.freed = subtract_saturated(sums->allocated, sums->size_diff),
		.freed_count = subtract_saturated(sums->allocated_count, sums->count_diff),
	};
}

static struct group_sums sample_sums(const struct profile *profile, const struct profile_base *base,
				     uint32_t sample)
{
	static const struct profile_values nothing;
	const int64_t *now = profile->samples.items[sample].values;
	const int64_t *then = base && sample < base->count ? base->items[sample].values : nothing.values;

	return (struct group_sums){
		.size = now[VALUE_INUSE_SPACE],
		.count = now[VALUE_INUSE_OBJECTS],
		.size_diff = subtract_saturated(now[VALUE_INUSE_SPACE], then[VALUE_INUSE_SPACE]),
		.count_diff = subtract_saturated(now[VALUE_INUSE_OBJECTS], then[VALUE_INUSE_OBJECTS]),
		.allocated = subtract_saturated(now[VALUE_ALLOC_SPACE], then[VALUE_ALLOC_SPACE]),
		.allocated_count = subtract_saturated(now[VALUE_ALLOC_OBJECTS], then[VALUE_ALLOC_OBJECTS]),
	};
}

static uint64_t magnitude(int64_t value)
{
	return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

static int compare_magnitudes(int64_t a, int64_t b)
{
	return (magnitude(a) > magnitude(b)) - (magnitude(a) < magnitude(b));
}

static int compare_numbers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* Whether @sample outweighs the group's heaviest so far: by size, by what changed, by count. */
static bool is_heavier(const struct grouping *grouping, const struct group *group,
		       const struct group_sums *sample)
{
	struct group_sums heaviest;
	int order;

	if (sample->size != group->heaviest_size)
		return sample->size > group->heaviest_size;
	heaviest = sample_sums(grouping->frames.profile, grouping->base, group->sample);
	order = compare_magnitudes(sample->size_diff, heaviest.size_diff);
	return order ? order > 0 : sample->count > heaviest.count;
}

/* Adds a sample to the group of @key, once however often it is named. */
static int grouping__add(struct grouping *grouping, uint32_t key, uint32_t sample, uint32_t frame,
			 const struct group_sums *sums)
{
	const struct profile *profile = grouping->frames.profile;
	uint32_t domain = profile->samples.items[sample].domain;
	struct group_slot *slot;
	struct group *group;
	uint64_t offset = 0;

	if (key >= grouping->slots.count) {
		size_t wanted = (size_t)key + 1, had = grouping->slots.count;

		if (vec_reserve(&grouping->slots, wanted))
			return -ENOMEM;
		memset(grouping->slots.items + had, 0, (wanted - had) * sizeof(*slot));
		grouping->slots.count = wanted;
	}
	slot = &grouping->slots.items[key];
	if (slot->sample == sample + 1)
		return 0;
	if (frame != FRAME_NONE && grouping->frames.ids[frame] & FRAME_BY_FUNCTION)
		offset = profile->locations.items[grouping->frames.locations[frame]].module_offset;
	if (slot->domain != domain + 1) {
		if (vec_push(&grouping->groups, (struct group){.key = key,
							       .domain = domain,
							       .sample = sample,
							       .frame = frame,
							       .offset = offset,
							       .heaviest_size = sums->size}))
			return -ENOMEM;
		slot->domain = domain + 1;
		slot->group = (uint32_t)grouping->groups.count;
	}
	slot->sample = sample + 1;
	group = &grouping->groups.items[slot->group - 1];
	group_sums__add(&group->sums, sums);
	if (offset < group->offset)
		group->offset = offset;
	if (is_heavier(grouping, group, sums)) {
		group->heaviest_size = sums->size;
		group->sample = sample;
		group->frame = frame;
	}
	return 0;
}

/* The dense number of a sample's stack, as far as the traceback grouping tells stacks apart. */
static int64_t grouping__stack_key(struct grouping *grouping, const struct profile_sample *sample)
{
	size_t limit = grouping->options->frames;
	struct stack_identity *stack;
	struct frame_walk walk;
	size_t bytes;

	grouping->scratch.count = 0;
	for (uint32_t frame = frame_walk__first(&walk, &grouping->frames, sample); frame != FRAME_NONE;
	     frame = frame_walk__next(&walk)) {
		int64_t id = frames__id(&grouping->frames, frame);

		if (id < 0)
			return id;
		if (vec_push(&grouping->scratch, (uint32_t)id))
			return -ENOMEM;
		if (grouping->scratch.count == limit)
			break;
	}
	bytes = grouping->scratch.count * sizeof(uint32_t);
	HASH_FIND(hh, grouping->stacks, grouping->scratch.items, bytes, stack);
	if (stack)
		return stack->key;
	stack = malloc(sizeof(*stack) + bytes);
	if (!stack)
		return -ENOMEM;
	stack->key = (uint32_t)grouping->stacks_by_key.count;
	stack->count = (uint32_t)grouping->scratch.count;
	if (bytes)
		memcpy(stack->ids, grouping->scratch.items, bytes);
	if (vec_push(&grouping->stacks_by_key, stack)) {
		free(stack);
		return -ENOMEM;
	}
	HASH_ADD_KEYPTR(hh, grouping->stacks, stack->ids, bytes, stack);
	return stack->hh.tbl ? (int64_t)stack->key : -ENOMEM;
}

static int grouping__add_frames(struct grouping *grouping, uint32_t index, const struct group_sums *sums)
{
	const struct profile_sample *sample = &grouping->frames.profile->samples.items[index];
	bool cumulative = grouping->options->cumulative;
	struct frame_walk walk;
	uint32_t frame = frame_walk__reported(&walk, &grouping->frames, sample);

	do {
		int64_t id = frames__id(&grouping->frames, frame);
		int err = id < 0 ? (int)id : grouping__add(grouping, (uint32_t)id, index, frame, sums);

		if (err)
			return err;
		frame = frame_walk__next(&walk);
	} while (cumulative && frame != FRAME_NONE);
	return 0;
}

static int grouping__add_sample(struct grouping *grouping, uint32_t index)
{
	const struct profile_sample *sample = &grouping->frames.profile->samples.items[index];
	struct group_sums sums = sample_sums(grouping->frames.profile, grouping->base, index);
	struct frame_walk walk;
	int64_t key;

	group_sums__add(&grouping->total, &sums);
	/* In neither snapshot, and nothing has passed through between them: whatever group it is of shows the
	 * same. */
	if (!sums.size && !sums.count && !sums.size_diff && !sums.count_diff && !sums.allocated_count)
		return 0;
	switch (grouping->options->group_by) {
	case GROUP_TRACEBACK:
		key = grouping__stack_key(grouping, sample);
		break;
	case GROUP_TYPE:
		key = sample->type;
		break;
	default:
		return grouping__add_frames(grouping, index, &sums);
	}
	if (key < 0)
		return (int)key;
	return grouping__add(grouping, (uint32_t)key, index,
			     frame_walk__reported(&walk, &grouping->frames, sample), &sums);
}

static int compare_domains(const void *a, const void *b, void *context)
{
	const struct profile *profile = context;
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	uint32_t left_domain = profile->samples.items[left].domain;
	uint32_t right_domain = profile->samples.items[right].domain;

	if (left_domain != right_domain)
		return left_domain < right_domain ? -1 : 1;
	return (left > right) - (left < right);
}

int grouping__build(struct grouping *grouping, const struct profile *profile, const struct profile_base *base,
		    const struct view_options *options)
{
	VEC(uint32_t) order = {0};
	struct filter filter = {0};
	bool mixed = false;
	int err;

	*grouping = (struct grouping){.options = options, .base = base};
	err = frames__init(&grouping->frames, profile, options->group_by);
	if (err)
		return err;
	err = filter__init(&filter, &grouping->frames, options);
	if (err)
		goto done;
	for (uint32_t i = 0; i < profile->samples.count; i++) {
		if (!filter__passes(&filter, &profile->samples.items[i]))
			continue;
		err = vec_push(&order, i);
		if (err)
			goto done;
		mixed |= profile->samples.items[i].domain != profile->samples.items[order.items[0]].domain;
	}
	if (mixed)
		qsort_r(order.items, order.count, sizeof(*order.items), compare_domains, (void *)profile);
	vec_each (index, &order) {
		err = grouping__add_sample(grouping, *index);
		if (err)
			goto done;
	}
done:
	vec_free(&order);
	filter__free(&filter);
	return err;
}

void grouping__free(struct grouping *grouping)
{
	frames__free(&grouping->frames);
	HASH_CLEAR(hh, grouping->stacks);
	vec_each (stack, &grouping->stacks_by_key) {
		free(*stack);
	}
	vec_free(&grouping->stacks_by_key);
	vec_free(&grouping->groups);
	vec_free(&grouping->slots);
	vec_free(&grouping->scratch);
}

/* As tuples of frames compare, from the outermost in. */
static int compare_stacks(const struct grouping *grouping, uint32_t a, uint32_t b)
{
	const struct stack_identity *left = grouping->stacks_by_key.items[a];
	const struct stack_identity *right = grouping->stacks_by_key.items[b];
	uint32_t i = left->count, j = right->count;

	while (i && j) {
		uint32_t x = left->ids[--i], y = right->ids[--j];

		if (x != y) {
			struct view_frame one =
				frames__full(&grouping->frames, grouping->frames.first.items[x]);
			struct view_frame other =
				frames__full(&grouping->frames, grouping->frames.first.items[y]);

			return view_frame__compare(&one, &other);
		}
	}
	return (i > j) - (i < j);
}

static int compare_names(const struct grouping *grouping, const struct group *a, const struct group *b)
{
	const struct profile *profile = grouping->frames.profile;
	int order = 0;

	if (grouping->options->group_by == GROUP_TYPE) {
		order = strcmp(profile__text(profile, a->key), profile__text(profile, b->key));
	} else if (grouping->options->group_by == GROUP_TRACEBACK) {
		order = compare_stacks(grouping, a->key, b->key);
	} else {
		struct view_frame left = frames__grouped(&grouping->frames, a->frame);
		struct view_frame right = frames__grouped(&grouping->frames, b->frame);

		order = view_frame__compare(&left, &right);
	}
	if (!order)
		order = strcmp(profile__text(profile, a->domain), profile__text(profile, b->domain));
	return order;
}

int grouping__compare(const void *a, const void *b, void *context)
{
	const struct group *left = a, *right = b;
	int order = compare_magnitudes(right->sums.size_diff, left->sums.size_diff);

	if (!order)
		order = compare_numbers(right->sums.size, left->sums.size);
	if (!order)
		order = compare_magnitudes(right->sums.count_diff, left->sums.count_diff);
	if (!order)
		order = compare_numbers(right->sums.count, left->sums.count);
	return order ? order : compare_names(context, right, left);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "profile/frames.h"

#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

enum named_by {
	BY_NOTHING,
	BY_FILE,
	BY_LINE,
	BY_FUNCTION,
	BY_MODULE,
	BY_OFFSET,
};

/* What two frames have in common that are one to a grouping. */
struct frame_key {
	uint32_t named_by;
	uint32_t place;    /* string: file or module */
	uint32_t function; /* string */
	uint32_t line;
	uint64_t offset;
};

_Static_assert(sizeof(struct frame_key) == 24, "no padding: it is hashed as bytes");

struct frame_identity {
	struct frame_key key;
	uint32_t id;
	UT_hash_handle hh;
};

int frames__init(struct frames *frames, const struct profile *profile, enum group_by group_by)
{
	*frames = (struct frames){.profile = profile, .group_by = group_by};
	frames->locations = calloc(profile->lines.count + 1, sizeof(*frames->locations));
	frames->outside = calloc(profile->locations.count + 1, sizeof(*frames->outside));
	frames->ids = calloc(profile->lines.count + 1, sizeof(*frames->ids));
	if (!frames->locations || !frames->outside || !frames->ids || vec_push(&frames->first, FRAME_NONE)) {
		frames__free(frames);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < profile->locations.count; i++) {
		const struct profile_location *location = &profile->locations.items[i];

		frames->outside[i] = FRAME_NONE;
		for (uint32_t line = location->line_count; line-- > 0;) {
			uint32_t frame = location->first_line + line;

			frames->locations[frame] = i;
			if (!(profile->lines.items[frame].flags & LOCATION_ALLOCATOR))
				frames->outside[i] = frame;
		}
	}
	return 0;
}

void frames__free(struct frames *frames)
{
	struct frame_identity *identity, *next;

	HASH_ITER (hh, frames->identities, identity, next) {
		HASH_DEL(frames->identities, identity);
		free(identity);
	}
	free(frames->locations);
	free(frames->outside);
	free(frames->ids);
	vec_free(&frames->first);
	*frames = (struct frames){0};
}

static uint32_t last_line(const struct profile *profile, uint32_t location)
{
	const struct profile_location *found = &profile->locations.items[location];

	return found->first_line + found->line_count - 1;
}

uint32_t frame_walk__first(struct frame_walk *walk, const struct frames *frames,
			   const struct profile_sample *sample)
{
	const struct profile *profile = frames->profile;
	const uint32_t *location = profile->stacks.items + sample->first_location;
	const uint32_t *end = location + sample->location_count;

	*walk = (struct frame_walk){.frames = frames, .location = end, .end = end};
	walk->frame = walk->last = FRAME_NONE;
	if (location == end)
		return FRAME_NONE;
	while (location < end && frames->outside[*location] == FRAME_NONE)
		location++;
	if (location ==
	    end) { /* all are the allocator's own: its outermost caller is all that can be named */
		location--;
		walk->frame = last_line(profile, *location);
	} else {
		walk->frame = frames->outside[*location];
	}
	walk->location = location;
	walk->last = last_line(profile, *location);
	return walk->frame;
}

uint32_t frame_walk__reported(struct frame_walk *walk, const struct frames *frames,
			      const struct profile_sample *sample)
{
	const struct profile *profile = frames->profile;
	const uint32_t *location = profile->stacks.items + sample->first_location;
	const uint32_t *end = location + sample->location_count;

	while (location < end && profile->locations.items[*location].kind != LOCATION_PYTHON)
		location++;
	if (location == end || frames->native_lines)
		return frame_walk__first(walk, frames, sample);
	*walk = (struct frame_walk){.frames = frames, .location = location, .end = end};
	walk->frame = profile->locations.items[*location].first_line;
	walk->last = last_line(profile, *location);
	return walk->frame;
}

static struct frame_key frame_key(const struct frames *frames, uint32_t frame)
{
	const struct profile *profile = frames->profile;
	const struct profile_line *line = &profile->lines.items[frame];
	const struct profile_function *function = &profile->functions.items[line->function];
	const struct profile_location *location = &profile->locations.items[frames->locations[frame]];
	uint32_t module = profile->mappings.items[location->mapping].file;
	bool exact = frames->group_by == GROUP_TRACEBACK;

	switch (frames->group_by) {
	case GROUP_TYPE:
		return (struct frame_key){BY_NOTHING, 0, 0, 0, 0};
	case GROUP_FILENAME:
		if (function->file)
			return (struct frame_key){BY_FILE, function->file, 0, 0, 0};
		return (struct frame_key){BY_MODULE, module, 0, 0, 0};
	case GROUP_MODULE:
		if (module || !function->file)
			return (struct frame_key){BY_MODULE, module, 0, 0, 0};
		return (struct frame_key){BY_FILE, function->file, 0, 0, 0};
	case GROUP_FUNCTION:
		if (function->name && function->file)
			return (struct frame_key){BY_FILE, function->file, function->name, 0, 0};
		break;
	case GROUP_LINENO:
	case GROUP_TRACEBACK:
		break;
	}
	if (function->file)
		return (struct frame_key){BY_LINE, function->file, 0, line->line, 0};
	if (function->name && !exact)
		return (struct frame_key){BY_FUNCTION, module, function->name, 0, 0};
	return (struct frame_key){BY_OFFSET, module, function->name, 0, location->module_offset};
}

int64_t frames__make_id(struct frames *frames, uint32_t frame)
{
	struct frame_identity *identity;
	struct frame_key key;
	uint32_t id;

	key = frame_key(frames, frame);
	HASH_FIND(hh, frames->identities, &key, sizeof(key), identity);
	if (!identity) {
		id = (uint32_t)frames->first.count;
		if (vec_push(&frames->first, frame))
			return -ENOMEM;
		identity = calloc(1, sizeof(*identity));
		if (!identity)
			return -ENOMEM;
		identity->key = key;
		identity->id = id;
		HASH_ADD(hh, frames->identities, key, sizeof(key), identity);
		if (!identity->hh.tbl) {
			free(identity);
			return -ENOMEM;
		}
	}
	frames->ids[frame] = identity->id | (key.named_by == BY_FUNCTION ? FRAME_BY_FUNCTION : 0);
	return identity->id;
}

struct view_frame frames__full(const struct frames *frames, uint32_t frame)
{
	const struct profile *profile = frames->profile;
	const struct profile_location *location;
	const struct profile_function *function;
	const struct profile_line *line;

	if (frame == FRAME_NONE)
		return (struct view_frame){
			.function = "", .file = "", .module = "", .kind = LOCATION_UNKNOWN};
	line = &profile->lines.items[frame];
	function = &profile->functions.items[line->function];
	location = &profile->locations.items[frames->locations[frame]];
	return (struct view_frame){
		.function = profile__text(profile, function->name),
		.file = profile__text(profile, function->file),
		.module = profile__text(profile, profile->mappings.items[location->mapping].file),
		.line = line->line,
		.module_offset = location->module_offset,
		.kind = location->kind,
		.allocator = line->flags & LOCATION_ALLOCATOR,
		.inlined = frame < last_line(profile, frames->locations[frame]),
	};
}

struct view_frame frames__grouped(const struct frames *frames, uint32_t frame)
{
	struct view_frame full = frames__full(frames, frame);
	struct view_frame shown = {.function = "", .file = "", .module = "", .kind = full.kind};

	switch (frames->group_by) {
	case GROUP_LINENO:
	case GROUP_TRACEBACK:
		return full;
	case GROUP_FILENAME:
		if (*full.file)
			shown.file = full.file;
		else
			shown.module = full.module;
		return shown;
	case GROUP_MODULE:
		if (*full.module)
			shown.module = full.module;
		else
			shown.file = full.file;
		return shown;
	case GROUP_FUNCTION:
		if (!*full.function)
			return full;
		shown.function = full.function;
		shown.file = full.file;
		shown.module = full.module;
		return shown;
	case GROUP_TYPE:
		shown.kind = LOCATION_UNKNOWN;
		return shown;
	}
	return shown;
}

int view_frame__compare(const struct view_frame *a, const struct view_frame *b)
{
	int order = strcmp(a->file, b->file);

	if (!order)
		order = (a->line > b->line) - (a->line < b->line);
	if (!order)
		order = strcmp(a->function, b->function);
	if (!order)
		order = strcmp(a->module, b->module);
	if (!order)
		order = (a->module_offset > b->module_offset) - (a->module_offset < b->module_offset);
	return order;
}

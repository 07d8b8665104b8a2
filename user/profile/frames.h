/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The frames of samples and what makes two of them the same under a grouping. A frame is an index into
 * profile.lines: every line belongs to one location, so the index names both. Private to profile/.
 */
#ifndef MEMWATCH_PROFILE_FRAMES_H
#define MEMWATCH_PROFILE_FRAMES_H

#include "profile/view.h"

#define FRAME_NONE UINT32_MAX
/* In frames.ids: named by its function alone, so that one identity has many offsets. Frames number less than
 * 2^31. */
#define FRAME_BY_FUNCTION 0x80000000u

/* What was worked out once for a profile and a grouping. */
struct frames {
	const struct profile *profile;
	enum group_by group_by;
	bool native_lines;   /* samples are reported at native frames, too, where Python's are further out */
	uint32_t *locations; /* frame → location */
	uint32_t *outside;   /* location → its innermost frame that is no allocator's own, or FRAME_NONE */
	uint32_t *ids;       /* frame → identity, FRAME_BY_FUNCTION; 0: not yet asked for */
	VEC(uint32_t) first; /* identity → a frame that has it */
	struct frame_identity *identities;
};

int frames__init(struct frames *frames, const struct profile *profile, enum group_by group_by);
void frames__free(struct frames *frames);

/* Walks a sample's frames outwards, beginning at the innermost that is no allocator's own. */
struct frame_walk {
	const struct frames *frames;
	const uint32_t *location, *end; /* locations still to come, the present one first */
	uint32_t frame, last;           /* of the present location */
};

/* Returns that frame, or FRAME_NONE for a sample without a stack. */
uint32_t frame_walk__first(struct frame_walk *walk, const struct frames *frames,
			   const struct profile_sample *sample);

/*
 * The same from the frame that the sample is reported at: Python's innermost where it has Python frames,
 * which is the line that its author can change; else the innermost of all.
 */
uint32_t frame_walk__reported(struct frame_walk *walk, const struct frames *frames,
			      const struct profile_sample *sample);

/* The caller of the frame returned before, or FRAME_NONE. */
static inline uint32_t frame_walk__next(struct frame_walk *walk)
{
	const struct profile_location *location;

	if (walk->frame < walk->last)
		return ++walk->frame;
	if (walk->location >= walk->end || ++walk->location == walk->end)
		return walk->frame = walk->last = FRAME_NONE;
	location = &walk->frames->profile->locations.items[*walk->location];
	walk->last = location->first_line + location->line_count - 1;
	return walk->frame = location->first_line;
}

/* What frames__id does when a frame is asked for the first time. */
int64_t frames__make_id(struct frames *frames, uint32_t frame);

/*
 * A dense number, equal for two frames that the grouping takes as one. 0 is FRAME_NONE's. Returns a negative
 * errno where memory ran out.
 */
static inline int64_t frames__id(struct frames *frames, uint32_t frame)
{
	if (frame == FRAME_NONE)
		return 0;
	if (frames->ids[frame])
		return frames->ids[frame] & ~FRAME_BY_FUNCTION;
	return frames__make_id(frames, frame);
}

/* All that is known of a frame. FRAME_NONE gives an empty one. */
struct view_frame frames__full(const struct frames *frames, uint32_t frame);
/* The same without what the grouping leaves open. */
struct view_frame frames__grouped(const struct frames *frames, uint32_t frame);

/* Order by name: file, line, function, module, offset. */
int view_frame__compare(const struct view_frame *a, const struct view_frame *b);

#endif

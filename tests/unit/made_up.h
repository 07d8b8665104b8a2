/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Profiles written down by hand, for tests of views and reports. Include after cmocka.h. */
#ifndef MEMWATCH_TESTS_MADE_UP_H
#define MEMWATCH_TESTS_MADE_UP_H

#include "profile/view.h"

/* One frame of a stack; a further inlined line of the same location where @inlined. */
struct made_frame {
	const char *function, *file;
	uint32_t line;
	const char *module;
	uint64_t offset;
	enum location_kind kind;
	bool allocator, inlined;
};

static inline uint32_t made_index(int64_t index)
{
	assert_true(index >= 0);
	return (uint32_t)index;
}

/* Adds a sample with the stack @frames (innermost first, ended by one without module) and its values. */
static inline uint32_t made_sample(struct profile *profile, const char *domain, const char *type,
				   const struct made_frame *frames, const int64_t values[VALUE_COUNT])
{
	uint32_t stack[64], sample;
	size_t depth = 0;

	for (size_t i = 0; frames[i].module;) {
		struct profile_mapping mapping = {
			.file = made_index(profile__string(profile, frames[i].module))};
		struct profile_location location = {.module_offset = frames[i].offset,
						    .kind = frames[i].kind};
		struct profile_line lines[8];

		if (*frames[i].module)
			location.mapping = made_index(profile__mapping(profile, &mapping));
		do {
			const struct made_frame *frame = &frames[i++];

			lines[location.line_count++] = (struct profile_line){
				made_index(profile__function(profile, frame->function, frame->function,
							     frame->file)),
				frame->line, frame->allocator ? LOCATION_ALLOCATOR : 0};
		} while (frames[i].module && frames[i].inlined);
		stack[depth++] = made_index(profile__location(profile, &location, lines));
	}
	sample = made_index(profile__sample(profile, stack, depth, domain, type, 4242));
	for (size_t i = 0; i < VALUE_COUNT; i++)
		profile->samples.items[sample].values[i] = values[i];
	return sample;
}

#define FRAMES(...) ((const struct made_frame[]){__VA_ARGS__, {0}})
#define VALUES(...) ((const int64_t[VALUE_COUNT]){__VA_ARGS__})
#define MADE_MAIN                                                                                            \
	{                                                                                                    \
		"main", "main.c", 9, "/bin/app", 0x900, LOCATION_NATIVE, false, false                        \
	}
#define MADE_NEW                                                                                             \
	{                                                                                                    \
		"operator new(unsigned long)", "", 0, "/lib/libstdc++.so.6", 0xae98c, LOCATION_NATIVE, true, \
			false                                                                                \
	}
#define MADE_PUSH                                                                                            \
	{                                                                                                    \
		"push", "list.h", 30, "/bin/app", 0x100, LOCATION_NATIVE, false, false                       \
	}
#define MADE_LOAD_INLINE                                                                                     \
	{                                                                                                    \
		"load", "load.c", 12, "/bin/app", 0x100, LOCATION_NATIVE, false, true                        \
	}
#define MADE_LIB(where)                                                                                      \
	{                                                                                                    \
		"g_list_append", "", 0, "/lib/libglib.so", where, LOCATION_NATIVE, false, false              \
	}
#define MADE_BARE(where)                                                                                     \
	{                                                                                                    \
		"", "", 0, "/lib/libbare.so", where, LOCATION_NATIVE, false, false                           \
	}
#define MADE_PYTHON                                                                                          \
	{                                                                                                    \
		"process_data", "app.py", 42, "", 0, LOCATION_PYTHON, false, false                           \
	}

#endif

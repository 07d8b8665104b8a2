/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The one in-memory model, and it is pprof's (github.com/google/pprof/proto/profile.proto): strings,
 * mappings, functions, locations with inlined lines, samples with several values and labels. It knows neither
 * BPF nor output formats. Everything is an index into a table; index 0 of strings is "", index 0 of the other
 * tables is "none".
 */
#ifndef MEMWATCH_PROFILE_PROFILE_H
#define MEMWATCH_PROFILE_PROFILE_H

#include <stddef.h>
#include <stdint.h>
#include "base/vec.h"

enum profile_value {
	VALUE_INUSE_SPACE,
	VALUE_INUSE_OBJECTS,
	VALUE_ALLOC_SPACE,
	VALUE_ALLOC_OBJECTS,
	VALUE_COUNT
};

enum location_kind {
	LOCATION_NATIVE,
	LOCATION_PYTHON,
	LOCATION_KERNEL,
	LOCATION_JIT,
	LOCATION_UNKNOWN,
};

#define LOCATION_ALLOCATOR 1u /* the allocator's own, or --skip'ped: not the line that a report names */

struct profile_mapping {
	uint64_t start, limit, offset;
	uint32_t file;     /* string */
	uint32_t build_id; /* string */
};

struct profile_function {
	uint32_t name;        /* string, demangled */
	uint32_t system_name; /* string */
	uint32_t file;        /* string */
};

struct profile_line {
	uint32_t function; /* 0: none; the location's mapping and module_offset name it then */
	uint32_t line;
	uint32_t flags; /* LOCATION_ALLOCATOR */
};

struct profile_location {
	uint64_t address;       /* 0 where there is none (Python) */
	uint64_t module_offset; /* address as the file's own debug information counts it */
	uint32_t mapping;
	uint32_t first_line, line_count; /* into profile.lines, innermost first; at least one */
	uint32_t kind;                   /* enum location_kind */
};

struct profile_sample {
	uint32_t first_location, location_count; /* into profile.stacks; leaf (innermost) first */
	uint32_t domain;                         /* string: "heap", "mmap", "python", … */
	uint32_t type;                           /* string: Python type name, or "" */
	uint32_t process;                        /* pid in memwatch's own namespace; 0: none */
	uint32_t flags;                          /* STACK_TRUNCATED … */
	int64_t values[VALUE_COUNT];
};

struct profile_string {
	const char *text;
	uint32_t length;
};

struct profile {
	VEC(struct profile_string) strings;
	VEC(struct profile_mapping) mappings;
	VEC(struct profile_function) functions;
	VEC(struct profile_line) lines;
	VEC(struct profile_location) locations;
	VEC(uint32_t) stacks;
	VEC(struct profile_sample) samples;
	struct profile_index *index; /* how equal things are found again; private */
};

struct profile *profile__new(void);
void profile__free(struct profile *profile);

/*
 * Each returns the index of an equal entry, made if there was none, or a negative errno: -ENOMEM; -E2BIG for
 * a string above 1 MiB, a location of more than 4096 lines, or a table that is full; -EINVAL for an index
 * that names nothing. Texts are copied; a string_n that holds a NUL ends there. Names and files are never
 * NULL: "" where unknown.
 */
int64_t profile__string(struct profile *profile, const char *text);
int64_t profile__string_n(struct profile *profile, const char *text, size_t length);
int64_t profile__function(struct profile *profile, const char *name, const char *system_name,
			  const char *file);
int64_t profile__mapping(struct profile *profile, const struct profile_mapping *mapping);
/* @location's first_line is ignored; @lines holds its line_count lines. */
int64_t profile__location(struct profile *profile, const struct profile_location *location,
			  const struct profile_line *lines);

/* Adds a sample of its own (equal stacks are not merged); its values are zero. Returns its index. */
int64_t profile__sample(struct profile *profile, const uint32_t *locations, size_t count, const char *domain,
			const char *type, uint32_t process);

/* Never NULL; "" for an index out of range. */
const char *profile__text(const struct profile *profile, uint32_t string);

/* What all samples held at some moment: the base of a diff. Samples that came later held nothing. */
struct profile_values {
	int64_t values[VALUE_COUNT];
};
struct profile_base {
	struct profile_values *items;
	size_t count;
};
/* Frees what @base held and puts the present values there. 0 or -ENOMEM, @base unchanged. */
int profile__save_base(const struct profile *profile, struct profile_base *base);
void profile_base__free(struct profile_base *base);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Stacks of real programs, as record_stacks.py has recorded them, and the tables of the files that they go
 * through, laid out as user/snapshot/engine_unwind.c does.
 */
#ifndef MEMWATCH_HOST_RECORDING_H
#define MEMWATCH_HOST_RECORDING_H

#include "fake.h"
#include "target/maps.h"
#include "unwind/unwind_table.h"

enum recorded_kind {
	RECORDED_CALL,
	RECORDED_SIGNAL,      /* the trampoline that a signal handler returns to */
	RECORDED_INTERRUPTED, /* by the signal before */
};

struct recorded_frame {
	__u64 pc, sp, bp, bx;
	enum recorded_kind kind;
};

struct recording {
	char *name;
	VEC(struct recorded_frame) frames; /* innermost first */
	bool whole;                        /* there are no frames but these */
	struct maps maps;
	struct fake_memory memory;
	struct unwind_space space; /* no generation */
};

struct recorded_image {
	char *path;
	struct unwind_table table;
	struct unwind_page *pages;
	__u32 page_count;
	__u32 first; /* the number of its first page; 0: it has none */
};

struct recordings {
	VEC(struct recording) all;
	VEC(struct recorded_image) images;
	__u32 pages; /* the next page to be used */
};

/* All of @directory. Says what is wrong, and exits, where it cannot. */
void recordings__load(struct recordings *recordings, const char *directory);
void recordings__free(struct recordings *recordings);
/* Puts the tables in place: after fake__start. */
void recordings__install(struct recordings *recordings);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses of a process → function, file, line, with inlined callers. */
#ifndef MEMWATCH_SYMBOLIZE_SYMBOLIZER_H
#define MEMWATCH_SYMBOLIZE_SYMBOLIZER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"
#include "base/log.h"
#include "target/image.h"
#include "target/maps.h"

enum frame_kind {
	FRAME_NATIVE,
	FRAME_PYTHON,
	FRAME_KERNEL,
	FRAME_JIT,     /* named by /tmp/perf-PID.map */
	FRAME_UNKNOWN, /* in no executable mapping */
};

/* One source-level frame. Strings are owned by the symbolizer and live as long as it does. */
struct symbol_line {
	const char *function; /* demangled; "" where unknown */
	const char *linkage;  /* as in the symbol table; "" where unknown */
	const char *file;     /* as the debug information names it, absolute where it can be made so; "" where
				 unknown */
	uint32_t line;        /* 0: unknown */
};

struct symbol {
	enum frame_kind kind;
	uint64_t address;       /* as captured */
	const char *module;     /* path of the mapped file, "[vdso]", "[jit]", "[anon]" …; never NULL */
	uint64_t module_offset; /* the address as `addr2line -e module` wants it (file vaddr); address where
				   no file */
	uint64_t module_start;  /* where the mapping starts in the process; 0 where none */
	const char *build_id;   /* lower-case hex; "" where none */
	const struct symbol_line
		*lines; /* innermost (most inlined) first; at least one, its strings maybe "" */
	size_t line_count;
};

struct symbolizer_options {
	bool no_debuginfod;       /* never ask, even where DEBUGINFOD_URLS is set */
	const char *debug_root;   /* where separate debug files are looked for; NULL: /usr/lib/debug */
	const char *perf_map_dir; /* NULL: /tmp (inside the target's root) */
};

struct symbolizer;
struct symbolizer *symbolizer__new(const struct symbolizer_options *options, const struct log *log);
void symbolizer__free(struct symbolizer *symbolizer);

/*
 * Gives back the memory that opened debug information takes (tens of MB for some programs); what was resolved
 * stays. To be called when a batch of addresses is done, such as after a report; at most 12 MiB of it are
 * held between files even without.
 */
void symbolizer__trim(struct symbolizer *symbolizer);

/*
 * The address space of one program image of one process. Mappings are learnt by symbol_space__update (reads
 * /proc/PID/maps; what is gone is kept for stacks captured earlier until something else takes its place) so
 * that resolving works after the process has ended.
 */
struct symbol_space;
struct symbol_space *symbol_space__new(struct symbolizer *symbolizer, pid_t pid, struct image_cache *images);
void symbol_space__free(struct symbol_space *space);
int symbol_space__update(struct symbol_space *space, struct error *error);
/* The same from mappings read elsewhere (tests, events); copied. */
int symbol_space__update_from(struct symbol_space *space, const struct maps *maps, struct error *error);

/*
 * Resolves @address. @is_return: it is a return address, so the line is that of the call before it (looked up
 * at address − 1; where no function is there but one starts at the address, it is that one). Never fails:
 * what is not known is module+offset, or the bare address. The result lives until the space is freed; the
 * same address gives the same pointer until the mapping behind it changes.
 */
const struct symbol *symbol_space__resolve(struct symbol_space *space, uint64_t address, bool is_return);

/* "function", or "module+0x1234" (the module's base name) where there is none, or "0x7f…" where there is no
 * module. Returns @buffer. */
char *symbol__name(const struct symbol *symbol, size_t line_index, char *buffer, size_t length);

#endif

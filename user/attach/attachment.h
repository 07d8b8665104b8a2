/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Probes in the sites of one ELF file, by whichever way the kernel has. */
#ifndef MEMWATCH_ATTACH_ATTACHMENT_H
#define MEMWATCH_ATTACH_ATTACHMENT_H

#include <stdint.h>
#include <sys/types.h>
#include "attach/features.h"
#include "attach/sites.h"
#include "base/error.h"
#include "target/image.h"

struct bpf_program;

/* The programs of the mode in use; the others are not loaded and NULL. */
struct attach_programs {
	struct bpf_program *session;
	struct bpf_program *multi_entry, *multi_return;
	struct bpf_program *perf_entry, *perf_return;
};

struct attachment;

/*
 * Sets probes on @count sites of @image for process @pid (0: every process that maps the file). All or
 * nothing: returns 0 or a negative errno. attachment__free takes the probes out; so does the end of memwatch,
 * however it comes.
 */
int attachment__new(enum attach_mode mode, const struct attach_programs *programs, const struct image *image,
		    const struct site *sites, size_t count, pid_t pid, struct attachment **attachment,
		    struct error *error);
void attachment__free(struct attachment *attachment); /* NULL is fine */
/* Several at a time, none of them NULL. */
void attachment__free_all(struct attachment *const *attachments, size_t count);

#endif

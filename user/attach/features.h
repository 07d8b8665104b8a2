/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this kernel can do, found by doing it: each way to attach is tried on a function of our own. */
#ifndef MEMWATCH_ATTACH_FEATURES_H
#define MEMWATCH_ATTACH_FEATURES_H

#include <stdbool.h>
#include "base/error.h"
#include "base/log.h"

/* How probes are attached, best first. */
enum attach_mode {
	ATTACH_AUTO,
	ATTACH_SESSION, /* one program for entry and return, many sites a link (kernel ≥ 6.13) */
	ATTACH_MULTI,   /* a pair of programs, many sites a link (≥ 6.6) */
	ATTACH_PERF,    /* a pair of programs, a perf event a site (≥ 6.1) */
};

struct features {
	bool session;
	bool multi;
	bool multi_pid; /* a multi link's pid means the process; on 6.6–6.9 it meant the thread */
	bool perf;
};

/*
 * Tries what is needed to choose @wanted: where that is ATTACH_AUTO, from the best mode down to the first
 * that works; everything where @log is on, to show it. Each trial costs some 30 ms of waiting for the kernel.
 * Returns 0, or a negative errno where nothing at all can be attached: no privilege (the error says which
 * capabilities), no uprobes, no BTF.
 */
int features__probe(struct features *features, enum attach_mode wanted, const struct log *log,
		    struct error *error);

/*
 * Whether a return probe kills a process whose seccomp filter does not know the uretprobe system call, as
 * kernels from 6.11 did until it was exempted (kernel commit cf6cb56ef244; systemd issue 34615). A child of
 * ours is put under such a filter and probed by @mode. 1: it was killed; 0: it was not; or a negative errno.
 */
int features__seccomp_kills(enum attach_mode mode, struct error *error);

int attach_mode__parse(const char *text, enum attach_mode *mode, struct error *error);
const char *attach_mode__name(enum attach_mode mode);
/* The best mode that the kernel has, or @wanted if it has that. 0 or -ENOTSUP. */
int attach_mode__choose(enum attach_mode wanted, const struct features *features, enum attach_mode *mode,
			struct error *error);

#endif

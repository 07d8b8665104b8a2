/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bpf(2)'s multi-uprobe links, made with the system call itself: libbpf 1.4 passes the session attach type's
 * options on to nobody, and Debian 12's linux/bpf.h is older than the link.
 */
#ifndef MEMWATCH_ATTACH_UPROBE_LINK_H
#define MEMWATCH_ATTACH_UPROBE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* enum bpf_attach_type, include/uapi/linux/bpf.h */
#define UPROBE_ATTACH_MULTI   48
#define UPROBE_ATTACH_SESSION 57

struct uprobe_multi {
	int program_fd;
	int attach_type;
	bool on_return; /* BPF_F_UPROBE_MULTI_RETURN; not with sessions */
	const char *path;
	const uint64_t *offsets; /* in the file */
	const uint64_t *cookies; /* one an offset, or NULL */
	size_t count;
	pid_t pid; /* 0: every process */
};

/* Returns the link's descriptor, whose last close takes the probes out, or a negative errno. */
int uprobe_link__multi(const struct uprobe_multi *options);

#endif

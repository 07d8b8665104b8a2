// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attach/uprobe_link.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UPROBE_MULTI_RETURN 1u /* BPF_F_UPROBE_MULTI_RETURN */

/* union bpf_attr.link_create with its uprobe_multi member, as kernel 6.6 defined it. */
struct link_create {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_ctr_offsets;
	uint64_t cookies;
	uint32_t cnt;
	uint32_t multi_flags;
	uint32_t pid;
	uint32_t reserved;
};
_Static_assert(sizeof(struct link_create) == 64, "link_create");

int uprobe_link__multi(const struct uprobe_multi *options)
{
	struct link_create attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_fd = options->program_fd;
	attr.attach_type = options->attach_type;
	attr.path = (uintptr_t)options->path;
	attr.offsets = (uintptr_t)options->offsets;
	attr.cookies = (uintptr_t)options->cookies;
	attr.cnt = options->count;
	attr.multi_flags = options->on_return ? UPROBE_MULTI_RETURN : 0;
	attr.pid = options->pid;
	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	return fd < 0 ? -errno : (int)fd;
}

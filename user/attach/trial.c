// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attach/trial.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "attach/uprobe_link.h"
#include "base/shield.h"
#include "target/maps.h"

struct trial {
	int map_fd;
	int program_fd;
	int link_fds[2];
};

/* The function that is probed; its body must survive optimization. */
static __attribute__((noinline, noclone)) void probed_function(void)
{
	__asm__ volatile("nop" ::: "memory");
}

static void *call_from_thread(void *unused)
{
	(void)unused;
	probed_function();
	return NULL;
}

void trial__call(bool thread)
{
	pthread_t id;

	if (!thread) {
		probed_function();
		return;
	}
	if (!pthread_create(&id, NULL, call_from_thread, NULL))
		pthread_join(id, NULL);
}

/* lock *(u64 *)map[0] += 1; return 0 */
static int load_counter(int map_fd, int attach_type)
{
	const struct bpf_insn code[] = {
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = 1,
		 .src_reg = BPF_PSEUDO_MAP_VALUE,
		 .imm = map_fd},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 1},
		{.code = BPF_STX | BPF_DW | BPF_ATOMIC, .dst_reg = 1, .src_reg = 2, .imm = BPF_ADD},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = attach_type);
	int fd;

	fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "memwatch_trial", "GPL", code,
			   sizeof(code) / sizeof(code[0]), &options);
	return fd < 0 ? -errno : fd;
}

/* Where probed_function is in the file that it was loaded from. */
static int own_offset(uint64_t *offset)
{
	uint64_t address = (uintptr_t)probed_function;
	const struct mapping *mapping;
	struct maps maps = {0};
	int err;

	err = maps__read(getpid(), &maps, NULL);
	if (err)
		return err;
	mapping = maps__find(&maps, address);
	if (mapping)
		*offset = address - mapping->start + mapping->offset;
	else
		err = -ENOENT;
	maps__free(&maps);
	return err;
}

static int uprobe_pmu_type(void)
{
	int type = -1;
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "re");

	if (!file)
		return -errno;
	if (fscanf(file, "%d", &type) != 1)
		type = -EINVAL;
	fclose(file);
	return type;
}

/* config bit 0: a return probe (/sys/bus/event_source/devices/uprobe/format/retprobe). */
static int open_perf(int program_fd, uint64_t offset, pid_t pid, bool on_return)
{
	struct perf_event_attr attr = {.size = sizeof(attr)};
	int type = uprobe_pmu_type(), fd, err;

	if (type < 0)
		return type;
	attr.type = type;
	attr.config = on_return;
	attr.uprobe_path = (uintptr_t) "/proc/self/exe";
	attr.probe_offset = offset;
	fd = syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, program_fd) || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

struct request {
	struct trial *trial;
	enum attach_mode mode;
	pid_t pid;
	uint64_t offset;
};

static int attach(void *context)
{
	const struct request *request = context;
	struct trial *trial = request->trial;
	bool perf = request->mode == ATTACH_PERF, session = request->mode == ATTACH_SESSION;
	struct uprobe_multi options = {
		.program_fd = trial->program_fd,
		.attach_type = session ? UPROBE_ATTACH_SESSION : UPROBE_ATTACH_MULTI,
		.path = "/proc/self/exe",
		.offsets = &request->offset,
		.count = 1,
		.pid = request->pid,
	};
	int fd;

	for (int i = 0; i < (session ? 1 : 2); i++) {
		options.on_return = i == 1;
		fd = perf ? open_perf(trial->program_fd, request->offset, request->pid, i == 1)
			  : uprobe_link__multi(&options);
		if (fd < 0)
			return fd;
		trial->link_fds[i] = fd;
	}
	return 0;
}

static int detach(void *context)
{
	struct trial *trial = context;

	for (int i = 0; i < 2; i++) {
		if (trial->link_fds[i] >= 0)
			close(trial->link_fds[i]);
	}
	return 0;
}

int trial__new(enum attach_mode mode, pid_t pid, struct trial **made)
{
	static const int types[] = {[ATTACH_SESSION] = UPROBE_ATTACH_SESSION,
				    [ATTACH_MULTI] = UPROBE_ATTACH_MULTI,
				    [ATTACH_PERF] = 0};
	struct trial *trial = calloc(1, sizeof(*trial));
	struct request request = {trial, mode, pid, 0};
	int err = 0;

	if (!trial)
		return -ENOMEM;
	trial->program_fd = trial->link_fds[0] = trial->link_fds[1] = -1;
	trial->map_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "memwatch_trial", 4, 8, 1, NULL);
	if (trial->map_fd < 0) {
		err = -errno;
		goto fail;
	}
	trial->program_fd = load_counter(trial->map_fd, types[mode]);
	if (trial->program_fd < 0) {
		err = trial->program_fd;
		goto fail;
	}
	err = own_offset(&request.offset);
	err = err ? err : shield__run(attach, &request);
	if (err)
		goto fail;
	*made = trial;
	return 0;
fail:
	trial__free(trial);
	return err;
}

void trial__free(struct trial *trial)
{
	if (!trial)
		return;
	if (trial->link_fds[0] >= 0)
		shield__run(detach, trial);
	if (trial->program_fd >= 0)
		close(trial->program_fd);
	if (trial->map_fd >= 0)
		close(trial->map_fd);
	free(trial);
}

uint64_t trial__hits(const struct trial *trial)
{
	uint32_t key = 0;
	uint64_t hits = 0;

	if (bpf_map_lookup_elem(trial->map_fd, &key, &hits))
		return 0;
	return hits;
}

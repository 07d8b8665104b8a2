// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "target/process.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* include/linux/sched.h: part of what field 9 of /proc/PID/stat shows; the same since Linux 2.6.27. */
#define PF_KTHREAD 0x00200000u

#define USE_ROOT "run as root, or with CAP_SYS_PTRACE, CAP_BPF, CAP_PERFMON and CAP_CHECKPOINT_RESTORE"

/* Reads /proc/@pid/@name as far as @size - 1 bytes, and ends it with NUL. Returns its length or a negative
 * errno. */
static ssize_t read_proc(pid_t pid, const char *name, void *buffer, size_t size)
{
	char path[64];
	size_t used = 0;
	ssize_t got = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : errno == EPERM ? -EACCES : -errno;
	while (used < size - 1) {
		got = read(fd, (char *)buffer + used, size - 1 - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	if (got < 0)
		got = -errno;
	close(fd);
	((char *)buffer)[used] = '\0';
	return got < 0 ? got : (ssize_t)used;
}

static void copy_comm(struct process *process, const char *comm, size_t length)
{
	if (length > sizeof(process->comm) - 1)
		length = sizeof(process->comm) - 1;
	for (size_t i = 0; i < length; i++)
		process->comm[i] = comm[i] >= 0x20 && comm[i] < 0x7f ? comm[i] : '?';
	process->comm[length] = '\0';
}

/*
 * "PID (COMM) STATE PPID …": COMM may hold blanks, parentheses and newlines, but nothing after it does, so
 * the last parenthesis ends it (proc(5)).
 */
static int parse_stat(char *text, struct process *process)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')'), *field, *rest = NULL, *end;
	unsigned long long value, flags = 0, start = 0;
	char state = 0;
	int number = 3;

	if (!open || !close || close < open)
		return -EINVAL;
	copy_comm(process, open + 1, (size_t)(close - open - 1));
	for (field = strtok_r(close + 1, " \n", &rest); field;
	     field = strtok_r(NULL, " \n", &rest), number++) {
		if (number == 3) {
			state = *field;
			continue;
		}
		if (number != 9 && number != 22)
			continue;
		errno = 0;
		value = strtoull(field, &end, 10);
		if (errno || *end)
			return -EINVAL;
		if (number == 9)
			flags = value;
		else
			start = value;
	}
	if (number <= 22)
		return -EINVAL;
	process->start_ticks = start;
	process->kernel_thread = flags & PF_KTHREAD;
	process->zombie = state == 'Z' || state == 'X' || state == 'x';
	return 0;
}

static int read_stat(pid_t pid, struct process *process)
{
	char text[2048];
	ssize_t length;

	*process = (struct process){.pid = pid};
	length = read_proc(pid, "stat", text, sizeof(text));
	if (length < 0)
		return (int)length;
	return parse_stat(text, process);
}

/* The decimal value of "\n@key:\t" in /proc/PID/status; @fallback where there is none. */
static long long status_value(const char *status, const char *key, long long fallback)
{
	size_t length = strlen(key);

	/* The first line, Name:, is not taken for another: the kernel escapes newlines in it. */
	for (const char *line = status; line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (!strncmp(line, key, length) && line[length] == ':')
			return strtoll(line + length + 1, NULL, 10);
	}
	return fallback;
}

static int say_unreadable(pid_t pid, int err, struct error *error)
{
	if (err == -ESRCH)
		return error__set(error, ESRCH, "no process has pid %d", pid);
	if (err == -EACCES)
		return error__set(error, EACCES, "not allowed to look at pid %d: " USE_ROOT, pid);
	return error__set(error, -err, "cannot read what /proc says of pid %d: %s", pid, strerror(-err));
}

int process__read(pid_t pid, struct process *process, struct error *error)
{
	char status[8192];
	long long tgid;
	ssize_t length;
	int err;

	err = pid > 0 ? read_stat(pid, process) : -ESRCH;
	if (err)
		return say_unreadable(pid, err, error);
	length = read_proc(pid, "status", status, sizeof(status));
	if (length < 0)
		return say_unreadable(pid, (int)length, error);
	tgid = status_value(status, "Tgid", pid);
	if (tgid != pid)
		return error__set(error, ESRCH, "%d is a thread of process %lld, not a process: give its pid",
				  pid, tgid);
	process->seccomp = (int)status_value(status, "Seccomp", 0);
	return 0;
}

/*
 * The word size by the auxiliary vector: AT_PHENT is the size of a program header, 56 bytes in a 64-bit
 * program and 32 in a 32-bit one, whose vector is of 32-bit words. Returns 32, 64, or 0 where it does not
 * tell.
 */
static int bits_by_auxv(pid_t pid)
{
	union {
		Elf64_auxv_t wide[64];
		Elf32_auxv_t narrow[128];
	} auxv;
	ssize_t length = read_proc(pid, "auxv", &auxv, sizeof(auxv));

	if (length <= 0)
		return 0;
	for (size_t i = 0; (i + 1) * sizeof(auxv.wide[0]) <= (size_t)length; i++) {
		if (auxv.wide[i].a_type == AT_PHENT && auxv.wide[i].a_un.a_val == sizeof(Elf64_Phdr))
			return 64;
	}
	for (size_t i = 0; (i + 1) * sizeof(auxv.narrow[0]) <= (size_t)length; i++) {
		if (auxv.narrow[i].a_type == AT_PHENT && auxv.narrow[i].a_un.a_val == sizeof(Elf32_Phdr))
			return 32;
	}
	return 0;
}

/* Returns 32, 64, 0 where nothing tells, or a negative errno: -ESRCH, -EACCES. */
static int bits_of(pid_t pid)
{
	unsigned char ident[EI_NIDENT + 1];
	ssize_t length = read_proc(pid, "exe", ident, sizeof(ident));

	if (length > EI_CLASS && !memcmp(ident, ELFMAG, SELFMAG)) {
		if (ident[EI_CLASS] == ELFCLASS64)
			return 64;
		if (ident[EI_CLASS] == ELFCLASS32)
			return 32;
	}
	if (length == -EACCES)
		return -EACCES;
	return bits_by_auxv(pid);
}

int process__check(const struct process *process, struct error *error)
{
	int bits;

	if (process->kernel_thread)
		return error__set(error, EINVAL,
				  "pid %d (%s) is a kernel thread: it has no memory of its own to watch; "
				  "give a program's pid",
				  process->pid, process->comm);
	if (process->zombie)
		return error__set(error, ESRCH,
				  "pid %d (%s) has ended, and waits for its parent to take note",
				  process->pid, process->comm);
	bits = bits_of(process->pid);
	if (bits == -EACCES)
		return error__set(error, EACCES, "not allowed to look into pid %d (%s): " USE_ROOT,
				  process->pid, process->comm);
	if (bits == 32)
		return error__set(error, ENOTSUP,
				  "pid %d (%s) is a 32-bit program; memwatch knows 64-bit ones only",
				  process->pid, process->comm);
	if (!process__alive(process))
		return error__set(error, ESRCH, "pid %d (%s) has ended", process->pid, process->comm);
	if (bits != 64)
		return error__set(error, ENOTSUP, "cannot tell what kind of program pid %d (%s) is",
				  process->pid, process->comm);
	return 0;
}

int process__rss(pid_t pid, uint64_t *bytes)
{
	unsigned long long size, resident;
	char text[256];
	ssize_t length;

	length = read_proc(pid, "statm", text, sizeof(text));
	if (length < 0)
		return (int)length;
	if (sscanf(text, "%llu %llu", &size, &resident) != 2)
		return -EINVAL;
	/* A process that has ended but was not waited for has no memory, and is all zeros here. */
	if (!size)
		return -ESRCH;
	*bytes = (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

bool process__alive(const struct process *process)
{
	struct process now;

	return !read_stat(process->pid, &now) && now.start_ticks == process->start_ticks && !now.zombie;
}

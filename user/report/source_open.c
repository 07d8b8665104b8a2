// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/source_open.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int source_open__root(const char *root)
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void source_open__close(int root)
{
	if (root >= 0)
		close(root);
}

/* Step by step, refusing every symbolic link and "..": for kernels or seccomp filters without openat2. */
static int find_below_by_steps(int root, const char *name)
{
	char part[NAME_MAX + 1];
	int at = fcntl(root, F_DUPFD_CLOEXEC, 0);

	while (at >= 0) {
		size_t length;
		int next;

		name += strspn(name, "/");
		length = strcspn(name, "/");
		if (!length)
			return at;
		if (length > NAME_MAX || (length == 2 && memcmp(name, "..", 2) == 0)) {
			close(at);
			return -1;
		}
		memcpy(part, name, length);
		part[length] = '\0';
		next = openat(at, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		close(at);
		at = next;
		name += length;
	}
	return -1;
}

/* openat2(2), RESOLVE_IN_ROOT: absolute links and ".." stay below @root; links as those of /proc/PID/fd do
 * not. */
static int find_below(int root, const char *name)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, root, name, &how, sizeof(how));

	if (fd < 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL || errno == E2BIG))
		return find_below_by_steps(root, name);
	return (int)fd;
}

/*
 * @found was opened with O_PATH, which does nothing to what is found: not until it is known for a regular
 * file is it opened for reading. What procfs and tracefs hold says that it is empty, and some of it waits or
 * is used up by a read.
 */
static int open_regular(int found, size_t size_max, size_t *size)
{
	struct stat status;
	char link[32];

	if (fstat(found, &status) || !S_ISREG(status.st_mode))
		return -1;
	if (status.st_size <= 0 || (uintmax_t)status.st_size > size_max)
		return -1;
	*size = (size_t)status.st_size;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", found);
	return open(link, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static char *read_whole(int fd, size_t size, size_t *length)
{
	char *text = malloc(size);
	size_t used = 0;

	while (text && used < size) {
		ssize_t got = read(fd, text + used, size - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	if (!used) {
		free(text);
		return NULL;
	}
	*length = used;
	return text;
}

static char *read_found(int found, size_t size_max, size_t *length)
{
	char *text = NULL;
	size_t size;
	int fd;

	if (found < 0)
		return NULL;
	fd = open_regular(found, size_max, &size);
	if (fd >= 0) {
		text = read_whole(fd, size, length);
		close(fd);
	}
	close(found);
	return text;
}

char *source_open__read(int root, const char *name, size_t size_max, size_t *length)
{
	char *text = NULL;

	*length = 0;
	if (root >= 0)
		text = read_found(find_below(root, name), size_max, length);
	if (!text)
		text = read_found(open(name, O_PATH | O_CLOEXEC), size_max, length);
	return text;
}

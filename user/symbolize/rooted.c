// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/rooted.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int rooted__open_root(pid_t pid)
{
	char path[64] = "/";
	int fd;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int rooted__open(int root, const char *path, int no_links, struct stat *info)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (no_links ? RESOLVE_NO_SYMLINKS : 0),
	};
	char again[64];
	struct stat seen;
	int handle, fd;

	/* openat2(2): Linux 5.6; the C library of Debian 12 has no function for it. */
	handle = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (handle < 0)
		return -errno;
	if (fstat(handle, &seen) || !S_ISREG(seen.st_mode)) {
		close(handle);
		return -EINVAL;
	}
	snprintf(again, sizeof(again), "/proc/self/fd/%d", handle);
	fd = open(again, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	close(handle);
	if (fd >= 0 && info)
		*info = seen;
	return fd;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "session/control.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t make_address(pid_t pid, struct sockaddr_un *address)
{
	int length;

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	/* The leading NUL makes the name abstract. */
	length = snprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, "memwatch-%d", pid);
	return offsetof(struct sockaddr_un, sun_path) + 1 + length;
}

int control__listen(pid_t pid)
{
	struct sockaddr_un address;
	socklen_t length = make_address(pid, &address);
	int fd, on = 1, err;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&address, length)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int is_trusted(struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	struct ucred credentials;

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS ||
	    header->cmsg_len < CMSG_LEN(sizeof(credentials)))
		return 0;
	memcpy(&credentials, CMSG_DATA(header), sizeof(credentials));
	return !credentials.uid || credentials.uid == geteuid();
}

int control__receive(int fd, char name[MARK_NAME_MAX + 1])
{
	char control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec data = {name, MARK_NAME_MAX};
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t length = recvmsg(fd, &message, 0);

	if (length < 0 || !is_trusted(&message))
		return 0;
	name[length] = '\0';
	for (char *c = name; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	return 1;
}

int control__send_mark(pid_t pid, const char *name, struct error *error)
{
	struct sockaddr_un address;
	socklen_t length = make_address(pid, &address);
	int fd, err = 0;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error__set(error, errno, "cannot send the mark: %s", strerror(errno));
	if (sendto(fd, name, strlen(name), 0, (struct sockaddr *)&address, length) < 0)
		err = -errno;
	close(fd);
	if (err == -ECONNREFUSED)
		return error__set(error, ESRCH,
				  "no memwatch watches process %d: start one with `memwatch -p %d`", pid,
				  pid);
	if (err)
		return error__set(error, -err, "cannot send the mark: %s", strerror(-err));
	return 0;
}

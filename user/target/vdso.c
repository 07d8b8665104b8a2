// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "target/vdso.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* It is two pages on x86-64 and four on arm64. */
#define MAX_VDSO (1u << 20)

static ssize_t read_memory(pid_t pid, uint64_t start, void *bytes, size_t size)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	got = pread(fd, bytes, size, (off_t)start);
	if (got < 0)
		got = -errno;
	close(fd);
	return got;
}

bool vdso__is(const struct mapping *mapping)
{
	return !mapping->inode && !strcmp(mapping->path, "[vdso]");
}

int vdso__open_own(struct image **image, struct error *error)
{
	const Elf64_Ehdr *own = (const void *)getauxval(AT_SYSINFO_EHDR);

	*image = NULL;
	if (!own)
		return error__set(error, ENOENT, "this kernel maps no vDSO");
	/* The kernel puts the section headers last, so they say how large it is. */
	return image__from_memory("[vdso]", own, own->e_shoff + (size_t)own->e_shnum * own->e_shentsize,
				  image, error);
}

int vdso__open(pid_t pid, uint64_t start, uint64_t end, struct image **image, struct error *error)
{
	uint64_t size = end - start;
	void *bytes;
	int err;

	*image = NULL;
	if (end <= start || size > MAX_VDSO || start > INT64_MAX)
		return error__set(error, EINVAL, "a vDSO of %llu bytes cannot be", (unsigned long long)size);
	bytes = malloc(size);
	if (!bytes)
		return error__set(error, ENOMEM, "out of memory");
	if (read_memory(pid, start, bytes, size) == (ssize_t)size)
		err = image__from_memory("[vdso]", bytes, size, image, error);
	else
		err = vdso__open_own(image, error);
	free(bytes);
	return err;
}

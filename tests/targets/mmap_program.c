// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Mappings in all their cases, in pages of 4096 bytes. What is left, by line, is printed as "expect LINE
 * BYTES"; a mapping that mremap has moved or resized belongs to mremap's line. Handshake: "ready", "done".
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "handshake.h"

#define PAGE    4096ul
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW      (PROT_READ | PROT_WRITE)

static char text[2048];
static size_t length;

static void *keep(void *mapping, int line, size_t pages)
{
	if (mapping == MAP_FAILED)
		err(1, "line %d", line);
	if (pages)
		length +=
			snprintf(text + length, sizeof(text) - length, "expect %d %lu\n", line, pages * PAGE);
	return mapping;
}

static void unmap(void *at, size_t pages)
{
	if (munmap(at, pages * PAGE))
		err(1, "munmap");
}

static void map_and_cut(void)
{
	char *whole, *middle, *ends, *both;

	whole = keep(mmap(NULL, 10 * PAGE, RW, PRIVATE, -1, 0), __LINE__, 0);
	unmap(whole, 10);
	middle = keep(mmap(NULL, 10 * PAGE, RW, PRIVATE, -1, 0), __LINE__, 7);
	unmap(middle + 4 * PAGE, 3);
	ends = keep(mmap(NULL, 20 * PAGE, RW, PRIVATE, -1, 0), __LINE__, 15);
	unmap(ends, 2);
	unmap(ends + 17 * PAGE, 3);
	/* One munmap over two neighbours, made so by MAP_FIXED inside of a reservation. */
	both = keep(mmap(NULL, 8 * PAGE, PROT_NONE, PRIVATE, -1, 0), __LINE__, 1);
	keep(mmap(both, 4 * PAGE, RW, PRIVATE | MAP_FIXED, -1, 0), __LINE__, 2);
	keep(mmap(both + 4 * PAGE, 3 * PAGE, RW, PRIVATE | MAP_FIXED, -1, 0), __LINE__, 1);
	unmap(both + 2 * PAGE, 4);
}

static void overlap(void)
{
	char *base = keep(mmap(NULL, 16 * PAGE, RW, PRIVATE, -1, 0), __LINE__, 11);

	keep(mmap(base + 3 * PAGE, 5 * PAGE, RW, PRIVATE | MAP_FIXED, -1, 0), __LINE__, 5);
	if (mmap(base, PAGE, RW, PRIVATE | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED)
		errx(1, "MAP_FIXED_NOREPLACE did replace");
	if (mmap(NULL, 0, RW, PRIVATE, -1, 0) != MAP_FAILED)
		errx(1, "an empty mapping was made");
	/* Over nothing that is mapped: no error, and no change. */
	unmap(keep(mmap(NULL, PAGE, RW, PRIVATE, -1, 0), __LINE__, 0), 1);
}

static void move(void)
{
	char *grown, *shrunk, *moved, *place, *failed;

	grown = keep(mmap(NULL, 4 * PAGE, RW, PRIVATE, -1, 0), __LINE__, 0);
	grown = keep(mremap(grown, 4 * PAGE, 40 * PAGE, MREMAP_MAYMOVE), __LINE__, 40);
	shrunk = keep(mmap(NULL, 30 * PAGE, RW, PRIVATE, -1, 0), __LINE__, 0);
	keep(mremap(shrunk, 30 * PAGE, 6 * PAGE, 0), __LINE__, 6);
	moved = keep(mmap(NULL, 5 * PAGE, RW, PRIVATE, -1, 0), __LINE__, 0);
	place = keep(mmap(NULL, 9 * PAGE, PROT_NONE, PRIVATE, -1, 0), __LINE__, 4);
	keep(mremap(moved, 5 * PAGE, 5 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place + 2 * PAGE), __LINE__, 5);
	/* Only a part of a mapping moves. */
	moved = keep(mmap(NULL, 12 * PAGE, RW, PRIVATE, -1, 0), __LINE__, 9);
	keep(mremap(moved + 2 * PAGE, 3 * PAGE, 8 * PAGE, MREMAP_MAYMOVE), __LINE__, 8);
	failed = keep(mmap(NULL, 3 * PAGE, RW, PRIVATE, -1, 0), __LINE__, 3);
	if (mremap(failed, 3 * PAGE, 1ul << 60, MREMAP_MAYMOVE) != MAP_FAILED)
		errx(1, "mremap to 2^60 bytes did not fail");
}

static void by_file(void)
{
	int fd = memfd_create("mapped", 0);

	if (fd < 0 || ftruncate(fd, 8 * PAGE))
		err(1, "memfd_create");
	keep(mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, fd, 0), __LINE__, 8);
	/* Bytes as asked for: the last page counts whole, because munmap takes whole pages. */
	unmap(keep(mmap(NULL, 5000, PROT_READ, MAP_PRIVATE, fd, 0), __LINE__, 0), 2);
	close(fd);
}

int main(void)
{
	void *block;

	free(opaque(malloc(1))); /* the heap's own growth is over */
	reach("ready");
	map_and_cut();
	overlap();
	move();
	by_file();
	/* The allocator's own mapping: heap, and nothing in the mmap domain. */
	block = opaque(malloc(64ul << 20));
	if (write(STDOUT_FILENO, text, length) != (ssize_t)length)
		return 1;
	reach("done");
	return block ? 0 : 1;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Opening images, and reading them. */
#include "target/image_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* fs/bcachefs/bcachefs_format.h; not in linux/magic.h. */
#define BCACHEFS_MAGIC 0xca451a4e

static struct image *new_image(const char *path)
{
	struct image *image = calloc(1, sizeof(*image));

	if (!image)
		return NULL;
	image->fd = -1;
	image->references = 1;
	image->path = strdup(path);
	if (!image->path) {
		free(image);
		return NULL;
	}
	return image;
}

/* Takes @fd over, whatever comes of it. */
static int load(int fd, const char *path, bool named, struct image **result, struct error *error)
{
	struct image *image = new_image(path);
	struct stat status;
	int err;

	if (!image) {
		close(fd);
		return error__set(error, ENOMEM, "out of memory for %s", path);
	}
	image->fd = fd;
	if (fstat(fd, &status)) {
		err = error__set(error, errno, "cannot look at %s: %s", path, strerror(errno));
		goto failed;
	}
	image->device = status.st_dev;
	image->inode = status.st_ino;
	if (!named)
		image->open_path = strdup("");
	else if (asprintf(&image->open_path, "/proc/self/fd/%d", fd) < 0)
		image->open_path = NULL;
	if (!image->open_path) {
		err = error__set(error, ENOMEM, "out of memory for %s", path);
		goto failed;
	}
	err = image__parse(image, (uint64_t)status.st_size, error);
	if (err)
		goto failed;
	*result = image;
	return 0;
failed:
	image__put(image);
	return err;
}

/*
 * Goes from @place, an O_PATH descriptor, which it takes over, to one that can be read. The detour is for the
 * sake of what is not a regular file: opening a FIFO may block, and opening a device may do something.
 */
static int reopen(int place, const char *path, struct image **result, struct error *error)
{
	struct stat status;
	char name[64];
	int fd = -1, err;

	if (fstat(place, &status)) {
		err = errno;
	} else if (!S_ISREG(status.st_mode)) {
		close(place);
		return error__set(error, ENOEXEC, "%s is not a regular file", path);
	} else {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", place);
		fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		err = errno;
	}
	close(place);
	if (fd < 0)
		return error__set(error, err, "cannot open %s: %s", path, strerror(err));
	return load(fd, path, true, result, error);
}

/*
 * Whether @place is the file that @mapping shows. The device that maps shows is the superblock's; stat gives
 * another one for subvolumes (btrfs, bcachefs) and for files from overlayfs's layers, so there the inode has
 * to do.
 */
static bool is_mapped_file(int place, const struct mapping *mapping)
{
	struct statfs filesystem;
	struct stat status;

	if (fstat(place, &status) || status.st_ino != mapping->inode)
		return false;
	if (status.st_dev == mapping->device)
		return true;
	if (fstatfs(place, &filesystem))
		return false;
	switch ((unsigned long)filesystem.f_type) {
	case OVERLAYFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case BCACHEFS_MAGIC:
		return true;
	default:
		return false;
	}
}

/* An O_PATH descriptor or a negative errno. */
static int open_map_file(pid_t pid, const struct mapping *mapping)
{
	struct stat status;
	char name[96];
	int place;

	snprintf(name, sizeof(name), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, mapping->start,
		 mapping->end);
	place = open(name, O_PATH | O_CLOEXEC);
	if (place < 0)
		return -errno;
	/* Something else may have been mapped there since. The link leads to the right device by itself. */
	if (fstat(place, &status) || status.st_ino != mapping->inode) {
		close(place);
		return -ESTALE;
	}
	return place;
}

/* The same by the name that the file has below @root. */
static int open_below(const char *root_name, const struct mapping *mapping)
{
	/* The target may have put symbolic links on the way: they must not lead out of its root. */
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int root, place, err;

	root = open(root_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	place = (int)syscall(SYS_openat2, root, mapping->path, &how, sizeof(how));
	err = place < 0 ? -errno : 0;
	close(root);
	if (!err && !is_mapped_file(place, mapping)) {
		close(place);
		err = -ESTALE;
	}
	return err ? err : place;
}

/*
 * By its name in the target's mount namespace and root directory; in our own where the target has ended: that
 * it is the same file is checked in either.
 */
static int open_in_root(pid_t pid, const struct mapping *mapping)
{
	char name[64];
	int place, own;

	snprintf(name, sizeof(name), "/proc/%d/root", pid);
	place = open_below(name, mapping);
	if (place != -ESRCH)
		return place;
	own = open_below("/", mapping);
	return own < 0 ? place : own;
}

int image__open_mapping(pid_t pid, const struct mapping *mapping, struct image **image, struct error *error)
{
	int place, first;

	*image = NULL;
	if (!mapping->inode || mapping->path[0] != '/')
		return error__set(error, ENOENT, "the memory at %#" PRIx64 " is not a file's",
				  mapping->start);
	place = first = open_map_file(pid, mapping);
	if (place < 0)
		place = open_in_root(pid, mapping);
	if (place >= 0)
		return reopen(place, mapping->path, image, error);
	if (place == -ESRCH)
		return error__set(error, ESRCH, "cannot open %s: pid %d has ended", mapping->path, pid);
	if (place == -ESTALE || mapping->deleted)
		return error__set(
			error, ESTALE, "%s was replaced or deleted since pid %d mapped it%s", mapping->path,
			pid, first == -EPERM ? ": opening it all the same takes CAP_CHECKPOINT_RESTORE" : "");
	if (place == -EACCES || place == -EPERM)
		return error__set(error, EACCES,
				  "not allowed to open %s of pid %d: run as root, or with CAP_SYS_PTRACE",
				  mapping->path, pid);
	return error__set(error, -place, "cannot open %s of pid %d: %s", mapping->path, pid,
			  strerror(-place));
}

int image__open(const char *path, struct image **image, struct error *error)
{
	int place;

	*image = NULL;
	place = open(path, O_PATH | O_CLOEXEC);
	if (place < 0)
		return error__set(error, errno, "cannot open %s: %s", path, strerror(errno));
	return reopen(place, path, image, error);
}

int image__from_memory(const char *name, const void *bytes, size_t size, struct image **image,
		       struct error *error)
{
	size_t written = 0;
	ssize_t got;
	int fd;

	*image = NULL;
	/* A file in memory is read by the same code as one on disk. */
	fd = memfd_create("memwatch", MFD_CLOEXEC);
	if (fd < 0)
		return error__set(error, errno, "cannot hold %s in memory: %s", name, strerror(errno));
	while (written < size) {
		got = pwrite(fd, (const char *)bytes + written, size - written, (off_t)written);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			int code = got < 0 ? errno : EIO;

			close(fd);
			return error__set(error, code, "cannot hold %s in memory: %s", name, strerror(code));
		}
		written += (size_t)got;
	}
	return load(fd, name, false, image, error);
}

struct image *image__get(struct image *image)
{
	image->references++;
	return image;
}

void image__put(struct image *image)
{
	if (!image || --image->references)
		return;
	elf_end(image->elf);
	if (image->fd >= 0)
		close(image->fd);
	free(image->segments);
	free(image->open_path);
	free(image->path);
	free(image);
}

bool image__offset_of(const struct image *image, uint64_t vaddr, uint64_t *offset)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];

		if (vaddr < segment->vaddr || vaddr - segment->vaddr >= segment->file_size)
			continue;
		*offset = segment->offset + (vaddr - segment->vaddr);
		return true;
	}
	return false;
}

bool image__is_code(const struct image *image, uint64_t vaddr)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];

		if (segment->executable && vaddr >= segment->vaddr &&
		    vaddr - segment->vaddr < segment->memory_size)
			return true;
	}
	return false;
}

int image__each_code(const struct image *image, uint64_t limit, image_code_fn *visit, void *context)
{
	int err = 0;

	for (size_t i = 0; !err && i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];
		uint8_t *code;
		ssize_t got;

		if (!segment->executable || segment->file_size > limit)
			continue;
		code = malloc(segment->file_size + 1);
		if (!code)
			return -ENOMEM;
		got = image__read(image, segment->vaddr, code, segment->file_size);
		if (got > 0)
			err = visit(code, (size_t)got, segment->vaddr, context);
		free(code);
	}
	return err;
}

bool image__vaddr_of(const struct image *image, uint64_t offset, uint64_t *vaddr)
{
	bool found = false;

	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];

		if (offset < segment->offset || offset - segment->offset >= segment->file_size)
			continue;
		if (found && !segment->executable)
			continue;
		*vaddr = segment->vaddr + (offset - segment->offset);
		found = true;
		/* Two segments may share bytes of the file; who asks by offset has code in mind. */
		if (segment->executable)
			break;
	}
	return found;
}

ssize_t image__pread(const struct image *image, uint64_t offset, void *buffer, size_t size)
{
	size_t used = 0;

	if (offset > INT64_MAX || size > INT64_MAX - offset)
		return -EOVERFLOW;
	while (used < size) {
		ssize_t got = pread(image->fd, (char *)buffer + used, size - used, (off_t)(offset + used));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		used += (size_t)got;
	}
	return (ssize_t)used;
}

ssize_t image__read(const struct image *image, uint64_t vaddr, void *buffer, size_t size)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];
		uint64_t skip, rest;

		if (vaddr < segment->vaddr || vaddr - segment->vaddr >= segment->file_size)
			continue;
		skip = vaddr - segment->vaddr;
		rest = segment->file_size - skip;
		return image__pread(image, segment->offset + skip, buffer, size < rest ? size : (size_t)rest);
	}
	return 0;
}

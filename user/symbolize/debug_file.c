// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/debug_file.h"

#include <elfutils/libdwelf.h>
#include <errno.h>
#include <limits.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "symbolize/debuginfod.h"
#include "symbolize/rooted.h"

#define MIN_BUILD_ID 3
#define MAX_BUILD_ID 64
/* A checksum reads all of the file: beyond this no time is spent on one. */
#define MAX_CHECKSUMMED (4ll << 30)

/* What a candidate must prove. */
struct proof {
	const uint8_t *build_id;
	size_t build_id_size; /* 0: the checksum decides */
	uint32_t crc;
	const struct image
		*stripped; /* the candidate must be another file; NULL: an alternate file is wanted */
};

static Elf_Scn *find_section(const struct image *image, const char *name)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr header;
	size_t strings;

	if (elf_getshdrstrndx(image->elf, &strings))
		return NULL;
	while ((scn = elf_nextscn(image->elf, scn))) {
		const char *found;

		if (!gelf_getshdr(scn, &header) || header.sh_type == SHT_NOBITS || header.sh_size == 0)
			continue;
		found = elf_strptr(image->elf, strings, header.sh_name);
		if (found && strcmp(found, name) == 0)
			return scn;
	}
	return NULL;
}

bool debug_file__has_section(const struct image *image, const char *name)
{
	return find_section(image, name) != NULL;
}

static bool checksum_is(int fd, uint32_t wanted)
{
	unsigned char buffer[65536];
	uLong crc = crc32(0, NULL, 0);
	long long total = 0;
	ssize_t got;

	while ((got = pread(fd, buffer, sizeof(buffer), total)) > 0) {
		crc = crc32(crc, buffer, (uInt)got);
		total += got;
		if (total > MAX_CHECKSUMMED)
			return false;
	}
	return got == 0 && (uint32_t)crc == wanted;
}

/* Takes @fd over: keeps it in @found if it is the alternate file. */
static int accept_alternate(int fd, const char *path, const struct proof *proof, struct debug_file *found)
{
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	const void *build_id;
	int err = -ENOENT;

	if (elf && dwelf_elf_gnu_build_id(elf, &build_id) == (ssize_t)proof->build_id_size &&
	    memcmp(build_id, proof->build_id, proof->build_id_size) == 0) {
		found->path = strdup(path);
		err = found->path ? 0 : -ENOMEM;
	}
	elf_end(elf);
	if (err)
		close(fd);
	else
		found->fd = fd;
	return err;
}

/* Takes @fd over: opens it as an image if it proves to be what is looked for. */
static int accept_file(int fd, const char *path, const struct proof *proof, struct debug_file *found)
{
	struct image *image = NULL;
	char again[64];
	int err;

	if (!proof->stripped)
		return accept_alternate(fd, path, proof, found);
	if (!proof->build_id_size && !checksum_is(fd, proof->crc)) {
		err = -ENOENT;
		goto out;
	}
	snprintf(again, sizeof(again), "/proc/self/fd/%d", fd);
	err = image__open(again, &image, NULL);
	if (err)
		goto out;
	err = -ENOENT;
	if (proof->build_id_size && (image->build_id_size != proof->build_id_size ||
				     memcmp(image->build_id, proof->build_id, proof->build_id_size) != 0))
		goto out;
	if (image->inode == proof->stripped->inode && image->device == proof->stripped->device)
		goto out;
	/* A file cut short, or stripped as well, must not hide a better one. */
	if (!find_section(image, ".symtab") && !find_section(image, ".debug_info") &&
	    !find_section(image, ".zdebug_info"))
		goto out;
	err = -ENOMEM;
	found->path = strdup(path);
	if (!found->path)
		goto out;
	found->image = image__get(image);
	err = 0;
out:
	image__put(image);
	close(fd);
	return err;
}

/* @path in the target's root, then in our own. */
static int try_path(const struct debug_search *search, const char *path, const struct proof *proof,
		    struct debug_file *found)
{
	const pid_t owners[] = {search->pid, 0};

	for (size_t i = search->pid ? 0 : 1; i < 2; i++) {
		int fd, root = rooted__open_root(owners[i]);

		if (root < 0)
			continue;
		fd = rooted__open(root, path, 0, NULL);
		close(root);
		if (fd >= 0 && accept_file(fd, path, proof, found) == 0) {
			log__say(search->log, 2, "debug information: %s", path);
			return 0;
		}
	}
	return -ENOENT;
}

/* gdb's convention: ROOT/.build-id/xx/rest.debug (gdb manual, "Debugging Information in Separate Files"). */
static int by_build_id(const struct debug_search *search, const struct proof *proof, struct debug_file *found)
{
	char path[PATH_MAX], hex[2 * MAX_BUILD_ID + 1] = "";

	if (proof->build_id_size < MIN_BUILD_ID || proof->build_id_size > MAX_BUILD_ID)
		return -ENOENT;
	for (size_t i = 0; i < proof->build_id_size; i++)
		snprintf(hex + 2 * i, 3, "%02x", proof->build_id[i]);
	if (snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", search->debug_root, hex, hex + 2) >=
	    (int)sizeof(path))
		return -ENOENT;
	return try_path(search, path, proof, found);
}

/* .gnu_debuglink: a file name, NUL, padding to 4 bytes, CRC-32 in the file's byte order (same manual). */
static int by_link(const struct debug_search *search, const struct image *image, struct debug_file *found)
{
	static const char *const patterns[] = {"%2$.*1$s%3$s", "%2$.*1$s.debug/%3$s", "%4$s%2$.*1$s%3$s"};
	Elf_Data *data = elf_rawdata(find_section(image, ".gnu_debuglink"), NULL);
	struct proof proof = {.stripped = image};
	const char *name, *slash;
	size_t length, crc_at;
	char path[PATH_MAX];

	if (!data || !data->d_buf)
		return -ENOENT;
	name = data->d_buf;
	length = strnlen(name, data->d_size);
	crc_at = (length + 4) & ~(size_t)3;
	if (length == 0 || length > NAME_MAX || crc_at > data->d_size ||
	    data->d_size - crc_at < sizeof(proof.crc) || memchr(name, '/', length))
		return -ENOENT;
	memcpy(&proof.crc, name + crc_at, sizeof(proof.crc));
	slash = strrchr(image->path, '/');
	if (image->path[0] != '/' || !slash)
		return -ENOENT;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		/* gdb looks beside the file, in .debug/ beside it, and at its directory below the debug root.
		 */
		int used = snprintf(path, sizeof(path), patterns[i], (int)(slash + 1 - image->path),
				    image->path, name, search->debug_root);

		if (used < (int)sizeof(path) && try_path(search, path, &proof, found) == 0)
			return 0;
	}
	return -ENOENT;
}

static int by_server(const struct debug_search *search, const struct proof *proof, struct debug_file *found)
{
	char *path = NULL;
	int fd, err = -ENOENT;

	if (!search->debuginfod || proof->build_id_size < MIN_BUILD_ID)
		return -ENOENT;
	fd = debuginfod__find(proof->build_id, proof->build_id_size, &path);
	if (fd >= 0) {
		err = accept_file(fd, path, proof, found);
		log__say(search->log, 2, "debug information by debuginfod: %s%s", path,
			 err ? " (not usable)" : "");
		free(path);
	}
	return err ? -ENOENT : 0;
}

int debug_file__find(const struct debug_search *search, const struct image *image, struct debug_file *found)
{
	struct proof proof = {
		.build_id = image->build_id, .build_id_size = image->build_id_size, .stripped = image};

	memset(found, 0, sizeof(*found));
	if (by_build_id(search, &proof, found) == 0 || by_link(search, image, found) == 0)
		return 0;
	return by_server(search, &proof, found);
}

int debug_file__find_alternate(const struct debug_search *search, const char *debug_path, const char *name,
			       const uint8_t *build_id, size_t build_id_size, struct debug_file *found)
{
	struct proof proof = {.build_id = build_id, .build_id_size = build_id_size};
	const char *slash = strrchr(debug_path, '/');
	char path[PATH_MAX];
	int used;

	memset(found, 0, sizeof(*found));
	/* An alternate file is known by its build id alone: without one nothing says that it fits. */
	if (build_id_size < MIN_BUILD_ID || build_id_size > MAX_BUILD_ID)
		return -ENOENT;
	if (by_build_id(search, &proof, found) == 0)
		return 0;
	used = snprintf(path, sizeof(path), "%.*s%s",
			name[0] == '/' || !slash ? 0 : (int)(slash + 1 - debug_path), debug_path, name);
	if (used < (int)sizeof(path) && path[0] == '/' && try_path(search, path, &proof, found) == 0)
		return 0;
	return by_server(search, &proof, found);
}

void debug_file__close(struct debug_file *file)
{
	if (file->path && !file->image)
		close(file->fd);
	image__put(file->image);
	free(file->path);
	memset(file, 0, sizeof(*file));
}

/* What a MiniDebugInfo holds is a symbol table: real ones are below 10 MiB. The compressed form may claim
 * anything. */
#define MAX_EMBEDDED    (64u << 20)
#define MAX_LZMA_MEMORY (96u << 20)

int debug_file__embedded(const struct image *image, struct image **embedded)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	Elf_Data *data = elf_rawdata(find_section(image, ".gnu_debugdata"), NULL);
	size_t capacity = 1u << 20;
	uint8_t *bytes = NULL, *moved;
	lzma_ret status = LZMA_OK;
	int err;

	*embedded = NULL;
	if (!data || !data->d_buf)
		return -ENOENT;
	if (lzma_stream_decoder(&stream, MAX_LZMA_MEMORY, 0) != LZMA_OK)
		return -ENOMEM;
	stream.next_in = data->d_buf;
	stream.avail_in = data->d_size;
	do {
		err = -EFBIG;
		if (bytes)
			capacity *= 2;
		if (capacity > MAX_EMBEDDED)
			goto out;
		err = -ENOMEM;
		moved = realloc(bytes, capacity);
		if (!moved)
			goto out;
		bytes = moved;
		stream.next_out = bytes + stream.total_out;
		stream.avail_out = capacity - stream.total_out;
		status = lzma_code(&stream, LZMA_FINISH);
	} while (status == LZMA_OK && stream.avail_out == 0);
	err = -EBADMSG;
	if (status == LZMA_STREAM_END)
		err = image__from_memory(image->path, bytes, stream.total_out, embedded, NULL);
out:
	free(bytes);
	lzma_end(&stream);
	return err;
}

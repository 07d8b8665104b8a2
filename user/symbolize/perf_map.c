// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/perf_map.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "symbolize/ranges.h"
#include "symbolize/rooted.h"

#define MAX_FILE    (32u << 20)
#define MAX_ENTRIES (1u << 20)
#define MAX_NAME    4096
#define MAX_ALIASES 64
#define PAUSE_NS    1000000000ll

struct perf_map {
	pid_t pid;
	pid_t inner_pid; /* as the target numbers itself: it names the file */
	uid_t users[2];  /* real and effective: whose file is believed, beside root's */
	char *directory;
	const struct log *log;
	struct ranges ranges; /* value: offset of the name in text; later lines have higher ones */
	char *text;
	struct stat seen;
	int64_t last_look;
	uint64_t generation;
};

/* The last of NSpid is the pid in the target's own namespace (proc(5)). */
static void read_status(struct perf_map *map)
{
	char path[64], line[512];
	unsigned int real, effective;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)map->pid);
	status = fopen(path, "re");
	if (!status)
		return;
	while (fgets(line, sizeof(line), status)) {
		if (sscanf(line, "Uid: %u %u", &real, &effective) == 2) {
			map->users[0] = real;
			map->users[1] = effective;
		} else if (strncmp(line, "NSpid:", 6) == 0) {
			char *last = strrchr(line, '\t');
			long pid = last ? strtol(last, NULL, 10) : 0;

			if (pid > 0 && pid <= INT_MAX)
				map->inner_pid = (pid_t)pid;
		}
	}
	fclose(status);
}

struct perf_map *perf_map__new(pid_t pid, const char *directory, const struct log *log)
{
	struct perf_map *map = calloc(1, sizeof(*map));

	if (!map)
		return NULL;
	map->pid = pid;
	map->inner_pid = pid;
	map->log = log;
	map->last_look = INT64_MIN;
	map->directory = strdup(directory);
	if (!map->directory) {
		free(map);
		return NULL;
	}
	read_status(map);
	return map;
}

static bool hex(const char **at, const char *end, uint64_t *value)
{
	const char *c = *at;

	if (end - c > 2 && c[0] == '0' && (c[1] == 'x' || c[1] == 'X'))
		c += 2;
	*at = c;
	*value = 0;
	for (; c < end && isxdigit((unsigned char)*c); c++) {
		if (*value >> 60)
			return false;
		*value = *value << 4 |
			 (uint64_t)(isdigit((unsigned char)*c) ? *c - '0' : (*c | 0x20) - 'a' + 10);
	}
	if (c == *at)
		return false;
	*at = c;
	return true;
}

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

/* One line, [@at, @end), the end being a NUL by now. Lines that make no sense are left out. */
static int add_line(struct ranges *ranges, char *text, char *at, char *end)
{
	const char *c = skip_blanks(at, end);
	uint64_t start, size, stop;

	if (!hex(&c, end, &start))
		return 0;
	c = skip_blanks(c, end);
	if (!hex(&c, end, &size) || __builtin_add_overflow(start, size, &stop))
		return 0;
	c = skip_blanks(c, end);
	if (c == end || *c == '\0')
		return 0;
	if (end - c > MAX_NAME)
		text[c - text + MAX_NAME] = '\0';
	return ranges__add(ranges, start, stop, (uint64_t)(c - text));
}

int perf_map__parse(struct perf_map *map, const char *text, size_t length)
{
	char *copy, *at, *end;
	struct ranges ranges = {0};
	int err = 0;

	if (length > MAX_FILE)
		length = MAX_FILE;
	copy = malloc(length + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, length);
	copy[length] = '\0';
	/* A line without its newline is still being written. */
	for (at = copy; !err && ranges.count < MAX_ENTRIES; at = end + 1) {
		end = memchr(at, '\n', length - (size_t)(at - copy));
		if (!end)
			break;
		*end = '\0';
		err = add_line(&ranges, copy, at, end);
	}
	if (err) {
		ranges__free(&ranges);
		free(copy);
		return err;
	}
	ranges__sort(&ranges);
	ranges__free(&map->ranges);
	free(map->text);
	map->ranges = ranges;
	map->text = copy;
	map->generation++;
	return 0;
}

static void read_file(struct perf_map *map, int fd, const struct stat *info)
{
	size_t length = info->st_size < (off_t)MAX_FILE ? (size_t)info->st_size : MAX_FILE, filled = 0;
	char *text = malloc(length + 1);
	ssize_t got;

	if (!text)
		return;
	while (filled < length && (got = pread(fd, text + filled, length - filled, (off_t)filled)) > 0)
		filled += (size_t)got;
	if (perf_map__parse(map, text, filled) == 0) {
		map->seen = *info;
		log__say(map->log, 2, "perf map of pid %d: %zu names", (int)map->pid, map->ranges.count);
	}
	free(text);
}

static bool unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void perf_map__refresh(struct perf_map *map)
{
	struct timespec now;
	struct stat info;
	char path[PATH_MAX];
	int64_t ns;
	int root, fd;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = now.tv_sec * 1000000000ll + now.tv_nsec;
	if (map->last_look != INT64_MIN && ns - map->last_look < PAUSE_NS)
		return;
	map->last_look = ns;
	if (snprintf(path, sizeof(path), "%s/perf-%d.map", map->directory, (int)map->inner_pid) >=
	    (int)sizeof(path))
		return;
	root = rooted__open_root(map->pid);
	if (root < 0)
		return;
	fd = rooted__open(root, path, 1, &info);
	close(root);
	if (fd < 0)
		return;
	/* Anyone may create files in /tmp: one user must not name another's functions. */
	if (info.st_uid != 0 && info.st_uid != map->users[0] && info.st_uid != map->users[1])
		log__say(map->log, 1, "%s: left alone, it belongs to another user", path);
	else if (!unchanged(&info, &map->seen))
		read_file(map, fd, &info);
	close(fd);
}

const char *perf_map__find(const struct perf_map *map, uint64_t address)
{
	const struct range *found[MAX_ALIASES];
	size_t count = ranges__find(&map->ranges, address, found, MAX_ALIASES);
	uint64_t newest = 0;

	if (count == 0)
		return NULL;
	/* Code is moved and freed without a word: what was written last holds. */
	for (size_t i = 0; i < count; i++) {
		if (found[i]->value > newest)
			newest = found[i]->value;
	}
	return map->text + newest;
}

uint64_t perf_map__generation(const struct perf_map *map)
{
	return map->generation;
}

void perf_map__free(struct perf_map *map)
{
	if (!map)
		return;
	ranges__free(&map->ranges);
	free(map->text);
	free(map->directory);
	free(map);
}

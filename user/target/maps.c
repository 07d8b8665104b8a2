// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "target/maps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/*
 * A target decides how many mappings it has and how long their names are; these bounds are far above what the
 * largest servers need (vm.max_map_count is 65530 unless raised) and keep a hostile one from filling our
 * memory.
 */
#define MAX_MAPPINGS   (1u << 20)
#define MAX_PATHS_SIZE (256u << 20)

struct parser {
	struct maps *maps;
	size_t paths_size;
};

/* Takes digits of @base off @text up to @end; false where there is none, or more than 64 bits hold. */
static bool take_number(const char **text, const char *end, unsigned base, uint64_t *number)
{
	const char *start = *text;
	unsigned digit;

	*number = 0;
	for (; *text < end; (*text)++) {
		char c = **text;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (base == 16 && c >= 'a' && c <= 'f')
			digit = (unsigned)(c - 'a') + 10;
		else
			break;
		if (__builtin_mul_overflow(*number, base, number) ||
		    __builtin_add_overflow(*number, digit, number))
			return false;
	}
	return *text > start;
}

static bool take_char(const char **text, const char *end, char wanted)
{
	if (*text >= end || **text != wanted)
		return false;
	(*text)++;
	return true;
}

/* "rwxp" or "---s" and the like. */
static bool take_flags(const char **text, const char *end, uint32_t *flags)
{
	const char *p = *text;

	if (end - p < 4 || (p[0] != 'r' && p[0] != '-') || (p[1] != 'w' && p[1] != '-') ||
	    (p[2] != 'x' && p[2] != '-') || (p[3] != 'p' && p[3] != 's'))
		return false;
	*flags = (p[0] == 'r' ? MAPPING_READ : 0) | (p[1] == 'w' ? MAPPING_WRITE : 0) |
		 (p[2] == 'x' ? MAPPING_EXEC : 0);
	*text += 4;
	return true;
}

/* All but the path, which is what is left from *@text on. */
static bool take_fields(const char **text, const char *end, struct mapping *mapping)
{
	uint64_t major, minor;

	if (!take_number(text, end, 16, &mapping->start) || !take_char(text, end, '-') ||
	    !take_number(text, end, 16, &mapping->end) || !take_char(text, end, ' ') ||
	    !take_flags(text, end, &mapping->flags) || !take_char(text, end, ' ') ||
	    !take_number(text, end, 16, &mapping->offset) || !take_char(text, end, ' ') ||
	    !take_number(text, end, 16, &major) || !take_char(text, end, ':') ||
	    !take_number(text, end, 16, &minor) || !take_char(text, end, ' ') ||
	    !take_number(text, end, 10, &mapping->inode))
		return false;
	if (*text < end && !take_char(text, end, ' '))
		return false;
	while (*text < end && **text == ' ')
		(*text)++;
	if (mapping->start >= mapping->end || major > UINT32_MAX || minor > UINT32_MAX)
		return false;
	mapping->device = makedev((unsigned)major, (unsigned)minor);
	return true;
}

/*
 * The kernel shows a newline in a name as \012 (fs/proc/task_mmu.c, seq_path) and a backslash as itself. The
 * name is kept so: it cannot be undone without guessing, and it stays one line. The same goes for a living
 * file whose name ends in " (deleted)": it counts as deleted.
 */
static int set_path(struct mapping *mapping, const char *path, size_t length)
{
	static const char mark[] = " (deleted)";
	const size_t mark_length = sizeof(mark) - 1;

	if (length > mark_length && path[0] == '/' &&
	    !memcmp(path + length - mark_length, mark, mark_length)) {
		mapping->deleted = true;
		length -= mark_length;
	}
	mapping->path = strndup(path, length);
	return mapping->path ? 0 : -ENOMEM;
}

/*
 * The file is read page by page while the target maps and unmaps. A mapping that was merged with its
 * neighbour between two reads is then shown again with the start that it shares with the one already seen:
 * what was seen stays, and only the new part is added.
 */
static bool cut_overlap(const struct maps *maps, struct mapping *mapping)
{
	uint64_t seen = maps->count ? maps->items[maps->count - 1].end : 0;

	if (mapping->end <= seen)
		return false;
	if (mapping->start < seen) {
		if (mapping->inode)
			mapping->offset += seen - mapping->start;
		mapping->start = seen;
	}
	return true;
}

static int parse_line(struct parser *parser, const char *line, size_t length, struct error *error)
{
	const char *text = line, *end = line + length;
	struct mapping mapping = {0};
	int err;

	if (memchr(line, '\0', length) || !take_fields(&text, end, &mapping))
		return error__set(error, EINVAL, "cannot make sense of the memory map's line '%.*s'",
				  (int)(length < 100 ? length : 100), line);
	if (!cut_overlap(parser->maps, &mapping))
		return 0;
	parser->paths_size += (size_t)(end - text) + 1;
	if (parser->maps->count >= MAX_MAPPINGS || parser->paths_size > MAX_PATHS_SIZE)
		return error__set(error, EFBIG, "the process has more mappings than memwatch can take (%u)",
				  MAX_MAPPINGS);
	err = set_path(&mapping, text, (size_t)(end - text));
	if (!err)
		err = vec_push(parser->maps, mapping);
	if (err) {
		free(mapping.path);
		return error__set(error, ENOMEM, "out of memory for the memory map");
	}
	return 0;
}

int maps__parse(const char *text, size_t length, struct maps *maps, struct error *error)
{
	struct parser parser = {.maps = maps};
	const char *end = text + length;
	int err = 0;

	maps__free(maps);
	while (!err && text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = newline ? newline : end;

		err = parse_line(&parser, text, (size_t)(line_end - text), error);
		text = newline ? newline + 1 : end;
	}
	if (err)
		maps__free(maps);
	return err;
}

static int say_unreadable(pid_t pid, int code, struct error *error)
{
	if (code == ENOENT || code == ESRCH)
		return error__set(error, ESRCH, "no process has pid %d (any more)", pid);
	if (code == EACCES || code == EPERM)
		return error__set(
			error, EACCES,
			"not allowed to read the memory map of pid %d: run as root, or with CAP_SYS_PTRACE",
			pid);
	return error__set(error, code, "cannot read the memory map of pid %d: %s", pid, strerror(code));
}

int maps__read(pid_t pid, struct maps *maps, struct error *error)
{
	struct parser parser = {.maps = maps};
	char name[64], *line = NULL;
	size_t capacity = 0;
	ssize_t length;
	FILE *file;
	int err = 0;

	maps__free(maps);
	snprintf(name, sizeof(name), "/proc/%d/maps", pid);
	file = fopen(name, "re");
	if (!file)
		return say_unreadable(pid, errno, error);
	errno = 0;
	while (!err && (length = getline(&line, &capacity, file)) > 0) {
		if (line[length - 1] == '\n')
			length--;
		err = parse_line(&parser, line, (size_t)length, error);
		errno = 0;
	}
	if (!err && !feof(file))
		err = say_unreadable(pid, errno ? errno : EIO, error);
	free(line);
	fclose(file);
	if (err)
		maps__free(maps);
	return err;
}

const struct mapping *maps__find(const struct maps *maps, uint64_t address)
{
	size_t low = 0, high = maps->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct mapping *mapping = &maps->items[middle];

		if (address < mapping->start)
			high = middle;
		else if (address >= mapping->end)
			low = middle + 1;
		else
			return mapping;
	}
	return NULL;
}

int maps__insert(struct maps *maps, const struct mapping *mapping)
{
	struct mapping copy = *mapping;
	size_t first = 0, end;

	if (vec_reserve(maps, maps->count + 1))
		return -ENOMEM;
	copy.path = strdup(mapping->path);
	if (!copy.path)
		return -ENOMEM;
	while (first < maps->count && maps->items[first].end <= copy.start)
		first++;
	for (end = first; end < maps->count && maps->items[end].start < copy.end; end++)
		free(maps->items[end].path);
	memmove(maps->items + first + 1, maps->items + end, (maps->count - end) * sizeof(copy));
	maps->items[first] = copy;
	maps->count = maps->count - (end - first) + 1;
	return 0;
}

bool maps__has_earlier_code(const struct maps *maps, const struct mapping *mapping)
{
	for (const struct mapping *other = maps->items; other < mapping; other++) {
		if (other->flags & MAPPING_EXEC && other->inode == mapping->inode &&
		    other->device == mapping->device)
			return true;
	}
	return false;
}

void maps__free(struct maps *maps)
{
	for (size_t i = 0; i < maps->count; i++)
		free(maps->items[i].path);
	vec_free(maps);
}

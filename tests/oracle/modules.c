// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which file holds an address, from /proc/self/maps: dl_iterate_phdr(3) would take the dynamic linker's lock
 * inside of malloc, and sees its list half made when the linker itself allocates.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "books.h"

static uint64_t look_up(const struct oracle_header *header, const struct oracle_module *modules,
			uint64_t address)
{
	/* From the newest: what was unmapped may have been followed by something else at its place. */
	for (uint32_t i = header->module_count; i-- > 1;)
		if (modules[i].start <= address && address < modules[i].end)
			return i;
	return 0;
}

/* A line of proc_pid_maps(5): start-end perms offset device inode path */
static void parse_line(struct oracle_header *header, struct oracle_module *modules, char *line)
{
	struct oracle_module module = {0};
	char *at = line, *perms;

	module.start = strtoull(at, &at, 16);
	module.end = strtoull(at + 1, &at, 16);
	perms = at + 1;
	if (strlen(perms) < 5 || perms[2] != 'x')
		return;
	module.offset = strtoull(perms + 5, &at, 16);
	at = strchr(at, '/') && (!strchr(at, '[') || strchr(at, '/') < strchr(at, '[')) ? strchr(at, '/')
											: strchr(at, '[');
	strncpy(module.path, at ? at : "", sizeof(module.path) - 1);
	for (uint32_t i = 1; i < header->module_count; i++)
		if (!memcmp(&modules[i], &module, sizeof(module)))
			return;
	if (header->module_count == ORACLE_MODULES) {
		header->modules_full++;
		return;
	}
	modules[header->module_count++] = module;
}

static void read_maps(struct oracle_header *header, struct oracle_module *modules)
{
	char buffer[4096 + 512];
	size_t have = 0;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return;
	while ((got = read(fd, buffer + have, sizeof(buffer) - 1 - have)) > 0) {
		char *line = buffer, *end;

		have += got;
		buffer[have] = '\0';
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			parse_line(header, modules, line);
		}
		have -= line - buffer;
		memmove(buffer, line, have);
	}
	close(fd);
}

uint64_t modules__find(struct oracle_header *header, struct oracle_module *modules, uint64_t address)
{
	int saved = errno;
	uint64_t module;

	oracle__lock(&header->module_lock);
	module = look_up(header, modules, address);
	if (!module) {
		read_maps(header, modules);
		module = look_up(header, modules, address);
	}
	oracle__unlock(&header->module_lock);
	errno = saved;
	return module;
}

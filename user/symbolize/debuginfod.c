// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The library is loaded when first needed rather than linked: it brings in a whole HTTP and TLS stack. Its
 * interface is declared here as debuginfod_find_debuginfo(3) of elfutils has it; the version is in the
 * soname.
 */
#include "symbolize/debuginfod.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

typedef void *begin_function(void);
typedef void end_function(void *client);
typedef int find_function(void *client, const unsigned char *build_id, int build_id_size, char **path);

int debuginfod__find(const uint8_t *build_id, size_t build_id_size, char **path)
{
	const char *urls = getenv("DEBUGINFOD_URLS");
	begin_function *begin;
	find_function *find;
	end_function *end;
	void *library, *client;
	int fd = -EOPNOTSUPP;

	if (!urls || !*urls || build_id_size > INT_MAX)
		return -EOPNOTSUPP;
	library = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return -EOPNOTSUPP;
	begin = (begin_function *)dlsym(library, "debuginfod_begin");
	find = (find_function *)dlsym(library, "debuginfod_find_debuginfo");
	end = (end_function *)dlsym(library, "debuginfod_end");
	client = begin && find && end ? begin() : NULL;
	if (client) {
		fd = find(client, build_id, (int)build_id_size, path);
		end(client);
		if (fd < 0)
			fd = -ENOENT;
	}
	/* Never closed again: libcurl, which it loads, leaves state behind that does not survive that. */
	return fd;
}

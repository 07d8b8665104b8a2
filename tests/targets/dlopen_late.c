// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Loads a library that uses malloc and one that brings a malloc of its own, while it is being watched. Points
 * of the handshake: "ready", "loaded", "done".
 *
 * usage: dlopen_late PLUGIN ARENA
 */
#include <dlfcn.h>
#include <err.h>
#include <stdlib.h>
#include "handshake.h"

typedef void *keep_function(size_t);
typedef void release_function(void *);

static void *load(const char *path, const char *symbol, void **library)
{
	void *found;

	*library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!*library)
		errx(1, "%s", dlerror());
	found = dlsym(*library, symbol);
	if (!found)
		errx(1, "%s", dlerror());
	return found;
}

int main(int argc, char **argv)
{
	keep_function *plugin_keep, *arena_keep;
	release_function *arena_release;
	void *plugin, *arena;

	if (argc != 3)
		errx(2, "usage: dlopen_late PLUGIN ARENA");
	reach("ready");
	plugin_keep = (keep_function *)load(argv[1], "plugin_keep", &plugin);
	arena_keep = (keep_function *)load(argv[2], "arena_keep", &arena);
	arena_release = (release_function *)dlsym(arena, "arena_release");
	reach("loaded");
	for (int i = 0; i < 10; i++) {
		opaque(plugin_keep(1000));
		opaque(arena_keep(300));
		arena_release(arena_keep(200));
	}
	reach("done");
	return 0;
}

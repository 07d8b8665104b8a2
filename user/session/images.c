// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "session/images.h"
#include "session/pythons.h"
#include "snapshot/engine_unwind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct probed_image *find_probed(struct session *session, const struct mapping *mapping, pid_t pid)
{
	vec_each (probed, &session->probed) {
		if (probed->inode == mapping->inode && probed->device == mapping->device &&
		    (!probed->pid || probed->pid == pid))
			return probed;
	}
	return NULL;
}

/* Names the sites that the kernel cannot emulate; reports say so once one of them has been hit. */
static int note_stepped(struct session *session, const struct image *image, const struct sites *sites)
{
	const char *slash = strrchr(image->path, '/');

	vec_each (site, sites) {
		char *name = NULL;

		if (site->cost != SITE_STEPPED)
			continue;
		if (asprintf(&name, "%s in %s", site->symbol, slash ? slash + 1 : image->path) < 0)
			return -ENOMEM;
		if (vec_push(&session->stepped, name)) {
			free(name);
			return -ENOMEM;
		}
	}
	return 0;
}

/*
 * Sets probes at @sites. A file that the kernel cannot probe is told of in every report, and the others go
 * on: a process that ends, or a want of memory or permission, is no matter of the file's.
 */
static int attach_image(struct session *session, const struct watched *watched, const struct image *image,
			const struct sites *sites, bool *attached, struct error *error)
{
	int err = engine__attach(session->engine, image, sites->items, sites->count, watched->process.pid,
				 error);

	*attached = !err;
	if (!err) {
		log__say(session->log, 1, "%zu probes in %s", sites->count, image->path);
		return note_stepped(session, image, sites);
	}
	if (err == -ESRCH || err == -ENOMEM || err == -EPERM || err == -EACCES || err == -EMFILE)
		return err;
	return session__note(session, "%s: what is allocated by it is not seen", error->text);
}

/* Looks for allocators in one file. One that is no readable ELF file has none. */
static int probe_image(struct session *session, struct watched *watched, const struct mapping *mapping,
		       struct error *error)
{
	struct probed_image probed = {mapping->device, mapping->inode, watched->process.pid, 0};
	struct sites sites = {0};
	struct image *image = NULL;
	struct error why = {""};
	bool attached = false;
	int err;

	err = image_cache__open(session->images, watched->process.pid, mapping, &image, &why);
	if (!err)
		err = sites__find(image, session->options.domains, &sites, &why);
	if (err)
		log__say(session->log, 1, "no allocator looked for in %s: %s", mapping->path, why.text);
	err = 0;
	if (sites.count)
		err = attach_image(session, watched, image, &sites, &attached, error);
	if (attached)
		probed.sites = sites.count;
	if (session->options.engine.follow)
		probed.pid = 0;
	if (!err && vec_push(&session->probed, probed))
		err = error__set(error, ENOMEM, "out of memory");
	watched->site_count += probed.sites;
	sites__free(&sites);
	image__put(image);
	return err;
}

/* Files are looked at once for each process: one mapping of several, the executable one. */
int images__update(struct session *session, struct watched *watched, struct error *error)
{
	struct maps maps = {0};
	struct probed_image *known;
	int err;

	err = maps__read(watched->process.pid, &maps, error);
	if (err || mapped__has_execed(session, watched)) /* they may be its next image's */
		goto out;
	/* Stacks can come by new code at once, so that is told first. */
	err = engine__set_mappings(session->engine, watched->process.pid, watched->account, &maps,
				   session->images, error);
	watched->image_count = 0;
	for (size_t i = 0; !err && i < maps.count; i++) {
		const struct mapping *mapping = &maps.items[i];

		if (!mapping->inode || !(mapping->flags & MAPPING_EXEC))
			continue;
		watched->image_count++;
		known = find_probed(session, mapping, watched->process.pid);
		if (!known)
			err = probe_image(session, watched, mapping, error);
		else if (!watched->site_count)
			watched->site_count += known->sites;
	}
	if (!err)
		err = symbol_space__update_from(watched->space, &maps, error);
	if (!err && maps.count) { /* a zombie's are empty */
		maps__free(&watched->seen);
		watched->seen = maps;
		maps = (struct maps){0};
		watched->maps_changed = false;
		err = pythons__update(session, watched, error);
	}
out:
	maps__free(&maps);
	return err;
}

void images__learn(struct session *session, struct watched *watched)
{
	struct error error = {""};

	if (!watched->maps_changed || !watched->seen.count)
		return;
	if (symbol_space__update_from(watched->space, &watched->seen, &error))
		log__say(session->log, 1, "%s", error.text);
}

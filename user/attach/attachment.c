// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attach/attachment.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "attach/uprobe_link.h"
#include "base/shield.h"
#include "base/vec.h"

struct attachment {
	VEC(int) fds;                 /* multi links */
	VEC(struct bpf_link *) links; /* perf events */
};

_Static_assert(SITE_NOP5 == (int)TALLY_ENTRY_NOP5 && SITE_EMULATED == (int)TALLY_ENTRY_EMULATED &&
		       SITE_STEPPED == (int)TALLY_ENTRY_STEPPED,
	       "entries are tallied by their site's cost");

static uint64_t cookie_of(const struct site *site, uint32_t number)
{
	return SITE_COOKIE(site->function->kind, site->sp_adjust, site->cost, number) |
	       (allocators__can_throw(site->function) ? COOKIE_THROWS : 0);
}

/* One multi link on the sites of @sites that @on_return wants. A program without such sites has no link. */
static int add_multi(struct attachment *attachment, int program_fd, int type, bool on_return,
		     const char *path, const struct site *sites, size_t count, pid_t pid)
{
	struct uprobe_multi options = {.program_fd = program_fd,
				       .attach_type = type,
				       .on_return = on_return,
				       .path = path,
				       .pid = pid};
	uint64_t *offsets = calloc(count, sizeof(*offsets)), *cookies = calloc(count, sizeof(*cookies));
	int err = 0, fd;

	if (!offsets || !cookies) {
		err = -ENOMEM;
		goto out;
	}
	for (size_t i = 0; i < count; i++) {
		if (on_return && !sites__wants_return(sites[i].function->kind))
			continue;
		offsets[options.count] = sites[i].file_offset;
		cookies[options.count++] = cookie_of(&sites[i], i + 1);
	}
	options.offsets = offsets;
	options.cookies = cookies;
	if (!options.count)
		goto out;
	fd = uprobe_link__multi(&options);
	if (fd < 0)
		err = fd;
	else if (vec_push(&attachment->fds, fd)) {
		close(fd);
		err = -ENOMEM;
	}
out:
	free(offsets);
	free(cookies);
	return err;
}

static int add_perf(struct attachment *attachment, struct bpf_program *program, bool on_return,
		    const char *path, const struct site *site, uint32_t number, pid_t pid)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .retprobe = on_return, .bpf_cookie = cookie_of(site, number));
	struct bpf_link *link =
		bpf_program__attach_uprobe_opts(program, pid ? pid : -1, path, site->file_offset, &options);

	if (!link)
		return -errno;
	if (vec_push(&attachment->links, link)) {
		bpf_link__destroy(link);
		return -ENOMEM;
	}
	return 0;
}

/*
 * Returns are probed before entries: between the two an entry without its return would leave a call under
 * way, while a return without its entry is ignored.
 */
static int add_all_perf(struct attachment *attachment, const struct attach_programs *programs,
			const char *path, const struct site *sites, size_t count, pid_t pid)
{
	int err = 0;

	for (size_t i = 0; !err && i < count; i++) {
		if (sites__wants_return(sites[i].function->kind))
			err = add_perf(attachment, programs->perf_return, true, path, &sites[i], i + 1, pid);
		if (!err)
			err = add_perf(attachment, programs->perf_entry, false, path, &sites[i], i + 1, pid);
	}
	return err;
}

/* What attachment__new was given, for its shielded part. */
struct request {
	struct attachment *attachment;
	enum attach_mode mode;
	const struct attach_programs *programs;
	const char *path;
	const struct site *sites;
	size_t count;
	pid_t pid;
};

static int add_multis(const struct request *request, const struct bpf_program *program, int type,
		      bool on_return)
{
	return add_multi(request->attachment, bpf_program__fd(program), type, on_return, request->path,
			 request->sites, request->count, request->pid);
}

static int add_sites(void *context)
{
	const struct request *request = context;
	const struct attach_programs *programs = request->programs;
	int err;

	switch (request->mode) {
	case ATTACH_SESSION:
		return add_multis(request, programs->session, UPROBE_ATTACH_SESSION, false);
	case ATTACH_MULTI:
		err = add_multis(request, programs->multi_return, UPROBE_ATTACH_MULTI, true);
		return err ? err : add_multis(request, programs->multi_entry, UPROBE_ATTACH_MULTI, false);
	case ATTACH_PERF:
		return add_all_perf(request->attachment, programs, request->path, request->sites,
				    request->count, request->pid);
	default:
		return -EINVAL;
	}
}

int attachment__new(enum attach_mode mode, const struct attach_programs *programs, const struct image *image,
		    const struct site *sites, size_t count, pid_t pid, struct attachment **made,
		    struct error *error)
{
	struct attachment *attachment = calloc(1, sizeof(*attachment));
	struct request request = {attachment, mode, programs, image->open_path, sites, count, pid};
	int err;

	if (!attachment)
		return error__set(error, ENOMEM, "out of memory");
	err = shield__run(add_sites, &request);
	if (err) {
		attachment__free(attachment);
		if (err == -ESRCH)
			return error__set(error, ESRCH, "process %d ended while it was being attached to",
					  pid);
		return error__set(error, -err, "cannot set %zu probes in %s: %s", count, image->path,
				  strerror(-err));
	}
	*made = attachment;
	return 0;
}

struct attachments {
	struct attachment *const *items;
	size_t count;
};

static int close_links(void *context)
{
	const struct attachments *attachments = context;

	for (size_t i = 0; i < attachments->count; i++) {
		vec_each (fd, &attachments->items[i]->fds)
			close(*fd);
		vec_each (link, &attachments->items[i]->links)
			bpf_link__destroy(*link);
	}
	return 0;
}

void attachment__free_all(struct attachment *const *items, size_t count)
{
	struct attachments attachments = {items, count};

	if (!count)
		return;
	shield__run(close_links, &attachments); /* what it does not come to, memwatch's end does */
	for (size_t i = 0; i < count; i++) {
		vec_free(&items[i]->fds);
		vec_free(&items[i]->links);
		free(items[i]);
	}
}

void attachment__free(struct attachment *attachment)
{
	if (attachment)
		attachment__free_all(&attachment, 1);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * usage: rivals floor|usual PID FILE
 *
 * Puts the probes of rivals.bpf.c on malloc and free of FILE, the library that process PID has mapped; prints
 * a line about where, and takes them out at the end of its input.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "attach/sites.h"
#include "attach/uprobe_link.h"
#include "rivals.skel.h"
#include "target/image.h"

struct pair_sites {
	const struct site *malloc_site, *free_site;
};

static struct pair_sites find_pair(const struct sites *sites, const char *path)
{
	struct pair_sites pair = {0};

	vec_each (site, sites) {
		if (site->function->kind == CALL_MALLOC && !strcmp(site->symbol, "malloc"))
			pair.malloc_site = site;
		if (site->function->kind == CALL_FREE && !strcmp(site->symbol, "free"))
			pair.free_site = site;
	}
	if (!pair.malloc_site || !pair.free_site)
		errx(1, "no malloc and free in %s", path);
	return pair;
}

static void use(struct bpf_program *program, int attach_type)
{
	int err = bpf_program__set_autoload(program, true);

	if (!err && attach_type)
		err = bpf_program__set_expected_attach_type(program, attach_type);
	if (err)
		errx(1, "libbpf: %s", strerror(-err));
}

static void load(struct rivals_bpf *skel)
{
	int err = rivals_bpf__load(skel);

	if (err)
		errx(1, "the kernel refused the programs: %s", strerror(-err));
}

static void session_link(struct bpf_program *program, const struct image *image, const struct site *site,
			 pid_t pid)
{
	struct uprobe_multi options = {.program_fd = bpf_program__fd(program),
				       .attach_type = UPROBE_ATTACH_SESSION,
				       .path = image->open_path,
				       .offsets = &site->file_offset,
				       .count = 1,
				       .pid = pid};
	int fd = uprobe_link__multi(&options);

	if (fd < 0)
		errx(1, "cannot probe %s: %s", site->symbol, strerror(-fd));
}

static void attach_floor(struct rivals_bpf *skel, const struct image *image, struct pair_sites pair,
			 pid_t pid)
{
	use(skel->progs.floor_with_return, UPROBE_ATTACH_SESSION);
	use(skel->progs.floor_entry_only, UPROBE_ATTACH_SESSION);
	load(skel);
	session_link(skel->progs.floor_with_return, image, pair.malloc_site, pid);
	session_link(skel->progs.floor_entry_only, image, pair.free_site, pid);
	printf("floor: malloc+%u %s, free+%u %s\n", pair.malloc_site->offset,
	       site_cost__name(pair.malloc_site->cost), pair.free_site->offset,
	       site_cost__name(pair.free_site->cost));
}

static void perf_probe(struct bpf_program *program, const struct image *image, const struct site *site,
		       bool on_return, pid_t pid)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .retprobe = on_return);

	if (!bpf_program__attach_uprobe_opts(program, pid, image->open_path, site->file_offset - site->offset,
					     &options))
		errx(1, "cannot probe %s: %s", site->symbol, strerror(errno));
}

/* What the function's first instruction costs, which the usual way probes whatever it is. */
static const char *cost_of_first(const struct image *image, const struct site *site)
{
	uint8_t code[16];
	ssize_t size = image__read(image, site->vaddr, code, sizeof(code));

	if (size < 0)
		errx(1, "cannot read %s of %s", site->symbol, image->path);
	return site_cost__name(sites__classify(code, size, site->vaddr, NULL));
}

static void attach_usual(struct rivals_bpf *skel, const struct image *image, struct pair_sites pair,
			 pid_t pid)
{
	use(skel->progs.usual_malloc_entry, 0);
	use(skel->progs.usual_malloc_return, 0);
	use(skel->progs.usual_free_entry, 0);
	load(skel);
	perf_probe(skel->progs.usual_malloc_return, image, pair.malloc_site, true, pid);
	perf_probe(skel->progs.usual_malloc_entry, image, pair.malloc_site, false, pid);
	perf_probe(skel->progs.usual_free_entry, image, pair.free_site, false, pid);
	printf("usual: malloc+0 %s, free+0 %s\n", cost_of_first(image, pair.malloc_site),
	       cost_of_first(image, pair.free_site));
}

/* Links are not kept: the end of the process takes the probes out. */
int main(int argc, char **argv)
{
	struct error error = {""};
	struct sites sites = {0};
	struct image *image = NULL;
	struct rivals_bpf *skel;
	struct pair_sites pair;
	char byte;
	int pid;

	if (argc != 4 || (strcmp(argv[1], "floor") && strcmp(argv[1], "usual")) || (pid = atoi(argv[2])) <= 0)
		errx(2, "usage: rivals floor|usual PID FILE");
	if (image__open(argv[3], &image, &error) || sites__find(image, 1u << DOMAIN_HEAP, &sites, &error))
		errx(1, "%s", error.text);
	pair = find_pair(&sites, argv[3]);
	skel = rivals_bpf__open();
	if (!skel)
		errx(1, "libbpf: %s", strerror(errno));
	if (!strcmp(argv[1], "floor"))
		attach_floor(skel, image, pair, pid);
	else
		attach_usual(skel, image, pair, pid);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * usage: rivals floor|usual|pointers|kernel PID FILE
 *
 * Puts the probes of rivals.bpf.c on malloc and free of FILE, the library that process PID has mapped; prints
 * a line about where, and takes them out at the end of its input. Each line of input is answered with "WALKS
 * FRAMES": how many stacks have been walked since the line before, and their frames.
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

/* The floor's malloc, and free with a program that may do more. */
static void attach_floor(struct rivals_bpf *skel, struct bpf_program *on_free, const char *how,
			 const struct image *image, struct pair_sites pair, pid_t pid)
{
	use(skel->progs.floor_with_return, UPROBE_ATTACH_SESSION);
	use(on_free, UPROBE_ATTACH_SESSION);
	load(skel);
	session_link(skel->progs.floor_with_return, image, pair.malloc_site, pid);
	session_link(on_free, image, pair.free_site, pid);
	printf("%s: malloc+%u %s, free+%u %s\n", how, pair.malloc_site->offset,
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

static int attach(struct rivals_bpf *skel, const char *how, const struct image *image, struct pair_sites pair,
		  pid_t pid)
{
	if (!strcmp(how, "floor"))
		attach_floor(skel, skel->progs.floor_entry_only, how, image, pair, pid);
	else if (!strcmp(how, "pointers"))
		attach_floor(skel, skel->progs.walk_pointers, how, image, pair, pid);
	else if (!strcmp(how, "kernel"))
		attach_floor(skel, skel->progs.walk_kernel, how, image, pair, pid);
	else if (!strcmp(how, "usual"))
		attach_usual(skel, image, pair, pid);
	else
		return -EINVAL;
	fflush(stdout);
	return 0;
}

static void answer(struct rivals_bpf *skel)
{
	char line[16];

	while (fgets(line, sizeof(line), stdin)) {
		printf("%llu %llu\n", (unsigned long long)skel->bss->walks,
		       (unsigned long long)skel->bss->frames);
		fflush(stdout);
		skel->bss->walks = skel->bss->frames = 0;
	}
}

/* Links are not kept: the end of the process takes the probes out. */
int main(int argc, char **argv)
{
	struct error error = {""};
	struct sites sites = {0};
	struct image *image = NULL;
	struct rivals_bpf *skel;
	int pid;

	if (argc != 4 || (pid = atoi(argv[2])) <= 0)
		errx(2, "usage: rivals floor|usual|pointers|kernel PID FILE");
	if (image__open(argv[3], &image, &error) || sites__find(image, 1u << DOMAIN_HEAP, &sites, &error))
		errx(1, "%s", error.text);
	skel = rivals_bpf__open();
	if (!skel)
		errx(1, "libbpf: %s", strerror(errno));
	if (attach(skel, argv[1], image, find_pair(&sites, argv[3]), pid))
		errx(2, "no way called %s", argv[1]);
	answer(skel);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "snapshot/engine.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "attach/uprobe_link.h"
#include "base/vec.h"
#include "memwatch.skel.h"
#include "snapshot/engine_private.h"

#define DEFAULT_STACKS 262144u
#define RECENT_BITS    16u
#define DEFAULT_RING   (1u << 20)
#define INITIAL_PID_NS 0xEFFFFFFCu /* PROC_PID_INIT_INO, include/linux/proc_ns.h */

static uint32_t own_pid_namespace(void)
{
	struct stat status;

	if (stat("/proc/self/ns/pid", &status) || status.st_ino == INITIAL_PID_NS)
		return 0;
	return status.st_ino;
}

/* Power of two ≥ the page size, as ring buffers must have. */
static uint32_t ring_bytes(uint64_t wanted)
{
	uint32_t bytes = 4096;

	while (bytes < wanted && bytes < (1u << 30))
		bytes *= 2;
	return bytes;
}

/*
 * A fixed part of the room for live blocks is the table of recent ones. Where only little room is asked for,
 * that is all the hash table's.
 */
static int configure_recent(struct engine *engine, uint64_t max_live)
{
	struct memwatch_bpf *skel = engine->skel;

	if (max_live < (8u << RECENT_BITS))
		return 0;
	skel->rodata->recent_bits = RECENT_BITS;
	engine->recent_count = 1u << RECENT_BITS;
	engine->levels.max_live -= engine->recent_count;
	return bpf_map__set_max_entries(skel->maps.recent, engine->recent_count);
}

static int configure(struct engine *engine, const struct engine_options *options)
{
	struct memwatch_bpf *skel = engine->skel;
	uint64_t live = options->max_live ? options->max_live : engine__default_max_live();
	uint64_t stacks = options->max_stacks ? options->max_stacks : DEFAULT_STACKS;
	int err;

	if (live > UINT32_MAX || stacks + 1 > UINT32_MAX / sizeof(struct total))
		return -E2BIG;
	engine->max_totals = stacks + 1; /* index 0 stays empty */
	skel->rodata->max_totals = engine->max_totals;
	skel->rodata->pid_namespace_inum = own_pid_namespace();
	skel->rodata->follow_forks = options->follow;
	skel->rodata->keep_birth = options->keep_birth;
	/* Only a session's entry can leave a return alone. */
	if (options->mode == ATTACH_SESSION)
		skel->rodata->throwing_limit = (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	engine->levels.max_live = live;
	err = configure_recent(engine, live);
	if (err)
		return err;
	for (int i = 0; !err && i < STACK_CLASSES; i++)
		err = bpf_map__set_max_entries(engine__stacks(engine, i), stacks);
	err = err ? err : bpf_map__set_max_entries(skel->maps.totals, engine->max_totals);
	err = err ? err : bpf_map__set_max_entries(skel->maps.free_totals, engine->max_totals);
	err = err ? err
		  : bpf_map__set_max_entries(
			    skel->maps.events,
			    ring_bytes(options->ring_size ? options->ring_size : DEFAULT_RING));
	return err;
}

/* Only the programs of the chosen mode are loaded: older kernels refuse the others. */
static int choose_programs(struct engine *engine, enum attach_mode mode)
{
	struct memwatch_bpf *skel = engine->skel;
	struct attach_programs *programs = &engine->programs;
	int err = 0;

	switch (mode) {
	case ATTACH_SESSION:
		programs->session = skel->progs.call_session;
		bpf_program__set_autoload(programs->session, true);
		return bpf_program__set_expected_attach_type(programs->session, UPROBE_ATTACH_SESSION);
	case ATTACH_MULTI:
		programs->multi_entry = skel->progs.call_multi_entry;
		programs->multi_return = skel->progs.call_multi_return;
		bpf_program__set_autoload(programs->multi_entry, true);
		bpf_program__set_autoload(programs->multi_return, true);
		err = bpf_program__set_expected_attach_type(programs->multi_entry, UPROBE_ATTACH_MULTI);
		return err ? err
			   : bpf_program__set_expected_attach_type(programs->multi_return,
								   UPROBE_ATTACH_MULTI);
	case ATTACH_PERF:
		programs->perf_entry = skel->progs.call_perf_entry;
		programs->perf_return = skel->progs.call_perf_return;
		bpf_program__set_autoload(programs->perf_entry, true);
		bpf_program__set_autoload(programs->perf_return, true);
		return 0;
	default:
		return -EINVAL;
	}
}

/* The kernel side copies entry 0 of threads into each new one: a state is too big for the BPF stack. */
static int make_thread_image(struct engine *engine)
{
	size_t size = bpf_map__value_size(engine->skel->maps.threads);
	void *zeros = calloc(1, size);
	uint32_t key = 0;
	int err;

	if (!zeros)
		return -ENOMEM;
	err = bpf_map__update_elem(engine->skel->maps.threads, &key, sizeof(key), zeros, size, BPF_ANY);
	free(zeros);
	return err;
}

static const void *map_array(const struct bpf_map *map, size_t bytes)
{
	void *mapped = mmap(NULL, bytes, PROT_READ, MAP_SHARED, bpf_map__fd(map), 0);

	return mapped == MAP_FAILED ? NULL : mapped;
}

static int map_arrays(struct engine *engine)
{
	engine->totals_bytes = (size_t)engine->max_totals * sizeof(struct total);
	engine->totals = map_array(engine->skel->maps.totals, engine->totals_bytes);
	if (!engine->totals)
		return -errno;
	if (!engine->recent_count)
		return 0;
	engine->recent = map_array(engine->skel->maps.recent, engine->recent_count * sizeof(*engine->recent));
	return engine->recent ? 0 : -errno;
}

static int load_error(int err, struct error *error)
{
	if (err == -EPERM) /* EACCES is the verifier's */
		return error__set(error, EPERM,
				  "not permitted to load BPF programs: run as root, or with CAP_BPF, "
				  "CAP_PERFMON and CAP_SYS_ADMIN");
	if (err == -ENOMEM || err == -E2BIG)
		return error__set(error, -err,
				  "the kernel has no room for the tables: lower --max-live or --max-stacks");
	return error__set(error, -err, "the kernel refused memwatch's BPF programs: %s (-vv shows why)",
			  strerror(-err));
}

/* Without another level what does not fit is lost, and counted. */
static void grow(struct engine *engine)
{
	int err = levels__grow(engine);

	if (err)
		log__say(engine->log, 1, "the table of live blocks cannot grow: %s", strerror(-err));
	else
		log__say(engine->log, 1, "the table of live blocks grew to %llu; kernel memory %llu KiB",
			 (unsigned long long)engine->levels.room,
			 (unsigned long long)(engine__kernel_memory(engine) >> 10));
}

static int record_event(void *context, void *data, size_t size)
{
	const struct event *event = data;
	struct engine *engine = context;

	if (size < sizeof(*event))
		return 0;
	if (event->type == EVENT_GROW)
		grow(engine);
	else if (engine->event_fn)
		engine->event_fn(event, engine->event_context);
	return 0;
}

static int start(struct engine *engine)
{
	int err;

	err = memwatch_bpf__load(engine->skel);
	err = err ? err : make_thread_image(engine);
	err = err ? err : levels__grow(engine);
	err = err ? err : map_arrays(engine);
	err = err ? err : engine__init_unwind(engine);
	if (err)
		return err;
	engine->ring = ring_buffer__new(bpf_map__fd(engine->skel->maps.events), record_event, engine, NULL);
	if (!engine->ring)
		return -errno;
	return memwatch_bpf__attach(engine->skel);
}

/* libbpf's own words are for -vv; what a user must know is said by our errors. */
static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	return vfprintf(stderr, format, args);
}

static struct memwatch_bpf *open_skeleton(const struct log *log)
{
	LIBBPF_OPTS(bpf_object_open_opts, options);
	bool chatty = log && log->level >= 2;

	libbpf_set_print(chatty ? print_libbpf : NULL);
	options.kernel_log_level = chatty ? 5 : 0; /* the verifier's statistics */
	return memwatch_bpf__open_opts(&options);
}

int engine__new(const struct engine_options *options, const struct log *log, struct engine **made,
		struct error *error)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	int err;

	if (!engine)
		return error__set(error, ENOMEM, "out of memory");
	engine->options = *options;
	engine->log = log;
	engine->skel = open_skeleton(log);
	if (!engine->skel) {
		err = load_error(-errno, error);
		goto fail;
	}
	err = configure(engine, options);
	err = err ? err : choose_programs(engine, options->mode);
	err = err ? err : start(engine);
	if (err) {
		err = load_error(err, error);
		goto fail;
	}
	log__say(log, 1,
		 "attach mode %s; room for %llu live blocks (%llu at first), %u stacks; kernel memory %llu "
		 "KiB",
		 attach_mode__name(options->mode), (unsigned long long)engine->levels.max_live,
		 (unsigned long long)engine->levels.room, engine->max_totals - 1,
		 (unsigned long long)(engine__kernel_memory(engine) >> 10));
	*made = engine;
	return 0;
fail:
	engine__free(engine);
	return err;
}

void engine__free(struct engine *engine)
{
	if (!engine)
		return;
	attachment__free_all(engine->attachments.items, engine->attachments.count);
	vec_free(&engine->attachments);
	levels__close(engine);
	engine__free_unwind(engine);
	if (engine->totals)
		munmap((void *)engine->totals, engine->totals_bytes);
	if (engine->recent)
		munmap((void *)engine->recent, engine->recent_count * sizeof(*engine->recent));
	ring_buffer__free(engine->ring);
	memwatch_bpf__destroy(engine->skel);
	free(engine);
}

int engine__watch(struct engine *engine, pid_t pid, uint32_t *account, struct error *error)
{
	struct process_entry entry = {0};
	uint32_t key = pid;
	int err;

	entry.account = entry.space =
		__atomic_fetch_add(&engine->skel->data->next_account, 1, __ATOMIC_SEQ_CST);
	err = bpf_map__update_elem(engine->skel->maps.processes, &key, sizeof(key), &entry, sizeof(entry),
				   BPF_ANY);
	if (err)
		return error__set(error, -err, "cannot watch one more process: %s", strerror(-err));
	*account = entry.account;
	return 0;
}

int engine__attach(struct engine *engine, const struct image *image, const struct site *sites, size_t count,
		   pid_t pid, struct error *error)
{
	struct attachment *attachment;
	int err;

	/* Children must be seen from their first event; the kernel side picks out whom it watches. */
	if (engine->options.follow || (engine->options.mode == ATTACH_MULTI && !engine->options.multi_pid))
		pid = 0;
	err = attachment__new(engine->options.mode, &engine->programs, image, sites, count, pid, &attachment,
			      error);
	if (err)
		return err;
	if (vec_push(&engine->attachments, attachment)) {
		attachment__free(attachment);
		return error__set(error, ENOMEM, "out of memory");
	}
	return 0;
}

void engine__set_phase(struct engine *engine, enum phase phase)
{
	__atomic_store_n(&engine->skel->bss->phase, phase, __ATOMIC_SEQ_CST);
}

int engine__poll(struct engine *engine, int timeout_ms, engine_event_fn *fn, void *context)
{
	int count;

	engine->event_fn = fn;
	engine->event_context = context;
	count = timeout_ms ? ring_buffer__poll(engine->ring, timeout_ms) : ring_buffer__consume(engine->ring);
	engine->event_fn = NULL;
	return count;
}

int engine__event_fd(const struct engine *engine)
{
	return ring_buffer__epoll_fd(engine->ring);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "snapshot/engine_unwind.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/clock.h"
#include "memwatch.skel.h"
#include "snapshot/engine_private.h"
#include "target/vdso.h"
#include "unwind/unwind_pages.h"

#define USER_LIMIT      (1ull << 47) /* [vsyscall] is above, and on nobody's stack */
#define UNUSED_NS       30000000000ull
#define DROPPED_AT_ONCE 256

static struct unwind_account *find_account(struct engine *engine, uint32_t account)
{
	vec_each (known, &engine->unwind_accounts) {
		if (known->account == account)
			return known;
	}
	return NULL;
}

static void put_files(struct engine *engine, struct unwind_account *account)
{
	vec_each (file, &account->files)
		unwind_files__put(&engine->unwind_files, *file);
	vec_free(&account->files);
	vec_free(&account->mappings);
}

int engine__init_unwind(struct engine *engine)
{
	engine->unwind_files.pool = &engine->unwind_pool;
	return unwind_pool__init(&engine->unwind_pool, bpf_map__fd(engine->skel->maps.unwind_chunks));
}

void engine__free_unwind(struct engine *engine)
{
	vec_each (account, &engine->unwind_accounts)
		put_files(engine, account);
	vec_free(&engine->unwind_accounts);
	unwind_files__free(&engine->unwind_files);
	unwind_pool__free(&engine->unwind_pool);
	image__put(engine->vdso);
	engine->vdso = NULL;
}

/* NULL: it is of no file, or of one that cannot be read. */
static struct image *open_image(struct engine *engine, pid_t pid, const struct mapping *mapping,
				struct image_cache *images)
{
	struct image *image = NULL;

	if (mapping->inode)
		return image_cache__open(images, pid, mapping, &image, NULL) ? NULL : image;
	if (!vdso__is(mapping) || (!engine->vdso && vdso__open_own(&engine->vdso, NULL)))
		return NULL;
	return image__get(engine->vdso);
}

/* Code without a table (a JIT's) is one with what follows it; and so are the pieces of one mapping. */
static bool join(struct unwind_account *account, const struct unwind_mapping *next)
{
	struct unwind_mapping *last;

	if (!account->mappings.count)
		return false;
	last = &account->mappings.items[account->mappings.count - 1];
	if (last->end != next->start || last->image != next->image ||
	    (next->image && last->pc + (next->start - last->start) != next->pc))
		return false;
	last->end = next->end;
	return true;
}

static int add_mapping(struct engine *engine, pid_t pid, const struct mapping *mapping,
		       struct image_cache *images, struct unwind_account *account)
{
	struct unwind_mapping placed = {.start = mapping->start, .end = mapping->end};
	struct image *image = open_image(engine, pid, mapping, images);
	struct unwind_file *file;
	struct error why = {""};
	uint32_t pc;
	int err = 0;

	if (image) {
		err = unwind_files__get(&engine->unwind_files, image, &file, &why);
		if (*why.text)
			log__say(engine->log, 1, "no unwind table for %s: %s", mapping->path, why.text);
		if (!err) {
			err = vec_push(&account->files, file);
			if (err)
				unwind_files__put(&engine->unwind_files, file);
		}
		if (!err && unwind_file__first(file) &&
		    unwind_pages__find_pc(image, mapping, unwind_file__base(file), &pc)) {
			placed.image = unwind_file__first(file);
			placed.pc = pc;
		}
		image__put(image);
	}
	return err || join(account, &placed) ? err : vec_push(&account->mappings, placed);
}

/*
 * Where there are more than the kernel side has room for, those that say least are left out: without a
 * mapping code is unwound by frame pointers, as it is by one that has no table.
 */
static void leave_out(struct engine *engine, pid_t pid, struct unwind_account *account)
{
	size_t excess, kept = 0;

	if (account->mappings.count <= UNWIND_MAPPINGS_MAX)
		return;
	excess = account->mappings.count - UNWIND_MAPPINGS_MAX;
	engine->unwind_left_out += excess;
	log__say(engine->log, 1,
		 "process %d has %zu mappings of code, %zu more than there is room for: "
		 "stacks that come by those may end early",
		 pid, account->mappings.count, excess);
	vec_each (mapping, &account->mappings) {
		if (excess && !mapping->image)
			excess--;
		else
			account->mappings.items[kept++] = *mapping;
	}
	account->mappings.count = kept < UNWIND_MAPPINGS_MAX ? kept : UNWIND_MAPPINGS_MAX;
}

static int collect(struct engine *engine, pid_t pid, const struct maps *maps, struct image_cache *images,
		   struct unwind_account *account)
{
	int err = 0;

	for (size_t i = 0; !err && i < maps->count; i++) {
		const struct mapping *mapping = &maps->items[i];

		if (mapping->flags & MAPPING_EXEC && mapping->start < USER_LIMIT)
			err = add_mapping(engine, pid, mapping, images, account);
	}
	if (!err)
		leave_out(engine, pid, account);
	return err;
}

static bool is_published(const struct unwind_account *known, const struct unwind_account *account)
{
	return known->generation && known->mappings.count == account->mappings.count &&
	       (!known->mappings.count || !memcmp(known->mappings.items, account->mappings.items,
						  known->mappings.count * sizeof(*known->mappings.items)));
}

static bool generation_in_use(const struct engine *engine, uint32_t generation)
{
	vec_each (known, &engine->unwind_accounts) {
		if (known->generation == generation)
			return true;
	}
	return false;
}

/* Forgets what the kernel side has found, so that numbers of mappings that are gone can be used again. */
static int clear_rules(struct engine *engine)
{
	const struct bpf_map *map = engine->skel->maps.rules;
	size_t bytes = (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map);
	void *rules = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (rules == MAP_FAILED)
		return -errno;
	memset(rules, 0, bytes);
	munmap(rules, bytes);
	return 0;
}

/* A number that no other mappings have, nor had since the rules were cleared. */
static int next_generation(struct engine *engine, uint32_t *generation)
{
	int err;

	if (engine->unwind_accounts.count >= UNWIND_GENERATIONS - 1)
		return -ENOSPC;
	do {
		if (++engine->unwind_generation == UNWIND_GENERATIONS) {
			engine->unwind_generation = 1;
			err = clear_rules(engine);
			if (err)
				return err;
		}
	} while (generation_in_use(engine, engine->unwind_generation));
	*generation = engine->unwind_generation;
	return 0;
}

static int publish_space(struct engine *engine, const struct unwind_account *account)
{
	struct unwind_space *space = calloc(1, sizeof(*space));
	int err;

	if (!space)
		return -ENOMEM;
	space->count = (uint32_t)account->mappings.count;
	space->generation = account->generation;
	space->python = account->python;
	if (account->mappings.count)
		memcpy(space->mappings, account->mappings.items,
		       account->mappings.count * sizeof(*space->mappings));
	err = bpf_map__update_elem(engine->skel->maps.spaces, &account->account, sizeof(account->account),
				   space, sizeof(*space), BPF_ANY);
	free(space);
	return err;
}

/* A forked child's process entry names its parent's mappings until now. */
static int adopt_space(struct engine *engine, pid_t pid, uint32_t account)
{
	struct process_entry entry;
	uint32_t number = (uint32_t)pid;

	/* The process may be gone, or have another account by now. */
	if (bpf_map__lookup_elem(engine->skel->maps.processes, &number, sizeof(number), &entry, sizeof(entry),
				 0) ||
	    entry.account != account || entry.space == account)
		return 0;
	entry.space = account;
	return bpf_map__update_elem(engine->skel->maps.processes, &number, sizeof(number), &entry,
				    sizeof(entry), BPF_EXIST);
}

/*
 * Takes @fresh for what @known was, which is published before anything that only that named is let go.
 * Mappings that are as they were stay as they are, and what the kernel side has found by them is still true.
 */
static int replace(struct engine *engine, struct unwind_account *known, struct unwind_account *fresh)
{
	struct unwind_account old = *known;
	int err;

	if (is_published(known, fresh)) {
		known->unanswered = true;
		put_files(engine, fresh);
		return 0;
	}
	fresh->account = old.account;
	fresh->closed = old.closed;
	fresh->python = old.python;
	err = next_generation(engine, &fresh->generation);
	err = err ? err : publish_space(engine, fresh);
	if (err) {
		put_files(engine, fresh);
		return err;
	}
	*known = *fresh;
	put_files(engine, &old);
	return 0;
}

int engine__set_mappings(struct engine *engine, pid_t pid, uint32_t account, const struct maps *maps,
			 struct image_cache *images, struct error *error)
{
	struct unwind_account *known = find_account(engine, account), fresh = {0};
	int err = 0;

	if (!known) {
		err = vec_push(&engine->unwind_accounts, ((struct unwind_account){.account = account}));
		known = err ? NULL : &engine->unwind_accounts.items[engine->unwind_accounts.count - 1];
	}
	err = err ? err : collect(engine, pid, maps, images, &fresh);
	if (err)
		put_files(engine, &fresh);
	else
		err = replace(engine, known, &fresh);
	err = err ? err : adopt_space(engine, pid, account);
	err = err ? err : unwind_pool__stock_up(&engine->unwind_pool);
	return err ? error__set(error, -err, "cannot tell the kernel what process %d has mapped: %s", pid,
				strerror(-err))
		   : 0;
}

int engine__publish_python(struct engine *engine, uint32_t account, uint32_t slot)
{
	struct unwind_account *known = find_account(engine, account);
	int err;

	if (!known || !known->generation)
		return -ENOENT;
	/* What has been found so far says nothing of Python. */
	err = next_generation(engine, &known->generation);
	if (err)
		return err;
	known->python = slot;
	return publish_space(engine, known);
}

void engine__forget_mappings(struct engine *engine, uint32_t account)
{
	struct unwind_account *known = find_account(engine, account);

	if (known)
		known->closed = true;
}

/* Marks the accounts whose mappings are those of processes with other accounts. */
static int mark_borrowed(struct engine *engine)
{
	uint32_t room = bpf_map__max_entries(engine->skel->maps.processes), count = room, cursor;
	struct process_entry *entries = calloc(room, sizeof(*entries));
	uint32_t *pids = calloc(room, sizeof(*pids));
	int err = -ENOMEM;

	if (entries && pids)
		/* One call sees them all, and ends with ENOENT. */
		err = bpf_map_lookup_batch(bpf_map__fd(engine->skel->maps.processes), NULL, &cursor, pids,
					   entries, &count, NULL);
	if (err == -ENOENT)
		err = 0;
	vec_each (known, &engine->unwind_accounts)
		known->borrowed = false;
	for (uint32_t i = 0; !err && i < count; i++) {
		struct unwind_account *lender = entries[i].space != entries[i].account
							? find_account(engine, entries[i].space)
							: NULL;

		if (lender)
			lender->borrowed = true;
	}
	free(entries);
	free(pids);
	return err;
}

static void drop_closed(struct engine *engine)
{
	size_t kept = 0, closed = 0;

	vec_each (known, &engine->unwind_accounts)
		closed += known->closed;
	if (!closed || mark_borrowed(engine))
		return;
	vec_each (known, &engine->unwind_accounts) {
		uint32_t account = known->account;
		int err = 0;

		if (known->closed && !known->borrowed)
			err = bpf_map__delete_elem(engine->skel->maps.spaces, &account, sizeof(account), 0);
		if (known->closed && !known->borrowed && (!err || err == -ENOENT))
			put_files(engine, known);
		else
			engine->unwind_accounts.items[kept++] = *known;
	}
	engine->unwind_accounts.count = kept;
}

void engine__drop_unused_tables(struct engine *engine)
{
	uint64_t now = clock__monotonic();

	drop_closed(engine);
	unwind_files__drop_unused(&engine->unwind_files, now > UNUSED_NS ? now - UNUSED_NS : 0,
				  DROPPED_AT_ONCE);
	/* The kernel side has asked about these and got nothing new: from now on it may ask again. */
	vec_each (known, &engine->unwind_accounts) {
		if (known->unanswered && !known->closed && !publish_space(engine, known))
			known->unanswered = false;
	}
}

struct engine_unwind_stats engine__unwind_stats(const struct engine *engine)
{
	return (struct engine_unwind_stats){
		.images = unwind_files__count_tables(&engine->unwind_files),
		.spaces = engine->unwind_accounts.count,
		.rows = engine->unwind_files.rows,
		.bytes = unwind_pool__bytes(&engine->unwind_pool),
		.compile_ns = engine->unwind_files.compile_ns,
		.left_out = engine->unwind_left_out,
	};
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fake.h"

#define PLENTY 65536u

struct fake fake;

_Bool bpf_session_is_return___none(void);

/* --- maps: kernel/bpf/hashtab.c, arraymap.c --- */

static struct fake_map *resolve(void *map)
{
	if (map == &stacks_22)
		return &fake.stacks[STACK_CLASS_22];
	if (map == &stacks_54)
		return &fake.stacks[STACK_CLASS_54];
	if (map == &stacks_118)
		return &fake.stacks[STACK_CLASS_118];
	if (map == &stacks_127)
		return &fake.stacks[STACK_CLASS_127];
	if (map == &totals)
		return &fake.totals;
	if (map == &threads)
		return &fake.threads;
	if (map == &processes)
		return &fake.processes;
	if (map == &losses)
		return &fake.losses;
	if (map == &tallies)
		return &fake.tallies;
	if (map == &recent)
		return &fake.recent;
	if (map == &spaces)
		return &fake.spaces;
	if (map == &rules)
		return &fake.rules;
	if (map == &pythons)
		return &fake.pythons;
	if (map == &codes)
		return &fake.codes;
	return map; /* a level, or a chunk */
}

static struct fake_entry *find(struct fake_map *map, const void *key)
{
	struct fake_entry *entry;

	HASH_FIND(hh, map->entries, key, map->key_size, entry);
	return entry;
}

static void drop(struct fake_map *map, struct fake_entry *entry)
{
	HASH_DEL(map->entries, entry);
	free(entry->value);
	free(entry);
}

void *bpf_map_lookup_elem(void *which, const void *key)
{
	struct fake_map *map = resolve(which);
	struct fake_entry *entry;
	__u32 index;

	if (which == &live) {
		memcpy(&index, key, sizeof(index));
		return index < fake.level_count ? &fake.levels[index] : NULL;
	}
	if (which == &unwind_chunks) {
		memcpy(&index, key, sizeof(index));
		return index < FAKE_CHUNKS ? &fake.chunks[index] : NULL;
	}
	if (map->is_hash) {
		entry = find(map, key);
		return entry ? entry->value : NULL;
	}
	memcpy(&index, key, sizeof(index));
	if (index >= map->max_entries)
		return NULL;
	if (map == &fake.tallies)
		index += fake.cpu * map->max_entries;
	return map->values + (size_t)index * map->value_size;
}

static bool refuses_memory(void *which)
{
	if (which != fake.no_memory_map || !which || ++fake.no_memory_count % fake.no_memory_every)
		return false;
	fake.no_memory_hits++;
	return true;
}

long bpf_map_update_elem(void *which, const void *key, const void *value, __u64 flags)
{
	struct fake_map *map = resolve(which);
	struct fake_entry *old, *entry;

	if (fake.before_update)
		fake.before_update(which, key);
	if (!map->is_hash)
		abort(); /* the programs update arrays in place */
	old = find(map, key);
	if (old && flags == BPF_NOEXIST)
		return -EEXIST;
	if (!old && HASH_COUNT(map->entries) >= map->max_entries)
		return -E2BIG;
	if (refuses_memory(map >= fake.levels && map < fake.levels + LIVE_LEVELS ? &live : which))
		return -ENOMEM;
	entry = calloc(1, sizeof(*entry) + map->key_size);
	entry->value = malloc(map->value_size);
	memcpy(entry->key, key, map->key_size);
	memcpy(entry->value, value, map->value_size);
	if (old)
		drop(map, old);
	HASH_ADD(hh, map->entries, key, map->key_size, entry);
	return 0;
}

long bpf_map_delete_elem(void *which, const void *key)
{
	struct fake_map *map = resolve(which);
	struct fake_entry *entry = find(map, key);

	if (!entry)
		return -ENOENT;
	drop(map, entry);
	return 0;
}

long bpf_map_push_elem(void *map, const void *value, __u64 flags)
{
	__u32 index;

	if (map != &free_totals || flags)
		abort();
	memcpy(&index, value, sizeof(index));
	return fake.free_totals.count < max_totals ? vec_push(&fake.free_totals, index) : -E2BIG;
}

long bpf_loop(__u32 count, void *callback, void *context, __u64 flags)
{
	long (*step)(__u32, void *) = (long (*)(__u32, void *))callback;
	__u32 i;

	if (flags)
		abort();
	for (i = 0; i < count; i++) {
		fake.loops++;
		if (step(i, context))
			return i + 1;
	}
	return i;
}

long bpf_map_pop_elem(void *map, void *value)
{
	if (map != &free_totals)
		abort();
	if (!fake.free_totals.count)
		return -ENOENT;
	memcpy(value, &fake.free_totals.items[--fake.free_totals.count], sizeof(__u32));
	return 0;
}

long bpf_ringbuf_output(void *ring, void *data, __u64 size, __u64 flags)
{
	struct event event;

	(void)flags;
	if (ring != &events || size != sizeof(event))
		abort();
	if (fake.events.count >= fake.events_room)
		return -EAGAIN;
	memcpy(&event, data, sizeof(event));
	return vec_push(&fake.events, event);
}

/* What is reserved is not cleared. */
void *bpf_ringbuf_reserve(void *ring, __u64 size, __u64 flags)
{
	if (ring != &events || size != sizeof(struct event) || flags)
		abort();
	if (fake.events.count >= fake.events_room)
		return NULL;
	return memset(malloc(size), 0xa5, size);
}

void bpf_ringbuf_submit(void *data, __u64 flags)
{
	struct event event;

	if (flags)
		abort();
	memcpy(&event, data, sizeof(event));
	free(data);
	if (vec_push(&fake.events, event))
		abort();
}

/* --- the current thread --- */

__u64 bpf_ktime_get_ns(void)
{
	return ++fake.now;
}

__u64 bpf_get_current_pid_tgid(void)
{
	return (__u64)fake.task->tgid << 32 | (__u32)fake.task->pid;
}

struct task_struct *bpf_get_current_task_btf(void)
{
	return fake.task;
}

__u64 bpf_get_attach_cookie(void *context)
{
	(void)context;
	return fake.cookie;
}

_Bool bpf_session_is_return___none(void)
{
	return fake.is_return;
}

long bpf_core_read(void *to, __u32 size, const void *from)
{
	memcpy(to, from, size);
	return 0;
}

long bpf_probe_read_user(void *to, __u32 size, const void *address)
{
	fake.reads++;
	if (fake.on_read)
		fake.on_read((uintptr_t)address, size);
	if (fake.fail_read && !--fake.fail_read) {
		memset(to, 0, size);
		fake.fail_read = fake.fail_rest;
		return -EFAULT;
	}
	if (fake_memory__read(fake.memory, (uintptr_t)address, to, size)) {
		memset(to, 0, size);
		return -EFAULT;
	}
	return 0;
}

/* --- beginning and end --- */

static void make_hash(struct fake_map *map, __u32 key_size, __u32 value_size, __u32 room)
{
	*map = (struct fake_map){true, key_size, value_size, room ? room : PLENTY, NULL, NULL};
}

static void make_array(struct fake_map *map, __u32 value_size, __u32 room, unsigned copies)
{
	*map = (struct fake_map){false, sizeof(__u32), value_size, room, NULL, NULL};
	map->values = calloc((size_t)room * copies, value_size);
}

void fake_map__clear(struct fake_map *map)
{
	struct fake_entry *entry, *next;

	HASH_ITER (hh, map->entries, entry, next)
		drop(map, entry);
	free(map->values);
	map->values = NULL;
}

void fake__add_level(__u32 room, __s64 limit)
{
	make_hash(&fake.levels[fake.level_count], sizeof(struct live_key), sizeof(struct live_value), room);
	live_newest = fake.level_count++;
	live_fill = 0;
	live_fill_limit = limit;
}

void fake_page__put(__u32 number, const struct unwind_page *page)
{
	__u32 at = number % UNWIND_CHUNK_PAGES;

	if (number >= FAKE_CHUNKS * UNWIND_CHUNK_PAGES ||
	    bpf_map_update_elem(&fake.chunks[number / UNWIND_CHUNK_PAGES], &at, page, BPF_ANY))
		abort();
}

struct unwind_page *fake_page(__u32 number)
{
	__u32 at = number % UNWIND_CHUNK_PAGES;

	return number < FAKE_CHUNKS * UNWIND_CHUNK_PAGES
		       ? bpf_map_lookup_elem(&fake.chunks[number / UNWIND_CHUNK_PAGES], &at)
		       : NULL;
}

<<<<<<< HEAD
/* As user/unwind/unwind_pages.c lays them out: the header, the index, the rows. */
=======
>>>>>>> main
static void put_tables(void)
{
	static const struct unwind_page none;
	static const struct unwind_page header = {{1, 1, (FAKE_FRAME_CODE >> UNWIND_PC_SHIFT) + 1}};
	static const struct unwind_page rows = {{0, UNWIND_RULE(UNWIND_RBP, 2, 1, 0)}};

<<<<<<< HEAD
	for (int i = 0; i < FAKE_CHUNKS; i++)
		make_hash(&fake.chunks[i], sizeof(__u32), sizeof(struct unwind_page), UNWIND_CHUNK_PAGES);
=======
>>>>>>> main
	fake_page__put(FAKE_NO_ROWS, &none);
	fake_page__put(FAKE_FRAME_ROWS, &header);
	fake_page__put(FAKE_FRAME_ROWS + 1, &none);
	fake_page__put(FAKE_FRAME_ROWS + 2, &rows);
}

void fake__start(const struct fake_room *room)
{
	static const __u32 frames[STACK_CLASSES] = {22, 54, 118, 127};
	static const struct fake_room plenty;
	struct fake_map *map = &fake.threads;
	__u32 zero = 0;
	void *image;

	room = room ? room : &plenty;
	memset(&fake, 0, sizeof(fake));
	fake.now = 1000;
	fake.events_room = room->events ? room->events : PLENTY;
	for (int i = 0; i < STACK_CLASSES; i++)
		make_hash(&fake.stacks[i], sizeof(struct stack_key), STACK_VALUE_BYTES(frames[i]),
			  room->stacks);
	make_hash(map, sizeof(__u32), sizeof(struct thread), room->threads ? room->threads + 1 : 0);
	make_hash(&fake.processes, sizeof(__u32), sizeof(struct process_entry), room->processes);
	recent_bits = room->recent_bits;
	make_array(&fake.recent, sizeof(struct recent_block), 1u << recent_bits, 1);
	keep_birth = 1;
	make_hash(&fake.spaces, sizeof(__u32), sizeof(struct unwind_space), 0);
	make_array(&fake.rules, sizeof(struct unwind_cached), 1u << UNWIND_RULES_BITS, 1);
<<<<<<< HEAD
	make_array(&fake.pythons, sizeof(struct python_layout), FAKE_PYTHONS, 1);
	make_hash(&fake.codes, sizeof(struct code_key), sizeof(__u32), 0);
=======
	for (int i = 0; i < FAKE_CHUNKS; i++)
		make_hash(&fake.chunks[i], sizeof(__u32), sizeof(struct unwind_page), UNWIND_CHUNK_PAGES);
>>>>>>> main
	put_tables();
	pid_namespace_inum = 0;
	follow_forks = 0;
	max_totals = (room->stacks ? room->stacks : 4096) + 1;
	make_array(&fake.totals, sizeof(struct total), max_totals, 1);
	make_array(&fake.losses, sizeof(struct loss_counter), LOSS_COUNT, 1);
	make_array(&fake.tallies, sizeof(__u64), TALLY_COUNT, FAKE_CPUS);
	phase = PHASE_RECORD;
	next_account = 1;
	next_total = 1;
	used_totals = 0;
	next_code = 1;
	fake__add_level(room->live, 0);
	/* Entry 0 is the image of new ones, as user/snapshot/engine.c puts it there. */
	image = calloc(1, sizeof(struct thread));
	bpf_map_update_elem(&threads, &zero, image, BPF_ANY);
	free(image);
}

void fake__stop(void)
{
	for (__u32 level = 0; level < fake.level_count; level++)
		fake_map__clear(&fake.levels[level]);
	for (int i = 0; i < STACK_CLASSES; i++)
		fake_map__clear(&fake.stacks[i]);
	for (int i = 0; i < FAKE_CHUNKS; i++)
		fake_map__clear(&fake.chunks[i]);
	fake_map__clear(&fake.totals);
	fake_map__clear(&fake.threads);
	fake_map__clear(&fake.processes);
	fake_map__clear(&fake.losses);
	fake_map__clear(&fake.tallies);
	fake_map__clear(&fake.recent);
	fake_map__clear(&fake.spaces);
	fake_map__clear(&fake.rules);
	fake_map__clear(&fake.pythons);
	fake_map__clear(&fake.codes);
	vec_free(&fake.free_totals);
	vec_free(&fake.events);
}

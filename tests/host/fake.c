// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "fake.h"

#define PLENTY 65536u

struct fake fake;

_Bool bpf_session_is_return___none(void);

/* --- maps: kernel/bpf/hashtab.c, arraymap.c --- */

static struct fake_map *resolve(void *map)
{
	if (map == &stacks)
		return &fake.stacks;
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
	return map; /* a level */
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
	if ((fake.fail_read && !--fake.fail_read) ||
	    fake_memory__read(fake.memory, (uintptr_t)address, to, size)) {
		memset(to, 0, size);
		return -EFAULT;
	}
	return 0;
}

/* --- memory --- */

unsigned char *fake_memory__add(struct fake_memory *memory, __u64 start, __u64 size)
{
	struct fake_region region = {start, size, calloc(1, size)};

	if (vec_push(&memory->regions, region))
		abort();
	return region.bytes;
}

void fake_memory__free(struct fake_memory *memory)
{
	vec_each (region, &memory->regions)
		free(region->bytes);
	vec_free(&memory->regions);
}

static unsigned char *bytes_at(struct fake_memory *memory, __u64 address, size_t size)
{
	vec_each (region, &memory->regions) {
		if (address >= region->start && address - region->start < region->size &&
		    size <= region->size - (address - region->start))
			return region->bytes + (address - region->start);
	}
	return NULL;
}

int fake_memory__read(struct fake_memory *memory, __u64 address, void *to, size_t size)
{
	unsigned char *bytes = bytes_at(memory, address, size);

	if (!bytes)
		return -EFAULT;
	memcpy(to, bytes, size);
	return 0;
}

int fake_memory__write(struct fake_memory *memory, __u64 address, const void *from, size_t size)
{
	unsigned char *bytes = bytes_at(memory, address, size);

	if (!bytes)
		return -EFAULT;
	memcpy(bytes, from, size);
	return 0;
}

void fake_memory__put(struct fake_memory *memory, __u64 address, __u64 word)
{
	if (fake_memory__write(memory, address, &word, sizeof(word)))
		abort();
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

static void clear(struct fake_map *map)
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

void fake__start(const struct fake_room *room)
{
	static const struct fake_room plenty;
	struct fake_map *map = &fake.threads;
	__u32 zero = 0;
	void *image;

	room = room ? room : &plenty;
	memset(&fake, 0, sizeof(fake));
	fake.now = 1000;
	fake.events_room = room->events ? room->events : PLENTY;
	make_hash(&fake.stacks, sizeof(struct stack_key), sizeof(struct stack_value), room->stacks);
	make_hash(map, sizeof(__u32), sizeof(struct thread), room->threads ? room->threads + 1 : 0);
	make_hash(&fake.processes, sizeof(__u32), sizeof(struct process_entry), room->processes);
	recent_bits = room->recent_bits;
	make_array(&fake.recent, sizeof(struct recent_block), 1u << recent_bits, 1);
	keep_birth = 1;
	make_hash(&fake.spaces, sizeof(__u32), sizeof(struct unwind_space), 0);
	pid_namespace_inum = 0;
	follow_forks = 0;
	max_totals = (room->stacks ? room->stacks : 4096) + 1;
	make_array(&fake.totals, sizeof(struct total), max_totals, 1);
	make_array(&fake.losses, sizeof(struct loss_counter), LOSS_COUNT, 1);
	make_array(&fake.tallies, sizeof(__u64), TALLY_COUNT, FAKE_CPUS);
	phase = PHASE_RECORD;
	next_account = 1;
	next_total = 1;
	fake__add_level(room->live, 0);
	/* Entry 0 is the image of new ones, as user/snapshot/engine.c puts it there. */
	image = calloc(1, sizeof(struct thread));
	bpf_map_update_elem(&threads, &zero, image, BPF_ANY);
	free(image);
}

void fake__stop(void)
{
	for (__u32 level = 0; level < fake.level_count; level++)
		clear(&fake.levels[level]);
	clear(&fake.stacks);
	clear(&fake.totals);
	clear(&fake.threads);
	clear(&fake.processes);
	clear(&fake.losses);
	clear(&fake.tallies);
	clear(&fake.recent);
	clear(&fake.spaces);
	vec_free(&fake.free_totals);
	vec_free(&fake.events);
}

/* --- what there is to see --- */

struct loss_counter fake__loss(enum loss reason)
{
	return ((struct loss_counter *)fake.losses.values)[reason];
}

__u64 fake__losses(void)
{
	__u64 sum = 0;

	for (int reason = 0; reason < LOSS_COUNT; reason++)
		sum += fake__loss(reason).events;
	return sum;
}

__u64 fake__tally(enum tally tally)
{
	__u64 sum = 0;

	for (unsigned cpu = 0; cpu < FAKE_CPUS; cpu++)
		sum += ((__u64 *)fake.tallies.values)[cpu * TALLY_COUNT + tally];
	return sum;
}

struct total *fake__total(__u32 index)
{
	return index < fake.totals.max_entries ? (struct total *)fake.totals.values + index : NULL;
}

static const struct recent_block *recent_blocks(void)
{
	return (const void *)fake.recent.values;
}

size_t fake__live_count(void)
{
	size_t count = 0;

	for (__u32 i = 0; i < fake.recent.max_entries; i++)
		count += !!recent_blocks()[i].tag;
	for (__u32 level = 0; level < fake.level_count; level++)
		count += HASH_COUNT(fake.levels[level].entries);
	return count;
}

__u64 fake__live_bytes(void)
{
	struct fake_entry *entry, *next;
	__u64 bytes = 0;

	for (__u32 i = 0; i < fake.recent.max_entries; i++)
		bytes += recent_blocks()[i].tag ? recent_blocks()[i].size : 0;
	for (__u32 level = 0; level < fake.level_count; level++) {
		HASH_ITER (hh, fake.levels[level].entries, entry, next)
			bytes += ((struct live_value *)entry->value)->size;
	}
	return bytes;
}

struct live_value *fake__live(__u32 account, __u32 domain, __u64 addr)
{
	struct live_key key = {addr, account, domain};
	static struct live_value copy;
	struct fake_entry *entry;

	for (__u32 i = 0; i < fake.recent.max_entries && domain == DOMAIN_HEAP; i++) {
		const struct recent_block *block = &recent_blocks()[i];

		if (!block->tag || RECENT_TAG_ADDRESS(block->tag) != addr ||
		    RECENT_TAG_ACCOUNT(block->tag) != account)
			continue;
		copy = (struct live_value){block->size, block->size, block->birth_ns, block->total, 0};
		return &copy;
	}
	for (__u32 level = 0; level < fake.level_count; level++) {
		entry = find(&fake.levels[level], &key);
		if (!entry)
			continue;
		memcpy(&copy, entry->value, sizeof(copy));
		return &copy;
	}
	return NULL;
}

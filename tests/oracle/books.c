// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The block table is a hash table in a file, without pointers and without allocation, so that the reader
 * finds it after the process is gone: each stripe is a lock and a run of slots, probed linearly, closed up on
 * removal.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "books.h"

static struct {
	struct oracle_header *header;
	struct oracle_stripe *stripes;
	struct oracle_module *modules;
	struct oracle_site *sites;
	struct oracle_block *blocks;
	size_t size;
	uint64_t stripe_slots;
	bool off;
	/* On a page that the kernel clears in a fork's child: 0 says that the mapped books are the parent's.
	 */
	uint32_t *ours;
} books;

void oracle__lock(uint32_t *lock)
{
	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

void oracle__unlock(uint32_t *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* The C library's mmap may be watched itself; the recorder's mappings are none of the program's. */
static void *map(void *at, size_t size, int flags, int fd)
{
	return (void *)syscall(SYS_mmap, at, size, PROT_READ | PROT_WRITE, flags, fd, 0);
}

/* A new file: PREFIX.PID.N, N counting the programs that this process has been. */
static int create(const char *prefix)
{
	char path[4096];
	int fd = -1;

	for (unsigned n = 0; n < 1000 && fd < 0; n++) {
		snprintf(path, sizeof(path), "%s.%ld.%u", prefix, syscall(SYS_getpid), n);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	return fd;
}

/* The program that the tests start everything by is not what they measure. */
static bool skipped(const char *exe)
{
	const char *skip = getenv("ORACLE_SKIP");
	const char *slash = strrchr(exe, '/');

	return skip && !strcmp(slash ? slash + 1 : exe, skip);
}

static void lay_out(char *base, uint64_t slots)
{
	books.header = (void *)base;
	books.stripes = (void *)(base + ORACLE_STRIPES_AT);
	books.modules = (void *)(base + ORACLE_MODULES_AT);
	books.sites = (void *)(base + ORACLE_SITES_AT);
	books.blocks = (void *)(base + ORACLE_BLOCKS_AT);
	books.stripe_slots = slots / ORACLE_STRIPES;
}

static bool open_books(void)
{
	const char *prefix = getenv("ORACLE_FILE"), *wanted = getenv("ORACLE_BLOCKS");
	uint64_t slots = wanted ? strtoull(wanted, NULL, 0) : ORACLE_BLOCKS;
	char exe[sizeof(books.header->exe)] = "";
	void *base = MAP_FAILED;
	int fd;

	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
		exe[0] = '\0';
	if (!prefix || skipped(exe))
		return false;
	slots = (slots + ORACLE_STRIPES) / ORACLE_STRIPES * ORACLE_STRIPES;
	books.size = ORACLE_BLOCKS_AT + slots * sizeof(struct oracle_block);
	fd = create(prefix);
	if (fd < 0)
		return false;
	/* A child's books take the place of the parent's, whose mapping it must not write to. */
	if (ftruncate(fd, books.size) == 0)
		base = map(books.header, books.size, MAP_SHARED | (books.header ? MAP_FIXED : 0), fd);
	close(fd);
	if (base == MAP_FAILED)
		return false;
	lay_out(base, slots);
	books.header->pid = syscall(SYS_getpid);
	books.header->parent = getppid();
	books.header->block_slots = slots;
	books.header->module_count = 1;
	memcpy(books.header->exe, exe, sizeof(exe));
	books.header->magic = ORACLE_MAGIC;
	return true;
}

static bool first_time(void)
{
	int saved = errno;

	if (!books.ours) {
		void *page = map(NULL, 4096, MAP_PRIVATE | MAP_ANONYMOUS, -1);

		if (page == MAP_FAILED || madvise(page, 4096, MADV_WIPEONFORK))
			abort();
		books.ours = page;
	}
	books.off = !open_books();
	*books.ours = 1;
	errno = saved;
	return !books.off;
}

bool books__ready(void)
{
	if (!books.ours || !*books.ours)
		return first_time();
	if (books.off)
		return false;
	if (syscall(SYS_getpid) == books.header->pid)
		return true;
	count(&books.header->foreign);
	return false;
}

void books__call(void)
{
	count(&books.header->calls);
}

void books__failed(void)
{
	count(&books.header->failed);
}

void books__unknown_free(void)
{
	count(&books.header->unknown_frees);
}

static uint64_t mix(uint64_t value)
{
	value *= UINT64_C(0x9e3779b97f4a7c15);
	return value ^ (value >> 32);
}

uint64_t sites__find(const void *caller)
{
	uint64_t address = (uint64_t)caller, at = mix(address) % ORACLE_SITES;

	for (unsigned tries = 0; tries < ORACLE_SITES; tries++, at = (at + 1) % ORACLE_SITES) {
		uint64_t there = __atomic_load_n(&books.sites[at].address, __ATOMIC_ACQUIRE);

		if (there == address)
			return at;
		if (there)
			continue;
		if (__atomic_compare_exchange_n(&books.sites[at].address, &there, address, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			books.sites[at].module = modules__find(books.header, books.modules, address);
			return at;
		}
		if (there == address)
			return at;
	}
	count(&books.header->sites_full);
	return ORACLE_SITES;
}

struct place {
	struct oracle_stripe *stripe;
	struct oracle_block *blocks; /* the stripe's */
	uint64_t home;               /* where the block would best be */
};

static struct place place_of(uint64_t address)
{
	uint64_t hash = mix(address >> 4 ? address >> 4 : address);
	uint64_t stripe = hash % ORACLE_STRIPES;

	return (struct place){
		.stripe = &books.stripes[stripe],
		.blocks = &books.blocks[stripe * books.stripe_slots],
		.home = (hash / ORACLE_STRIPES) % books.stripe_slots,
	};
}

/* The slot that holds @address, or the free one where it would go. There always is a free one. */
static uint64_t slot_of(const struct place *place, uint64_t address)
{
	uint64_t slot = place->home;

	while (place->blocks[slot].address && place->blocks[slot].address != address)
		slot = (slot + 1) % books.stripe_slots;
	return slot;
}

void books__put_back(const struct oracle_block *block)
{
	struct place place = place_of(block->address);
	uint64_t slot;

	oracle__lock(&place.stripe->lock);
	slot = slot_of(&place, block->address);
	if (place.blocks[slot].address) {
		count(&books.header->replaced);
	} else if (place.stripe->used + 1 >= books.stripe_slots) {
		count(&books.header->blocks_full);
		oracle__unlock(&place.stripe->lock);
		return;
	} else {
		place.stripe->used++;
	}
	place.blocks[slot] = *block;
	oracle__unlock(&place.stripe->lock);
}

void books__allocated(const void *address, size_t size, const void *caller)
{
	struct oracle_block block = {.address = (uint64_t)address, .size = size, .site = sites__find(caller)};
	struct oracle_site *site = &books.sites[block.site];

	if (block.site == ORACLE_SITES)
		return;
	__atomic_fetch_add(&site->allocated_bytes, size, __ATOMIC_RELAXED);
	count(&site->allocated_count);
	books__put_back(&block);
}

/* Closes the gap at @hole: moves up what would not be found past a free slot any more. */
static void close_up(const struct place *place, uint64_t hole)
{
	uint64_t slots = books.stripe_slots, slot = hole;

	for (;;) {
		uint64_t home;

		slot = (slot + 1) % slots;
		if (!place->blocks[slot].address)
			break;
		home = place_of(place->blocks[slot].address).home;
		if ((slot + slots - home) % slots >= (slot + slots - hole) % slots) {
			place->blocks[hole] = place->blocks[slot];
			hole = slot;
		}
	}
	place->blocks[hole] = (struct oracle_block){0};
}

bool books__take(const void *address, struct oracle_block *block)
{
	struct place place = place_of((uint64_t)address);
	bool found;
	uint64_t slot;

	oracle__lock(&place.stripe->lock);
	slot = slot_of(&place, (uint64_t)address);
	*block = place.blocks[slot];
	found = block->address != 0;
	if (found) {
		close_up(&place, slot);
		place.stripe->used--;
	}
	oracle__unlock(&place.stripe->lock);
	return found;
}

void books__freed(const struct oracle_block *block)
{
	struct oracle_site *site = &books.sites[block->site];

	__atomic_fetch_add(&site->freed_bytes, block->size, __ATOMIC_RELAXED);
	count(&site->freed_count);
}

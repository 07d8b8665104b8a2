// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Books of mappings against an array of pages, and against what the kernel says of real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "snapshot/mappings.h"

#define PAGE   4096ull
#define PAGES  64
#define BASE   0x10000000ull
#define TOTALS 5

/* Every page knows which mapping it belongs to; a mapping is gone with its last page. */
struct model {
	int owner[PAGES]; /* index into mappings; -1: none */
	struct {
		uint32_t total;
		int pages;
		uint64_t birth;
	} mappings[4096];
	int count;
	struct mapping_sum sums[TOTALS];
	uint64_t unknown;
};

static unsigned next(uint64_t *seed, unsigned bound)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (*seed >> 33) % bound;
}

static void model_unmap(struct model *model, int from, int count, uint64_t until, bool count_unknown)
{
	for (int page = from; page < from + count; page++) {
		int owner = model->owner[page];

		if (owner < 0 || model->mappings[owner].birth > until) {
			model->unknown += count_unknown ? PAGE : 0;
			continue;
		}
		model->owner[page] = -1;
		model->sums[model->mappings[owner].total].freed_bytes += PAGE;
		if (!--model->mappings[owner].pages)
			model->sums[model->mappings[owner].total].freed_count++;
	}
}

static void model_map(struct model *model, int from, int count, uint32_t total, uint64_t birth)
{
	model_unmap(model, from, count, UINT64_MAX, false);
	model->mappings[model->count].total = total;
	model->mappings[model->count].pages = count;
	model->mappings[model->count].birth = birth;
	for (int page = from; page < from + count; page++)
		model->owner[page] = model->count;
	model->count++;
	model->sums[total].allocated_bytes += count * PAGE;
	model->sums[total].allocated_count++;
}

static void assert_same(const struct mappings *mappings, const struct model *model, uint64_t seed, int step)
{
	int page = 0;

	for (uint32_t total = 0; total < TOTALS; total++) {
		struct mapping_sum sum = mappings__sum(mappings, total);

		if (memcmp(&sum, &model->sums[total], sizeof(sum)))
			fail_msg("seed %llu, step %d: total %u", (unsigned long long)seed, step, total);
	}
	assert_int_equal(mappings->unknown_bytes, model->unknown);
	/* Ranges rise, do not overlap, and cover exactly the model's pages. */
	vec_each (range, &mappings->ranges) {
		assert_true(range->start < range->end);
		for (; page < PAGES && BASE + page * PAGE < range->start; page++)
			assert_int_equal(model->owner[page], -1);
		for (; page < PAGES && BASE + page * PAGE < range->end; page++)
			assert_int_equal(model->owner[page], (int)range->owner);
		assert_int_equal(BASE + page * PAGE, range->end);
	}
	for (; page < PAGES; page++)
		assert_int_equal(model->owner[page], -1);
}

/* One event, in both books. Lengths need not be whole pages. */
static void step(struct mappings *mappings, struct model *model, uint64_t *seed, uint64_t now)
{
	int from = next(seed, PAGES), count = 1 + next(seed, PAGES - from), to, new_count;
	uint64_t length = count * PAGE - next(seed, 2) * next(seed, PAGE);
	struct event event = {.time_ns = now, .arg = {BASE + from * PAGE, length}};

	event.total = next(seed, TOTALS);
	switch (next(seed, 5)) {
	case 0:
	case 1: /* also over others: MAP_FIXED */
		event.type = EVENT_MMAP;
		model_map(model, from, count, event.total, now);
		break;
	case 2:
	case 3:
		event.type = EVENT_MUNMAP;
		model_unmap(model, from, count, UINT64_MAX, true);
		break;
	default:
		to = next(seed, PAGES);
		new_count = 1 + next(seed, PAGES - to);
		event.type = EVENT_MREMAP;
		/* What has come into the old place since the call was entered stays. */
		event.entered_ns = now - 1 - next(seed, 3) * 10;
		event.arg[2] = BASE + to * PAGE;
		event.arg[3] = new_count * PAGE;
		if (!next(seed, 6))
			event.arg[1] = 0; /* a second mapping of shared memory */
		else
			model_unmap(model, from, count, event.entered_ns, false);
		model_map(model, to, new_count, event.total, now);
	}
	assert_int_equal(mappings__apply(mappings, &event), 0);
}

static void random_sequences(void **state)
{
	(void)state;
	for (uint64_t run = 1; run <= 60; run++) {
		static struct model model;
		struct mappings mappings;
		uint64_t seed = run;

		memset(&model, 0, sizeof(model));
		memset(model.owner, -1, sizeof(model.owner));
		mappings__init(&mappings, PAGE);
		for (int i = 0; i < 400; i++) {
			step(&mappings, &model, &seed, 100 + i * 10);
			assert_same(&mappings, &model, run, i);
		}
		mappings__free(&mappings);
	}
}

/* What the kernel would have refused leaves the books as they are. */
static void nonsense(void **state)
{
	static const uint64_t bad[][2] = {
		{0x1001, 4096},       {0x1000, 0},
		{1ull << 57, 4096},   {0xfffffffffffff000ull, 4096},
		{0x1000, UINT64_MAX}, {(1ull << 57) - 4096, 8192},
		{0x1000, 1ull << 57}, {0, (1ull << 57) + 1},
	};
	struct mappings mappings;

	(void)state;
	mappings__init(&mappings, PAGE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (__u32 type = EVENT_MMAP; type <= EVENT_MUNMAP; type++) {
			struct event event = {.type = type, .total = 1, .arg = {bad[i][0], bad[i][1]}};

			assert_int_equal(mappings__apply(&mappings, &event), 0);
		}
	}
	assert_int_equal(mappings.ranges.count, 0);
	assert_int_equal(mappings.unknown_bytes, 0);
	assert_int_equal(mappings__sum(&mappings, 1).allocated_count, 0);
	assert_int_equal(mappings__sum(&mappings, UINT32_MAX).allocated_count, 0);
	mappings__free(&mappings);
}

/* Pages of [start, end) that /proc/self/maps names. */
static uint64_t mapped_bytes(uint64_t start, uint64_t end)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned long long from, to;
	uint64_t sum = 0;
	char line[512];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx-%llx", &from, &to) != 2)
			continue;
		from = from > start ? from : start;
		to = to < end ? to : end;
		sum += from < to ? to - from : 0;
	}
	fclose(file);
	return sum;
}

static void book(struct mappings *mappings, __u32 type, void *address, uint64_t length, void *moved_to,
		 uint64_t grown)
{
	static uint64_t now = 1;
	struct event event = {.type = type, .total = 1, .time_ns = now + 1, .entered_ns = now};

	now += 2;
	event.arg[0] = (uintptr_t)address;
	event.arg[1] = length;
	event.arg[2] = (uintptr_t)moved_to;
	event.arg[3] = grown;
	assert_int_equal(mappings__apply(mappings, &event), 0);
}

/* In a reserved area no one else maps anything; every system call is booked and then compared. */
static void real_calls(void **state)
{
	long page = sysconf(_SC_PAGESIZE);
	size_t area_size = 128 * page;
	char *area = mmap(NULL, area_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t start = (uintptr_t)area, seed = 99;
	struct mappings mappings;

	(void)state;
	assert_ptr_not_equal(area, MAP_FAILED);
	assert_int_equal(munmap(area, area_size), 0);
	mappings__init(&mappings, page);
	for (int i = 0; i < 300; i++) {
		uint64_t from = next(&seed, 120), length = (1 + next(&seed, 8)) * page - next(&seed, page),
			 live = 0;
		char *at = area + from * page, *got;

		if (next(&seed, 5) < 2) {
			got = mmap(at, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			assert_ptr_equal(got, at);
			book(&mappings, EVENT_MMAP, at, length, NULL, 0);
		} else if (next(&seed, 2)) {
			assert_int_equal(munmap(at, length), 0);
			book(&mappings, EVENT_MUNMAP, at, length, NULL, 0);
		} else {
			char *to = area + next(&seed, 120) * page;

			/* Only a whole mapping can be moved: one page always is one. */
			got = mremap(at, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, to);
			if (got != MAP_FAILED)
				book(&mappings, EVENT_MREMAP, at, page, got, page);
		}
		vec_each (range, &mappings.ranges)
			live += range->end - range->start;
		assert_int_equal(live, mapped_bytes(start, start + area_size));
		vec_each (range, &mappings.ranges)
			assert_int_equal(mapped_bytes(range->start, range->end), range->end - range->start);
		assert_int_equal(mappings__sum(&mappings, 1).allocated_bytes -
					 mappings__sum(&mappings, 1).freed_bytes,
				 live);
	}
	munmap(area, area_size);
	mappings__free(&mappings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_sequences),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(real_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <limits.h>
#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <cmocka.h>

#include "target/map_records.h"

#define RING_SIZE 1024

/* A ring as the kernel writes it: records of a multiple of 8 bytes, each with its time at the end. */
struct ring {
	uint8_t bytes[RING_SIZE];
	uint64_t tail, head;
};

static void put(struct ring *ring, const void *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		ring->bytes[ring->head++ % RING_SIZE] = ((const uint8_t *)data)[i];
}

static void put_record(struct ring *ring, uint32_t type, uint16_t misc, const void *body, size_t size,
		       const char *name, uint64_t time)
{
	char text[256] = "";
	size_t name_size = name ? (strlen(name) + 8) / 8 * 8 : 0; /* its end and padding included */
	struct perf_event_header header = {type, misc, sizeof(header) + size + name_size + sizeof(time)};

	put(ring, &header, sizeof(header));
	put(ring, body, size);
	if (name)
		strcpy(text, name);
	put(ring, text, name_size);
	put(ring, &time, sizeof(time));
}

static void put_mapping(struct ring *ring, uint32_t pid, uint64_t start, uint64_t length, const char *path,
			uint64_t time)
{
	struct {
		uint32_t pid, tid;
		uint64_t addr, len, pgoff;
		uint32_t maj, min;
		uint64_t ino, generation;
		uint32_t prot, flags;
	} body = {pid, pid + 1, start, length, 0x2000, 253, 1, 777, 9, 5, 2};

	put_record(ring, PERF_RECORD_MMAP2, PERF_RECORD_MISC_USER, &body, sizeof(body), path, time);
}

static void put_comm(struct ring *ring, uint32_t pid, uint16_t misc, const char *comm, uint64_t time)
{
	uint32_t body[] = {pid, pid};

	put_record(ring, PERF_RECORD_COMM, misc, body, sizeof(body), comm, time);
}

static void take(struct map_records *records, struct ring *ring)
{
	map_records__take(records, ring->bytes, RING_SIZE, ring->tail, ring->head);
	ring->tail = ring->head;
}

static void assert_next(struct map_records *records, enum map_event_type type, pid_t pid, uint64_t time)
{
	const struct map_event *event = map_records__first(records, UINT64_MAX);

	assert_non_null(event);
	assert_int_equal(event->type, type);
	assert_int_equal(event->pid, pid);
	assert_int_equal(event->time_ns, time);
	map_records__drop_first(records);
}

static void assert_no_more(const struct map_records *records)
{
	assert_null(map_records__first(records, UINT64_MAX));
	assert_int_equal(records->bytes, 0);
}

static void every_field(void **state)
{
	struct map_records records = {0};
	struct ring ring = {0};
	const struct map_event *event;

	(void)state;
	put_mapping(&ring, 42, 0x7f0000001000, 0x3000, "/usr/lib/libc.so.6", 1000);
	put_mapping(&ring, 43, 0x7f0000009000, 0x1000, "//anon", 1001);
	put_comm(&ring, 44, PERF_RECORD_MISC_COMM_EXEC, "a\nb\x7f", 1002);
	take(&records, &ring);
	map_records__sort(&records);
	event = map_records__first(&records, 1000);
	assert_non_null(event);
	assert_int_equal(event->type, MAP_EVENT_MAPPED);
	assert_int_equal(event->pid, 42);
	assert_int_equal(event->time_ns, 1000);
	assert_int_equal(event->mapping.start, 0x7f0000001000);
	assert_int_equal(event->mapping.end, 0x7f0000004000);
	assert_int_equal(event->mapping.offset, 0x2000);
	assert_int_equal(event->mapping.device, makedev(253, 1));
	assert_int_equal(event->mapping.inode, 777);
	assert_int_equal(event->mapping.flags, MAPPING_READ | MAPPING_EXEC);
	assert_string_equal(event->mapping.path, "/usr/lib/libc.so.6");
	map_records__drop_first(&records);
	event = map_records__first(&records, 1001);
	assert_non_null(event);
	assert_string_equal(event->mapping.path, "");
	map_records__drop_first(&records);
	event = map_records__first(&records, 1002);
	assert_non_null(event);
	assert_int_equal(event->type, MAP_EVENT_EXEC);
	assert_string_equal(event->comm, "a?b?");
	map_records__drop_first(&records);
	assert_no_more(&records);
	map_records__free(&records);
}

/* A new name without an exec, a length that wraps, kinds that were not asked for. */
static void what_is_of_no_interest(void **state)
{
	struct map_records records = {0};
	struct ring ring = {0};
	uint64_t nothing = 0;

	(void)state;
	put_comm(&ring, 1, 0, "renamed", 1);
	put_mapping(&ring, 1, 0x1000, 0, "/empty", 2);
	put_mapping(&ring, 1, UINT64_MAX - 0xfff, 0x2000, "/wraps", 3);
	put_record(&ring, PERF_RECORD_EXIT, 0, &nothing, sizeof(nothing), NULL, 4);
	put_mapping(&ring, 1, 0x1000, 0x1000, "/wanted", 5);
	take(&records, &ring);
	map_records__sort(&records);
	assert_next(&records, MAP_EVENT_MAPPED, 1, 5);
	assert_no_more(&records);
	map_records__free(&records);
}

/* At every position in the ring, so that each field of a record once goes around its end. */
static void around_the_end(void **state)
{
	struct map_records records = {0};
	struct ring ring = {0};
	const struct map_event *event;

	(void)state;
	for (uint64_t at = 0; at < RING_SIZE; at += 8) {
		ring.tail = ring.head = at + RING_SIZE * 1000;
		put_mapping(&ring, 7, 0x1000 + at, 0x1000, "/usr/bin/some-program", at);
		put_comm(&ring, 7, PERF_RECORD_MISC_COMM_EXEC, "fifteen letters", at + 1);
		take(&records, &ring);
		map_records__sort(&records);
		event = map_records__first(&records, at);
		assert_non_null(event);
		assert_int_equal(event->mapping.start, 0x1000 + at);
		assert_int_equal(event->mapping.inode, 777);
		assert_string_equal(event->mapping.path, "/usr/bin/some-program");
		map_records__drop_first(&records);
		event = map_records__first(&records, at + 1);
		assert_non_null(event);
		assert_string_equal(event->comm, "fifteen letters");
		map_records__drop_first(&records);
		assert_no_more(&records);
	}
	map_records__free(&records);
}

/* One process moved from CPU to CPU: its records are in three rings. */
static void rings_in_one_order(void **state)
{
	struct map_records records = {0};
	struct ring rings[3] = {0};

	(void)state;
	put_mapping(&rings[0], 1, 0x1000, 0x1000, "/a", 10);
	put_mapping(&rings[0], 2, 0x1000, 0x1000, "/b", 40);
	put_comm(&rings[1], 3, PERF_RECORD_MISC_COMM_EXEC, "c", 20);
	put_mapping(&rings[1], 4, 0x1000, 0x1000, "/d", 40);
	put_mapping(&rings[2], 5, 0x1000, 0x1000, "/e", 30);
	for (int i = 0; i < 3; i++)
		take(&records, &rings[i]);
	map_records__sort(&records);
	assert_next(&records, MAP_EVENT_MAPPED, 1, 10);
	assert_next(&records, MAP_EVENT_EXEC, 3, 20);
	assert_next(&records, MAP_EVENT_MAPPED, 5, 30);
	assert_next(&records, MAP_EVENT_MAPPED, 2, 40); /* at the same time: as read */
	assert_next(&records, MAP_EVENT_MAPPED, 4, 40);
	assert_no_more(&records);
	map_records__free(&records);
}

/* What is later than asked for stays, and is found in its place among what comes next. */
static void the_later_ones_wait(void **state)
{
	struct map_records records = {0};
	struct ring rings[2] = {0};

	(void)state;
	put_mapping(&rings[0], 1, 0x1000, 0x1000, "/a", 10);
	put_mapping(&rings[0], 2, 0x1000, 0x1000, "/b", 30);
	take(&records, &rings[0]);
	map_records__sort(&records);
	assert_non_null(map_records__first(&records, 20));
	map_records__drop_first(&records);
	assert_null(map_records__first(&records, 20));
	assert_null(map_records__first(&records, 29));
	put_comm(&rings[1], 3, PERF_RECORD_MISC_COMM_EXEC, "c", 25);
	put_mapping(&rings[1], 3, 0x1000, 0x1000, "/d", 35);
	take(&records, &rings[1]);
	map_records__sort(&records);
	assert_true(map_records__has_exec(&records, 3, 24));
	assert_false(map_records__has_exec(&records, 3, 25)); /* not after it */
	assert_false(map_records__has_exec(&records, 2, 0));  /* maps only */
	assert_next(&records, MAP_EVENT_EXEC, 3, 25);
	assert_false(map_records__has_exec(&records, 3, 24));
	assert_next(&records, MAP_EVENT_MAPPED, 2, 30);
	assert_non_null(map_records__first(&records, UINT64_MAX));
	map_records__free(&records); /* with one left */
}

static void lost_ones_are_told_first(void **state)
{
	struct map_records records = {0};
	struct ring ring = {0};
	uint64_t lost[] = {1, 500};

	(void)state;
	put_mapping(&ring, 1, 0x1000, 0x1000, "/a", 10);
	put_record(&ring, PERF_RECORD_LOST, 0, lost, sizeof(lost), NULL, 20);
	put_mapping(&ring, 2, 0x1000, 0x1000, "/b", 30);
	take(&records, &ring);
	map_records__sort(&records);
	assert_int_equal(map_records__first(&records, 0)->type, MAP_EVENT_LOST); /* however early */
	map_records__drop_first(&records);
	assert_next(&records, MAP_EVENT_MAPPED, 1, 10);
	assert_next(&records, MAP_EVENT_MAPPED, 2, 30);
	assert_no_more(&records);
	map_records__free(&records);
}

/* Takes a ring that holds one good record and then @header with @rest bytes after it. */
static void take_broken(uint32_t type, uint16_t size, size_t rest)
{
	struct perf_event_header header = {type, PERF_RECORD_MISC_COMM_EXEC, size};
	struct map_records records = {0};
	struct ring ring = {0};
	uint8_t zeros[256] = {0};

	put_mapping(&ring, 1, 0x1000, 0x1000, "/good", 10);
	put(&ring, &header, sizeof(header));
	put(&ring, zeros, rest);
	take(&records, &ring);
	map_records__sort(&records);
	assert_next(&records, MAP_EVENT_LOST, 0, 0);
	assert_next(&records, MAP_EVENT_MAPPED, 1, 10);
	assert_no_more(&records);
	map_records__free(&records);
}

static void broken_records(void **state)
{
	struct map_records records = {0};
	uint8_t zeros[RING_SIZE] = {0};

	(void)state;
	take_broken(PERF_RECORD_MMAP2, 0, 64);               /* no size: it would never end */
	take_broken(PERF_RECORD_MMAP2, 8, 64);               /* no room for its time */
	take_broken(PERF_RECORD_MMAP2, 128, 64);             /* longer than what is there */
	take_broken(PERF_RECORD_MMAP2, 72, 64);              /* shorter than its fields and its time */
	take_broken(PERF_RECORD_COMM, 16, 8);                /* likewise */
	take_broken(PERF_RECORD_COMM, UINT16_MAX, 64);       /* longer than what is there */
	map_records__take(&records, zeros, RING_SIZE, 0, 4); /* less than a header */
	assert_next(&records, MAP_EVENT_LOST, 0, 0);
	map_records__take(&records, zeros, RING_SIZE, 8, RING_SIZE + 16); /* more than a ring holds */
	assert_next(&records, MAP_EVENT_LOST, 0, 0);
	map_records__take(&records, zeros, RING_SIZE, 16, 8);
	assert_next(&records, MAP_EVENT_LOST, 0, 0);
	assert_no_more(&records);
	map_records__free(&records);
}

static void a_path_without_an_end(void **state)
{
	enum { SIZE = 8192 };
	uint8_t *bytes = malloc(SIZE);
	struct perf_event_header header = {PERF_RECORD_MMAP2, 0, SIZE};
	uint64_t body[8] = {1, 0x1000, 0x1000}, time = 5;
	struct map_records records = {0};
	const struct map_event *event;

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 'x', SIZE);
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), body, sizeof(body));
	memcpy(bytes + SIZE - sizeof(time), &time, sizeof(time));
	map_records__take(&records, bytes, SIZE, 0, SIZE);
	map_records__sort(&records);
	event = map_records__first(&records, UINT64_MAX);
	assert_non_null(event);
	assert_int_equal(event->type, MAP_EVENT_MAPPED);
	assert_int_equal(strlen(event->mapping.path), PATH_MAX);
	map_records__free(&records);
	free(bytes);
}

/* A flood that nobody takes off is bounded, and told of. */
static void bounded(void **state)
{
	struct map_records records = {0};
	struct ring ring = {0};
	size_t kept = 0;

	(void)state;
	for (uint64_t i = 0; i < 300000 && !records.lost; i++) {
		put_mapping(&ring, 1, 0x1000, 0x1000, "/usr/lib/x86_64-linux-gnu/libexample.so.1", i);
		take(&records, &ring);
	}
	assert_true(records.lost);
	assert_true(records.bytes <= 16 << 20);
	map_records__sort(&records);
	assert_next(&records, MAP_EVENT_LOST, 0, 0);
	while (map_records__first(&records, UINT64_MAX)) {
		assert_int_equal(map_records__first(&records, UINT64_MAX)->time_ns, kept++);
		map_records__drop_first(&records);
	}
	assert_true(kept > 50000);
	assert_no_more(&records);
	map_records__free(&records);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field),
		cmocka_unit_test(what_is_of_no_interest),
		cmocka_unit_test(around_the_end),
		cmocka_unit_test(rings_in_one_order),
		cmocka_unit_test(the_later_ones_wait),
		cmocka_unit_test(lost_ones_are_told_first),
		cmocka_unit_test(broken_records),
		cmocka_unit_test(a_path_without_an_end),
		cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

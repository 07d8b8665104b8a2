// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "target/map_events.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/vec.h"

/*
 * A ring holds what comes while somebody is busy with what came before, of all processes of the machine: a
 * hundred bytes a mapping, five mappings an exec. Powers of two; one page more is what the kernel lets anyone
 * lock for each CPU (perf_event_mlock_kb is 516).
 */
#define RING_BYTES  (512u << 10)
#define RINGS_BYTES (16u << 20) /* of all CPUs together, where that leaves … */
#define RING_LEAST  (64u << 10) /* … each this many */

struct cpu_ring {
	int fd;
	struct perf_event_mmap_page *page;
};

struct map_events {
	VEC(struct cpu_ring) rings;
	struct map_records records;
	size_t page_size, ring_bytes;
};

static size_t ring_bytes(long cpus)
{
	size_t bytes = RING_BYTES;

	while (bytes > RING_LEAST && bytes * cpus > RINGS_BYTES)
		bytes /= 2;
	return bytes;
}

static int open_cpu(struct map_events *events, int cpu)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.exclude_kernel = 1,
		.sample_id_all = 1, /* each record ends in its time … */
		.sample_type = PERF_SAMPLE_TIME,
		.use_clockid = 1, /* … by the clock that the kernel side's events have */
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = 1,
	};
	struct cpu_ring ring;
	int err;

	ring.fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (ring.fd < 0)
		return -errno;
	ring.page = mmap(NULL, events->page_size + events->ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			 ring.fd, 0);
	if (ring.page == MAP_FAILED) {
		err = -errno;
		close(ring.fd);
		return err;
	}
	if (vec_push(&events->rings, ring)) {
		munmap(ring.page, events->page_size + events->ring_bytes);
		close(ring.fd);
		return -ENOMEM;
	}
	return 0;
}

int map_events__new(struct map_events **made, struct error *error)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct map_events *events = calloc(1, sizeof(*events));
	int err = 0;

	if (!events)
		return error__set(error, ENOMEM, "out of memory");
	events->page_size = sysconf(_SC_PAGESIZE);
	events->ring_bytes = ring_bytes(cpus);
	for (long cpu = 0; cpu < cpus; cpu++) {
		err = open_cpu(events, cpu);
		if (err == -ENODEV) /* offline */
			err = 0;
		if (err)
			break;
	}
	if (!err && !events->rings.count)
		err = -ENODEV;
	if (err) {
		map_events__free(events);
		return error__set(error, -err, "cannot watch for new libraries (perf_event_open): %s",
				  strerror(-err));
	}
	*made = events;
	return 0;
}

void map_events__free(struct map_events *events)
{
	if (!events)
		return;
	vec_each (ring, &events->rings) {
		munmap(ring->page, events->page_size + events->ring_bytes);
		close(ring->fd);
	}
	vec_free(&events->rings);
	map_records__free(&events->records);
	free(events);
}

size_t map_events__count(const struct map_events *events)
{
	return events->rings.count;
}

int map_events__fd(const struct map_events *events, size_t index)
{
	return events->rings.items[index].fd;
}

static bool take_ring(struct map_events *events, struct cpu_ring *ring)
{
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE),
		 tail = ring->page->data_tail;

	if (head == tail)
		return false;
	map_records__take(&events->records, (const uint8_t *)ring->page + events->page_size,
			  events->ring_bytes, tail, head);
	__atomic_store_n(&ring->page->data_tail, head, __ATOMIC_RELEASE);
	return true;
}

bool map_events__collect(struct map_events *events)
{
	bool came = false;

	vec_each (ring, &events->rings)
		came |= take_ring(events, ring);
	if (came)
		map_records__sort(&events->records);
	return came;
}

struct map_records *map_events__records(struct map_events *events)
{
	return &events->records;
}

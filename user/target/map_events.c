// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "target/map_events.h"

#include <errno.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "base/vec.h"

#define DATA_PAGES 16u /* a power of two */

struct cpu_ring {
	int fd;
	struct perf_event_mmap_page *page;
};

struct map_events {
	VEC(struct cpu_ring) rings;
	size_t page_size;
};

/* PERF_RECORD_COMM up to the name. */
struct comm_record {
	struct perf_event_header header;
	uint32_t pid, tid;
};

/* PERF_RECORD_MMAP2 without build ids, up to its file name (perf_event_open(2)). */
struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t addr, len, pgoff;
	uint32_t maj, min;
	uint64_t ino, ino_generation;
	uint32_t prot, flags;
};

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
		.watermark = 1,
		.wakeup_watermark = 1,
	};
	struct cpu_ring ring;
	int err;

	ring.fd = syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (ring.fd < 0)
		return -errno;
	ring.page = mmap(NULL, (DATA_PAGES + 1) * events->page_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 ring.fd, 0);
	if (ring.page == MAP_FAILED) {
		err = -errno;
		close(ring.fd);
		return err;
	}
	if (vec_push(&events->rings, ring)) {
		munmap(ring.page, (DATA_PAGES + 1) * events->page_size);
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
		munmap(ring->page, (DATA_PAGES + 1) * events->page_size);
		close(ring->fd);
	}
	vec_free(&events->rings);
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

/* Copies @size bytes from @position on, around the ring's end. */
static void copy_out(const struct map_events *events, const struct cpu_ring *ring, uint64_t position,
		     void *to, size_t size)
{
	const size_t bytes = DATA_PAGES * events->page_size;
	const uint8_t *data = (const uint8_t *)ring->page + events->page_size;

	for (size_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = data[(position + i) % bytes];
}

/* Executable mappings only are recorded, so that is what they are. */
static void hand_over_mapping(const struct map_events *events, const struct cpu_ring *ring, uint64_t position,
			      size_t size, map_event_fn *fn, void *context)
{
	struct mmap2_record record;
	struct map_event event = {.type = MAP_EVENT_MAPPED};
	char path[PATH_MAX + 1];
	size_t length = size - sizeof(record);

	if (size < sizeof(record))
		return;
	copy_out(events, ring, position, &record, sizeof(record));
	if (length > PATH_MAX)
		length = PATH_MAX;
	copy_out(events, ring, position + sizeof(record), path, length);
	path[length] = '\0';
	event.pid = record.pid;
	event.mapping = (struct mapping){
		.start = record.addr,
		.end = record.addr + record.len,
		.offset = record.pgoff,
		.device = makedev(record.maj, record.min),
		.inode = record.ino,
		.flags = MAPPING_READ | MAPPING_EXEC,
		.path = strcmp(path, "//anon") ? path : "",
	};
	if (event.mapping.end > event.mapping.start)
		fn(&event, context);
}

static void hand_over_exec(const struct map_events *events, const struct cpu_ring *ring, uint64_t position,
			   size_t size, map_event_fn *fn, void *context)
{
	struct map_event event = {.type = MAP_EVENT_EXEC};
	struct comm_record record;

	if (size < sizeof(record))
		return;
	copy_out(events, ring, position, &record, sizeof(record));
	size -= sizeof(record);
	if (size > sizeof(event.comm) - 1)
		size = sizeof(event.comm) - 1;
	copy_out(events, ring, position + sizeof(record), event.comm, size);
	for (char *c = event.comm; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	event.pid = record.pid;
	fn(&event, context);
}

static void hand_over(const struct map_events *events, const struct cpu_ring *ring, uint64_t position,
		      const struct perf_event_header *header, map_event_fn *fn, void *context)
{
	struct map_event event = {.type = MAP_EVENT_LOST};

	switch (header->type) {
	case PERF_RECORD_MMAP2:
		hand_over_mapping(events, ring, position, header->size, fn, context);
		break;
	case PERF_RECORD_COMM:
		if (header->misc & PERF_RECORD_MISC_COMM_EXEC)
			hand_over_exec(events, ring, position, header->size, fn, context);
		break;
	case PERF_RECORD_LOST:
		fn(&event, context);
		break;
	}
}

static void drain_ring(const struct map_events *events, struct cpu_ring *ring, map_event_fn *fn,
		       void *context)
{
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE),
		 tail = ring->page->data_tail;
	struct perf_event_header header;

	while (head - tail >= sizeof(header)) {
		copy_out(events, ring, tail, &header, sizeof(header));
		if (header.size < sizeof(header) || header.size > head - tail)
			break;
		hand_over(events, ring, tail, &header, fn, context);
		tail += header.size;
	}
	__atomic_store_n(&ring->page->data_tail, head, __ATOMIC_RELEASE);
}

void map_events__drain(struct map_events *events, map_event_fn *fn, void *context)
{
	for (size_t i = 0; i < events->rings.count; i++)
		drain_ring(events, &events->rings.items[i], fn, context);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "target/map_records.h"

#include <errno.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* They are handed on as soon as they are in order: this is far above what the rings of many CPUs hold. */
#define MAX_BYTES (16u << 20)

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

/* A record in its ring, around whose end it may go. */
struct raw {
	const uint8_t *ring;
	size_t ring_size;
	uint64_t position;
	size_t size; /* without the time at its end */
};

static void copy_out(const struct raw *raw, size_t offset, void *to, size_t size)
{
	size_t from = (raw->position + offset) % raw->ring_size, first = raw->ring_size - from;

	if (first > size)
		first = size;
	memcpy(to, raw->ring + from, first);
	memcpy((uint8_t *)to + first, raw->ring, size - first);
}

static size_t bytes_of(const struct map_event *event)
{
	return sizeof(struct map_record) + (event->mapping.path ? strlen(event->mapping.path) + 1 : 0);
}

/* Takes over the event's path. */
static void add(struct map_records *records, const struct map_event *event)
{
	size_t bytes = bytes_of(event);

	if (records->bytes + bytes > MAX_BYTES ||
	    vec_push(&records->items, (struct map_record){*event, records->numbered})) {
		records->lost = true;
		free(event->mapping.path);
		return;
	}
	records->numbered++;
	records->bytes += bytes;
}

/* Executable mappings only are recorded, so that is what they are. */
static void take_mapping(struct map_records *records, const struct raw *raw, uint64_t time_ns)
{
	struct map_event event = {.type = MAP_EVENT_MAPPED, .time_ns = time_ns};
	struct mmap2_record record;
	char path[PATH_MAX + 1];
	size_t length;

	if (raw->size < sizeof(record)) {
		records->lost = true;
		return;
	}
	copy_out(raw, 0, &record, sizeof(record));
	length = raw->size - sizeof(record);
	if (length > PATH_MAX)
		length = PATH_MAX;
	copy_out(raw, sizeof(record), path, length);
	path[length] = '\0';
	if (!record.len || __builtin_add_overflow(record.addr, record.len, &event.mapping.end))
		return;
	event.pid = record.pid;
	event.mapping.start = record.addr;
	event.mapping.offset = record.pgoff;
	event.mapping.device = makedev(record.maj, record.min);
	event.mapping.inode = record.ino;
	event.mapping.flags = MAPPING_READ | MAPPING_EXEC;
	event.mapping.path = strdup(strcmp(path, "//anon") ? path : "");
	if (event.mapping.path)
		add(records, &event);
	else
		records->lost = true;
}

static void take_exec(struct map_records *records, const struct raw *raw, uint64_t time_ns)
{
	struct map_event event = {.type = MAP_EVENT_EXEC, .time_ns = time_ns};
	struct comm_record record;
	size_t length;

	if (raw->size < sizeof(record)) {
		records->lost = true;
		return;
	}
	copy_out(raw, 0, &record, sizeof(record));
	length = raw->size - sizeof(record);
	if (length > sizeof(event.comm) - 1)
		length = sizeof(event.comm) - 1;
	copy_out(raw, sizeof(record), event.comm, length);
	for (char *c = event.comm; *c; c++) {
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	event.pid = record.pid;
	add(records, &event);
}

/* False: it is none, and where the next one begins is not known either. */
static bool take_one(struct map_records *records, const struct raw *at, size_t left, size_t *size)
{
	struct perf_event_header header;
	struct raw raw = *at;
	uint64_t time_ns;

	if (left < sizeof(header))
		return false;
	copy_out(&raw, 0, &header, sizeof(header));
	if (header.size < sizeof(header) + sizeof(time_ns) || header.size > left)
		return false;
	*size = header.size;
	raw.size = header.size - sizeof(time_ns);
	copy_out(&raw, raw.size, &time_ns, sizeof(time_ns));
	if (header.type == PERF_RECORD_MMAP2)
		take_mapping(records, &raw, time_ns);
	else if (header.type == PERF_RECORD_COMM && (header.misc & PERF_RECORD_MISC_COMM_EXEC))
		take_exec(records, &raw, time_ns);
	else if (header.type == PERF_RECORD_LOST)
		records->lost = true;
	return true;
}

void map_records__take(struct map_records *records, const void *ring, size_t size, uint64_t tail,
		       uint64_t head)
{
	struct raw raw = {.ring = ring, .ring_size = size, .position = tail};
	size_t taken = 0;

	if (head - tail > size) {
		records->lost = true;
		return;
	}
	for (; raw.position != head; raw.position += taken) {
		if (!take_one(records, &raw, head - raw.position, &taken)) {
			records->lost = true;
			return;
		}
	}
}

static int compare(const void *a, const void *b)
{
	const struct map_record *left = a, *right = b;

	if (left->event.time_ns != right->event.time_ns)
		return left->event.time_ns < right->event.time_ns ? -1 : 1;
	return left->number < right->number ? -1 : left->number > right->number;
}

void map_records__sort(struct map_records *records)
{
	size_t left = records->items.count - records->next;

	if (!left) {
		records->items.count = records->next = 0;
		return;
	}
	memmove(records->items.items, records->items.items + records->next, left * sizeof(struct map_record));
	records->items.count = left;
	records->next = 0;
	qsort(records->items.items, left, sizeof(struct map_record), compare);
}

const struct map_event *map_records__first(const struct map_records *records, uint64_t until_ns)
{
	static const struct map_event lost = {.type = MAP_EVENT_LOST};
	const struct map_event *first;

	if (records->lost)
		return &lost;
	if (records->next == records->items.count)
		return NULL;
	first = &records->items.items[records->next].event;
	return first->time_ns <= until_ns ? first : NULL;
}

void map_records__drop_first(struct map_records *records)
{
	struct map_event *first;

	if (records->lost) {
		records->lost = false;
		return;
	}
	first = &records->items.items[records->next++].event;
	records->bytes -= bytes_of(first);
	free(first->mapping.path);
}

bool map_records__has_exec(const struct map_records *records, pid_t pid, uint64_t since_ns)
{
	for (size_t i = records->next; i < records->items.count; i++) {
		const struct map_event *event = &records->items.items[i].event;

		if (event->type == MAP_EVENT_EXEC && event->pid == pid && event->time_ns > since_ns)
			return true;
	}
	return false;
}

void map_records__free(struct map_records *records)
{
	for (size_t i = records->next; i < records->items.count; i++)
		free(records->items.items[i].event.mapping.path);
	vec_free(&records->items);
	records->next = records->bytes = 0;
	records->lost = false;
}

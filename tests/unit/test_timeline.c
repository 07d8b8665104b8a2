// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The two channels as one sequence, and whose account it makes a mapping. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "session/session_private.h"

/* Adds to @records as if it had been read. */
static void put(struct map_records *records, enum map_event_type type, pid_t pid, uint64_t time,
		uint64_t start)
{
	struct map_record record = {{.type = type, .pid = pid, .time_ns = time}, records->numbered++};

	snprintf(record.event.comm, sizeof(record.event.comm), "image%llu", (unsigned long long)time);
	if (type == MAP_EVENT_MAPPED) {
		record.event.mapping = (struct mapping){.start = start,
							.end = start + 0x1000,
							.flags = MAPPING_EXEC,
							.path = strdup("/file")};
		assert_non_null(record.event.mapping.path);
	}
	assert_int_equal(vec_push(&records->items, record), 0);
	records->bytes += sizeof(record);
	if (record.event.mapping.path)
		records->bytes += strlen(record.event.mapping.path) + 1;
}

static void tell(struct timeline *timeline, enum event_type type, uint64_t time)
{
	struct event event = {.type = type, .time_ns = time};

	assert_int_equal(timeline__tell(timeline, &event), 0);
}

struct heard {
	char text[256];
};

static void hear_event(const struct event *event, void *context)
{
	struct heard *heard = context;
	size_t used = strlen(heard->text);

	snprintf(heard->text + used, sizeof(heard->text) - used, "e%llu ",
		 (unsigned long long)event->time_ns);
}

static void hear_mapping(const struct map_event *event, void *context)
{
	struct heard *heard = context;
	size_t used = strlen(heard->text);

	snprintf(heard->text + used, sizeof(heard->text) - used, "m%llu ",
		 (unsigned long long)event->time_ns);
}

static void assert_heard(struct timeline *timeline, struct map_records *records, uint64_t until,
			 const char *wanted)
{
	struct heard heard = {""};
	const struct timeline_handlers handlers = {hear_event, hear_mapping, &heard};

	map_records__sort(records);
	timeline__run(timeline, records, until, &handlers);
	assert_string_equal(heard.text, wanted);
}

static void one_sequence(void **state)
{
	struct map_records records = {0};
	struct timeline timeline = {0};

	(void)state;
	tell(&timeline, EVENT_FORK, 10);
	tell(&timeline, EVENT_EXEC, 30);
	put(&records, MAP_EVENT_MAPPED, 1, 40, 0);
	put(&records, MAP_EVENT_MAPPED, 1, 20, 0);
	put(&records, MAP_EVENT_MAPPED, 1, 5, 0);
	put(&records, MAP_EVENT_EXEC, 1, 30, 0);
	assert_heard(&timeline, &records, 100, "m5 e10 m20 m30 e30 m40 ");
	assert_heard(&timeline, &records, 100, "");
	timeline__free(&timeline);
	map_records__free(&records);
}

/* A mapping after the moment that was safe waits for what may come before it; an event never waits. */
static void what_is_due(void **state)
{
	struct map_records records = {0};
	struct timeline timeline = {0};

	(void)state;
	put(&records, MAP_EVENT_MAPPED, 1, 49, 0);
	put(&records, MAP_EVENT_MAPPED, 1, 51, 0);
	put(&records, MAP_EVENT_MAPPED, 1, 71, 0);
	tell(&timeline, EVENT_FORK, 60);
	assert_heard(&timeline, &records, 50, "m49 m51 e60 "); /* those before an event are complete, too */
	tell(&timeline, EVENT_FORK, 70);
	assert_heard(&timeline, &records, 65, "e70 ");
	assert_heard(&timeline, &records, 75, "m71 ");
	timeline__free(&timeline);
	map_records__free(&records);
}

/* Two CPUs stamped their events in one order and got their places in the other: the places count. */
static void events_keep_their_places(void **state)
{
	struct map_records records = {0};
	struct timeline timeline = {0};

	(void)state;
	tell(&timeline, EVENT_MMAP, 12);
	tell(&timeline, EVENT_FORK, 10);
	tell(&timeline, EVENT_MUNMAP, 14);
	put(&records, MAP_EVENT_MAPPED, 1, 11, 0);
	put(&records, MAP_EVENT_MAPPED, 1, 13, 0);
	assert_heard(&timeline, &records, 100, "m11 e12 e10 m13 e14 ");
	timeline__free(&timeline);
	map_records__free(&records);
}

static void full_at_some_number(void **state)
{
	struct map_records records = {0};
	struct timeline timeline = {0};
	size_t told = 0;

	(void)state;
	for (; !timeline__is_full(&timeline); told++)
		tell(&timeline, EVENT_MMAP, told);
	assert_in_range(told, 1000, 100000);
	timeline__run(&timeline, &records, 0,
		      &(struct timeline_handlers){hear_event, hear_mapping, &(struct heard){""}});
	assert_false(timeline__is_full(&timeline));
	timeline__free(&timeline);
}

static void open_account(struct session *session, struct watched *watched, uint32_t account, pid_t pid,
			 uint64_t time)
{
	*watched =
		(struct watched){.account = account, .process = {.pid = pid, .comm = "?"}, .opened_ns = time};
	assert_int_equal(vec_push(&session->watched, watched), 0);
}

static void book(struct session *session, enum map_event_type type, pid_t pid, uint64_t time, uint64_t start)
{
	struct map_event event = {.type = type, .pid = pid, .time_ns = time};

	snprintf(event.comm, sizeof(event.comm), "image%llu", (unsigned long long)time);
	event.mapping = (struct mapping){.start = start, .end = start + 0x1000, .path = (char[]){"/file"}};
	assert_int_equal(mapped__book(session, &event), 0);
}

/* @wanted: the starts, in KiB, of what the account is known to have mapped. */
static void assert_seen(const struct watched *watched, const char *wanted)
{
	char text[256] = "";

	vec_each (mapping, &watched->seen) {
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%u ", (unsigned)(mapping->start >> 10));
	}
	assert_string_equal(text, wanted);
}

static void end_session(struct session *session)
{
	vec_each (watched, &session->watched)
		maps__free(&(*watched)->seen);
	vec_free(&session->watched);
	vec_each (coming, &session->coming)
		maps__free(&coming->maps);
	vec_free(&session->coming);
	vec_each (note, &session->notes)
		free(*note);
	vec_free(&session->notes);
}

/* What an exec maps before its account is open is the new image's, and the old one keeps what it had. */
static void an_exec(void **state)
{
	struct session session = {0};
	struct watched old, new, other;

	(void)state;
	open_account(&session, &old, 1, 42, 100);
	open_account(&session, &other, 2, 43, 100);
	book(&session, MAP_EVENT_MAPPED, 42, 110, 0x1000);
	book(&session, MAP_EVENT_EXEC, 42, 120, 0);
	book(&session, MAP_EVENT_MAPPED, 42, 130, 0x1000);
	book(&session, MAP_EVENT_MAPPED, 43, 131, 0x5000);
	book(&session, MAP_EVENT_MAPPED, 42, 132, 0x2000);
	assert_seen(&old, "4 ");
	old.closing = true;
	open_account(&session, &new, 3, 42, 140);
	mapped__open_image(&session, &new);
	assert_seen(&new, "4 8 ");
	assert_string_equal(new.process.comm, "image120");
	book(&session, MAP_EVENT_MAPPED, 42, 150, 0x3000);
	assert_seen(&new, "4 8 12 ");
	assert_seen(&old, "4 ");
	assert_seen(&other, "20 ");
	assert_int_equal(session.coming.count, 0);
	end_session(&session);
}

/* The exec of a program that memwatch starts comes before its account is opened, and /proc is read then. */
static void before_the_account(void **state)
{
	struct session session = {0};
	struct watched watched;

	(void)state;
	open_account(&session, &watched, 1, 42, 100);
	watched.maps_changed = false;
	book(&session, MAP_EVENT_EXEC, 42, 90, 0);
	book(&session, MAP_EVENT_MAPPED, 42, 95, 0x1000);
	assert_seen(&watched, "");
	assert_false(watched.maps_changed);
	book(&session, MAP_EVENT_MAPPED, 42, 105, 0x2000);
	assert_seen(&watched, "8 ");
	assert_true(watched.maps_changed);
	end_session(&session);
}

/* An exec that fails too late ends the process: its number's next owner has nothing of it. */
static void an_exec_that_fails(void **state)
{
	struct session session = {0};
	struct watched first, second;

	(void)state;
	open_account(&session, &first, 1, 42, 100);
	book(&session, MAP_EVENT_EXEC, 42, 110, 0);
	book(&session, MAP_EVENT_MAPPED, 42, 111, 0x1000);
	first.closing = true;
	mapped__forget(&session, 42);
	book(&session, MAP_EVENT_MAPPED, 42, 120, 0x2000); /* not watched now */
	open_account(&session, &second, 2, 42, 130);
	book(&session, MAP_EVENT_MAPPED, 42, 140, 0x3000);
	assert_seen(&first, "");
	assert_seen(&second, "12 ");
	end_session(&session);
}

/* Two execs, of which the first one's account was lost: the last one's mappings count. */
static void an_exec_after_an_exec(void **state)
{
	struct session session = {0};
	struct watched old, new;

	(void)state;
	open_account(&session, &old, 1, 42, 100);
	book(&session, MAP_EVENT_EXEC, 42, 110, 0);
	book(&session, MAP_EVENT_MAPPED, 42, 111, 0x1000);
	book(&session, MAP_EVENT_EXEC, 42, 120, 0);
	book(&session, MAP_EVENT_MAPPED, 42, 121, 0x2000);
	old.closing = true;
	open_account(&session, &new, 2, 42, 130);
	mapped__open_image(&session, &new);
	assert_seen(&new, "8 ");
	end_session(&session);
}

static void not_watched(void **state)
{
	struct session session = {0};

	(void)state;
	book(&session, MAP_EVENT_EXEC, 42, 110, 0);
	book(&session, MAP_EVENT_MAPPED, 42, 111, 0x1000);
	assert_int_equal(session.coming.count, 0);
	end_session(&session);
}

static void losses(void **state)
{
	struct session session = {0};
	struct watched first, second;

	(void)state;
	open_account(&session, &first, 1, 42, 100);
	open_account(&session, &second, 2, 43, 100);
	book(&session, MAP_EVENT_LOST, 0, 0, 0);
	assert_true(first.maps_changed && second.maps_changed);
	assert_int_equal(session.notes.count, 1);
	book(&session, MAP_EVENT_LOST, 0, 0, 0);
	assert_int_equal(session.notes.count, 1);
	end_session(&session);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_sequence),
		cmocka_unit_test(what_is_due),
		cmocka_unit_test(events_keep_their_places),
		cmocka_unit_test(full_at_some_number),
		cmocka_unit_test(an_exec),
		cmocka_unit_test(before_the_account),
		cmocka_unit_test(an_exec_that_fails),
		cmocka_unit_test(an_exec_after_an_exec),
		cmocka_unit_test(not_watched),
		cmocka_unit_test(losses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

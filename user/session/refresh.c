// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* From the ledger's rows to the profiles' samples. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "session/images.h"
#include "session/session_private.h"
#include "snapshot/engine_unwind.h"

#define ATTEND_NS 1000000ull

struct age_filter {
	struct session *session;
	uint64_t born_before;
};

static void add_old(struct session *session, uint32_t total, uint64_t bytes, uint64_t count)
{
	if (total >= session->old.count)
		return; /* a row that came after this snapshot began */
	session->old.items[total].bytes += bytes;
	session->old.items[total].count += count;
}

static void add_block(const struct live_key *key, const struct live_value *value, void *context)
{
	struct age_filter *filter = context;

	(void)key;
	if (value->birth_ns <= filter->born_before)
		add_old(filter->session, value->total, value->size, 1);
}

static void add_mappings(struct session *session, const struct mappings *mappings, uint64_t born_before)
{
	uint32_t last_owner = UINT32_MAX;

	vec_each (range, &mappings->ranges) {
		if (range->birth_ns > born_before)
			continue;
		/* Pieces of one mapping count once; they are neighbours unless others were mapped into their
		 * gaps. */
		add_old(session, mappings->owners.items[range->owner].total, range->end - range->start,
			range->owner != last_owner);
		last_owner = range->owner;
	}
}

static int collect_old(struct session *session, uint32_t rows, struct error *error)
{
	struct age_filter filter = {session, clock__monotonic() - session->options.older_ns};
	int err;

	if (vec_reserve(&session->old, rows))
		return error__set(error, ENOMEM, "out of memory");
	session->old.count = rows;
	memset(session->old.items, 0, rows * sizeof(*session->old.items));
	err = engine__walk_live(session->engine, add_block, &filter);
	if (err)
		return error__set(error, -err, "cannot read the table of live blocks: %s", strerror(-err));
	vec_each (watched, &session->watched)
		add_mappings(session, &(*watched)->mappings, filter.born_before);
	return 0;
}

static int compare_accounts(const void *a, const void *b)
{
	uint32_t left = (*(struct watched *const *)a)->account,
		 right = (*(struct watched *const *)b)->account;

	return left < right ? -1 : left > right;
}

static struct watched *find_sorted(const struct session *session, uint32_t account)
{
	size_t low = 0, high = session->watched.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (session->watched.items[middle]->account < account)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < session->watched.count && session->watched.items[low]->account == account)
		return session->watched.items[low];
	return NULL;
}

/* All rows as they are now, by index; those that are not ready are zeros. */
static int read_rows(struct session *session, struct error *error)
{
	uint32_t count = engine__total_count(session->engine);

	if (vec_reserve(&session->rows, count))
		return error__set(error, ENOMEM, "out of memory");
	session->rows.count = count;
	for (uint32_t row = 0; row < count; row++) {
		if (!row || !engine__total(session->engine, row, &session->rows.items[row]))
			session->rows.items[row] = (struct total){0};
	}
	return 0;
}

static int update_row(struct session *session, uint32_t row, bool due, struct error *error)
{
	const struct old_blocks *old = session->options.older_ns ? &session->old.items[row] : NULL;
	const struct total *total = &session->rows.items[row];
	struct watched *watched = total->ready ? find_sorted(session, total->key.account) : NULL;
	int err;

	if (!watched || watched->ended || (due && !watched->due))
		return 0;
	err = watched__update(watched, session->engine, row, total, old, &session->options.skip);
	return err ? error__set(error, -err, "cannot read a stack: %s", strerror(-err)) : 0;
}

static void sort_accounts(struct session *session)
{
	if (session->watched.count)
		qsort(session->watched.items, session->watched.count, sizeof(struct watched *),
		      compare_accounts);
}

/* Resolving stacks can take seconds, in which programs go on to map code that they allocate in. */
static int update_rows(struct session *session, bool due, struct error *error)
{
	uint64_t attended = clock__monotonic();
	int err = 0;

	sort_accounts(session);
	for (uint32_t row = 1; !err && row < session->rows.count; row++) {
		uint64_t now = clock__monotonic();

		if (now - attended >= ATTEND_NS && now >= session->rest_ns) {
			err = session__attend(session, error);
			sort_accounts(session);
			attended = clock__monotonic();
		}
		err = err ? err : update_row(session, row, due, error);
	}
	return err;
}

static int refresh(struct session *session, bool due, struct error *error)
{
	int err;

	/*
	 * Code is mapped before it allocates: what is learned of mappings after the rows have been read is
	 * all that their stacks need.
	 */
	err = read_rows(session, error);
	if (!err && session->options.older_ns)
		err = collect_old(session, session->rows.count, error);
	err = err ? err : session__catch_up(session, error);
	if (err)
		return err;
	vec_each (watched, &session->watched) {
		if (!(*watched)->ended && (!due || (*watched)->due))
			images__learn(session, *watched);
	}
	err = update_rows(session, due, error);
	if (!err)
		symbolizer__trim(session->symbolizer);
	engine__drop_unused_tables(session->engine);
	return err;
}

int session__refresh(struct session *session, struct error *error)
{
	return refresh(session, false, error);
}

int session__refresh_due(struct session *session, struct error *error)
{
	return refresh(session, true, error);
}

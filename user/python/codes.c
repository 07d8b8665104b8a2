// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "python/codes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* uthash ends the program when memory runs out unless it is told that its caller looks after that. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Of those that stood at one address in one round; a program that compiles in a loop would fill memory. */
#define EARLIER_MAX 8

struct entry {
	struct python_code code;
	struct python_line_map map;
	size_t bytes;
	uint64_t round; /* in which it was last seen to be there, or not to be */
	bool gone;
	size_t earlier_count;
	struct entry *earlier; /* what stood at this address before, the last one first */
	UT_hash_handle hh;     /* by code.address */
};

struct python_codes {
	struct python_remote remote;
	struct entry *entries;
	uint64_t round;
	struct python_codes_stats stats;
};

struct python_codes *python_codes__new(pid_t pid, const struct python_offsets *offsets)
{
	struct python_codes *codes = calloc(1, sizeof(*codes));

	if (codes) {
		codes->remote = python_remote__of(pid, offsets);
		codes->round = 1;
	}
	return codes;
}

static void entry__free(struct python_codes *codes, struct entry *entry)
{
	codes->stats.bytes -= entry->bytes;
	codes->stats.count--;
	python_line_map__free(&entry->map);
	python_code__free(&entry->code);
	free(entry);
}

static void free_earlier(struct python_codes *codes, struct entry *entry)
{
	struct entry *next;

	for (struct entry *earlier = entry->earlier; earlier; earlier = next) {
		next = earlier->earlier;
		entry__free(codes, earlier);
	}
	entry->earlier = NULL;
	entry->earlier_count = 0;
}

static void forget(struct python_codes *codes, struct entry *entry)
{
	HASH_DEL(codes->entries, entry);
	free_earlier(codes, entry);
	entry__free(codes, entry);
}

static void forget_all(struct python_codes *codes)
{
	struct entry *entry, *next;

	HASH_ITER (hh, codes->entries, entry, next)
		forget(codes, entry);
}

void python_codes__free(struct python_codes *codes)
{
	if (!codes)
		return;
	forget_all(codes);
	free(codes);
}

void python_codes__begin_round(struct python_codes *codes)
{
	codes->round++;
	for (struct entry *entry = codes->entries; entry; entry = entry->hh.next)
		free_earlier(codes, entry);
}

/* The line map is reckoned in at its largest before it is made. */
static size_t size_of(const struct python_code *code)
{
	return sizeof(struct entry) + strlen(code->file) + strlen(code->name) +
	       (code->qualified_name ? strlen(code->qualified_name) : 0) + code->lines.size * 9;
}

static struct entry *find(const struct python_codes *codes, uint64_t address)
{
	struct entry *entry;

	HASH_FIND(hh, codes->entries, &address, sizeof(address), entry);
	return entry;
}

static bool is_same(const struct python_identity *one, const struct python_identity *other)
{
	return one->fields == other->fields && one->contents == other->contents;
}

/* Takes @code over as what is at its address now, before @old if there was something else. */
static int add(struct python_codes *codes, struct python_code *code, struct entry *old, struct entry **added)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return -ENOMEM;
	entry->code = *code;
	entry->bytes = size_of(code);
	entry->round = codes->round;
	if (old) {
		HASH_DEL(codes->entries, old);
		if (old->earlier_count >= EARLIER_MAX)
			free_earlier(codes, old);
		entry->earlier = old;
		entry->earlier_count = old->earlier_count + 1;
		codes->stats.replaced++;
	}
	codes->stats.count++;
	codes->stats.bytes += entry->bytes;
	HASH_ADD(hh, codes->entries, code.address, sizeof(entry->code.address), entry);
	if (!entry->hh.tbl) {
		/* Out of memory: nothing of it is in the table. */
		memset(code, 0, sizeof(*code));
		free_earlier(codes, entry);
		entry__free(codes, entry);
		return -ENOMEM;
	}
	memset(code, 0, sizeof(*code));
	*added = entry;
	return 0;
}

/* What cannot be read any more was what it was. */
static bool is_gone(int err)
{
	return err == -EBADMSG || err == -EFAULT || err == -EAGAIN || err == -ESRCH;
}

static int look(struct python_codes *codes, uint64_t address, struct entry *known, struct entry **found,
		struct error *error)
{
	struct error reason = {0};
	struct python_code code;
	int err = python_code__read(&codes->remote, address, &code, &reason);

	codes->stats.read++;
	if (known && (is_gone(err) || (err == 0 && is_same(&code.identity, &known->code.identity)))) {
		known->round = codes->round;
		known->gone = err < 0;
		codes->stats.gone += err < 0;
		if (err == 0)
			python_code__free(&code);
		*found = known;
		return 0;
	}
	if (err < 0) {
		codes->stats.failed++;
		error__set(error, -err, "%s", reason.text);
		return err;
	}
	err = add(codes, &code, known, found);
	if (err < 0) {
		python_code__free(&code);
		return error__set(error, ENOMEM, "out of memory for a code object");
	}
	return 0;
}

static int get(struct python_codes *codes, uint64_t address, struct entry **found, struct error *error)
{
	struct entry *known = find(codes, address);

	if (known && known->round == codes->round) {
		*found = known;
		return 0;
	}
	if (codes->stats.bytes > PYTHON_CODES_BYTES_MAX) {
		forget_all(codes);
		codes->stats.forgotten++;
		known = NULL;
	}
	return look(codes, address, known, found, error);
}

int python_codes__get(struct python_codes *codes, uint64_t address, const struct python_code **code,
		      bool *gone, struct error *error)
{
	struct entry *entry;
	int err = get(codes, address, &entry, error);

	if (err < 0)
		return err;
	*code = &entry->code;
	*gone = entry->gone;
	return 0;
}

const struct python_code *python_codes__find(const struct python_codes *codes, uint64_t address,
					     const struct python_identity *identity)
{
	for (const struct entry *entry = find(codes, address); entry; entry = entry->earlier) {
		if (is_same(&entry->code.identity, identity))
			return &entry->code;
	}
	return NULL;
}

int python_codes__lookup(struct python_codes *codes, uint64_t address, int64_t lasti,
			 struct python_place *place, struct error *error)
{
	enum python_instruction kind = codes->remote.offsets->frame.instruction_kind;
	struct entry *entry;
	int err = get(codes, address, &entry, error);

	if (err < 0)
		return err;
	if (!entry->map.built && python_line_map__build(&entry->map, &entry->code.lines) < 0)
		return error__set(error, ENOMEM, "out of memory for a line table");
	*place = (struct python_place){
		.file = entry->code.file,
		.function = python_code__function(&entry->code),
		.line = python_line_map__at(&entry->map, python_lines__offset(kind, lasti)),
		.first_line = entry->code.lines.first_line,
		.gone = entry->gone,
	};
	return 0;
}

void python_codes__stats(const struct python_codes *codes, struct python_codes_stats *stats)
{
	*stats = codes->stats;
	stats->calls = codes->remote.calls;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "session/pythons.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "python/code.h"
#include "python/python_find.h"
#include "session/session_private.h"
#include "snapshot/engine_unwind.h"

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* A code object by the number that the kernel side has given it. */
struct known_code {
	uint32_t id;
	struct python_code code;
	UT_hash_handle hh;
};

/* One that the kernel side has told of before its interpreter was found: a forked child's, by its parent's.
 */
struct untold_code {
	uint32_t id;
	uint64_t address, identity;
};

struct known_frame {
	uint64_t word;
	struct symbol symbol;
	struct symbol_line line;
	UT_hash_handle hh;
};

struct pythons {
	struct python *python; /* NULL: none is known (yet) */
	struct python_remote remote;
	bool refused;         /* there is none, or none that can be followed */
	bool waiting;         /* it has not started yet */
	uint64_t patience_ns; /* CLOCK_MONOTONIC until when what makes no sense is looked at again; 0: not yet
				 set */
	struct known_code *codes;
	VEC(struct untold_code) untold;
	struct known_frame *frames;
	uint64_t gone; /* code objects that vanished before they could be read */
};

void pythons__free(struct pythons *pythons)
{
	struct known_code *code, *next_code;
	struct known_frame *frame, *next_frame;

	if (!pythons)
		return;
	HASH_ITER (hh, pythons->codes, code, next_code) {
		HASH_DEL(pythons->codes, code);
		python_code__free(&code->code);
		free(code);
	}
	HASH_ITER (hh, pythons->frames, frame, next_frame) {
		HASH_DEL(pythons->frames, frame);
		free(frame);
	}
	vec_free(&pythons->untold);
	python__free(pythons->python);
	free(pythons);
}

static uint32_t larger(uint32_t one, uint32_t other)
{
	return other != PYTHON_ABSENT && other > one ? other : one;
}

static uint32_t key_type(enum python_key_kind kind)
{
	switch (kind) {
	case PYTHON_KEY_GLIBC:
		return PYTHON_STATE_GLIBC;
	case PYTHON_KEY_MUSL:
		return PYTHON_STATE_MUSL;
	default:
		return PYTHON_STATE_NONE;
	}
}

static uint32_t counting(uint32_t kind)
{
	switch (kind) {
	case PYTHON_LASTI_BYTES:
		return PYTHON_COUNTS_BYTES;
	case PYTHON_LASTI_UNITS:
		return PYTHON_COUNTS_UNITS;
	default:
		return PYTHON_IS_ADDRESS;
	}
}

_Static_assert(PYTHON_ABSENT == PYTHON_NO_FIELD && PYTHON_EVAL_MAX <= PYTHON_RANGES_MAX,
	       "the table's and the kernel side's");

static struct python_layout layout_of(const struct python *python)
{
	const struct python_offsets *offsets = &python->offsets;
	struct python_layout layout = {
		.code_mask = offsets->frame.code_mask,
		.key_type = key_type(python->key.kind),
		.key = python->key.key,
		.key_first = python->key.first,
		.key_second = python->key.second,
		.thread_id = offsets->thread.thread_id,
		.thread_frame = offsets->thread.frame,
		.thread_cframe = offsets->thread.cframe,
		.cframe_frame = offsets->cframe.current_frame,
		.previous = offsets->frame.previous,
		.code = offsets->frame.code,
		.instruction = offsets->frame.instruction,
		.owner = offsets->frame.owner,
		.is_entry = offsets->frame.is_entry,
		.counting = counting(offsets->frame.instruction_kind),
		.owner_native = offsets->frame.owner_native,
		.owner_generator = offsets->frame.owner_generator,
		.instructions = offsets->code.code,
		.first_traceable = offsets->code.first_traceable,
		.filename = offsets->code.filename,
		.name = offsets->code.name,
		.line_table = offsets->code.line_table,
		.first_line = offsets->code.first_line,
		.range_count = (uint32_t)python->image.eval_count,
	};

	if (python->runtime && offsets->runtime.tstate_current != PYTHON_ABSENT)
		layout.current = python->runtime + offsets->runtime.tstate_current;
	if (layout.is_entry != PYTHON_ABSENT)
		layout.cframe_previous = layout.cframe_frame + 8; /* struct _PyCFrame, 3.11 */
	layout.frame_bytes = larger(larger(layout.previous, layout.code),
				    larger(larger(layout.instruction, layout.owner), layout.is_entry)) +
			     8;
	layout.code_bytes =
		larger(larger(layout.filename, layout.name),
		       larger(larger(layout.line_table, layout.first_line), layout.first_traceable)) +
		8;
	for (uint32_t i = 0; i < layout.range_count; i++) {
		layout.ranges[i].start = python->image.eval[i].start + python->bias;
		layout.ranges[i].end = python->image.eval[i].end + python->bias;
	}
	return layout;
}

/* What the kernel side took for the identity of the object at @address. */
static int read_identity(struct pythons *pythons, uint64_t address, uint64_t *identity)
{
	const struct python_offsets *offsets = &pythons->python->offsets;
	uint64_t words[PYTHON_CODE_BYTES / 8], name_hash, table[PYTHON_BYTES_WORDS];
	struct error error;
	uint32_t line;
	int err = python_remote__read(&pythons->remote, address, words, sizeof(words), &error);

	if (err)
		return err;
	err = python_remote__read(&pythons->remote, words[offsets->code.name / 8] + PYTHON_STR_HASH,
				  &name_hash, sizeof(name_hash), &error);
	if (!err)
		err = python_remote__read(&pythons->remote,
					  words[offsets->code.line_table / 8] + PYTHON_BYTES_SIZE, table,
					  sizeof(table), &error);
	if (err)
		return err;
	if (table[0] < 16)
		table[2] = table[3] = 0;
	memcpy(&line, (char *)words + offsets->code.first_line, sizeof(line));
	*identity = PYTHON_IDENTITY(words[offsets->code.filename / 8], words[offsets->code.name / 8],
				    words[offsets->code.line_table / 8], line) +
		    PYTHON_CONTENTS(name_hash, table);
	return 0;
}

static int read_code(struct pythons *pythons, const struct untold_code *told)
{
	uint64_t identity = 0;
	struct known_code *known = calloc(1, sizeof(*known));
	struct error why;

	if (!known)
		return -ENOMEM;
	known->id = told->id;
	if (python_code__read(&pythons->remote, told->address, &known->code, &why) ||
	    read_identity(pythons, told->address, &identity) || identity != told->identity) {
		python_code__free(&known->code);
		free(known);
		pythons->gone++;
		return 0;
	}
	HASH_ADD(hh, pythons->codes, id, sizeof(known->id), known);
	if (known->hh.tbl)
		return 0;
	python_code__free(&known->code);
	free(known);
	return -ENOMEM;
}

int pythons__learn(struct watched *watched, const struct event *event)
{
	struct untold_code told = {event->other, event->arg[0], event->arg[1]};

	if (!watched->pythons)
		watched->pythons = calloc(1, sizeof(*watched->pythons));
	if (!watched->pythons)
		return -ENOMEM;
	if (watched->pythons->python)
		return read_code(watched->pythons, &told);
	return vec_push(&watched->pythons->untold, told) ? -ENOMEM : 0;
}

static void describe(struct pythons *pythons, struct known_frame *frame)
{
	uint32_t id = PYTHON_FRAME_ID(frame->word);
	struct known_code *known;
	int32_t line;

	frame->symbol = (struct symbol){.kind = FRAME_PYTHON,
					.module = "",
					.build_id = "",
					.address = frame->word,
					.lines = &frame->line,
					.line_count = 1};
	frame->line = (struct symbol_line){.function = "", .linkage = "", .file = "<gone>"};
	HASH_FIND(hh, pythons->codes, &id, sizeof(id), known);
	if (!known)
		return;
	line = python_lines__at(&known->code.lines, PYTHON_FRAME_AT(frame->word));
	frame->line.function = python_code__function(&known->code);
	frame->line.file = known->code.file;
	frame->line.line = line == PYTHON_NO_LINE ? 0 : (uint32_t)line;
}

/* Reads what has been told of already; a report may have asked for frames of it. */
static int read_untold(struct pythons *pythons)
{
	struct known_frame *frame, *next;
	int err = 0;

	vec_each (told, &pythons->untold)
		err = err ? err : read_code(pythons, told);
	vec_free(&pythons->untold);
	HASH_ITER (hh, pythons->frames, frame, next)
		describe(pythons, frame);
	return err;
}

static int take_up(struct session *session, struct watched *watched, struct error *error)
{
	struct pythons *pythons = watched->pythons;
	struct python_layout layout = layout_of(pythons->python);
	int err;

	pythons->remote = python_remote__of(watched->process.pid, &pythons->python->offsets);
	if (layout.frame_bytes > PYTHON_FRAME_BYTES || layout.code_bytes > PYTHON_CODE_BYTES)
		return error__set(error, EBADMSG, "Python's structs are larger than they can be");
	err = engine__set_python(session->engine, watched->account, &layout);
	if (err)
		return error__set(error, -err, "cannot tell the kernel of Python in process %d: %s",
				  watched->process.pid, strerror(-err));
	log__say(session->log, 1, "process %d runs Python %u.%u", watched->process.pid,
		 pythons->python->offsets.version >> 8, pythons->python->offsets.version & 0xff);
	if (read_untold(pythons))
		return error__set(error, ENOMEM, "out of memory");
	return 0;
}

/*
 * While an image is loaded, its variables' place holds other parts of its file, and after that they are to be
 * relocated: what makes no sense then is no refusal yet.
 */
#define PATIENCE_NS 500000000ull

static bool may_be_loading(struct pythons *pythons, int err)
{
	uint64_t now = clock__monotonic();

	if (err != -EBADMSG && err != -EFAULT)
		return false;
	if (!pythons->patience_ns)
		pythons->patience_ns = now + PATIENCE_NS;
	return now < pythons->patience_ns;
}

int pythons__update(struct session *session, struct watched *watched, struct error *error)
{
	struct pythons *pythons = watched->pythons;
	struct error why = {""};
	int err;

	if (!pythons) {
		pythons = watched->pythons = calloc(1, sizeof(*pythons));
		if (!pythons)
			return error__set(error, ENOMEM, "out of memory");
	}
	if (pythons->python || pythons->refused)
		return 0;
	err = python__find(watched->process.pid, &watched->seen, session->images, &pythons->python, &why);
	pythons->waiting = err == -EAGAIN || may_be_loading(pythons, err);
	session->python_waiting |= pythons->waiting;
	if (!err)
		return take_up(session, watched, error);
	if (err == -ENOMEM)
		return error__set(error, ENOMEM, "out of memory");
	if (!pythons->waiting && (err == -ENOTSUP || err == -EBADMSG)) {
		pythons->refused = true;
		return session__note(session, "%s: Python lines are not shown", why.text);
	}
	return 0;
}

void pythons__retry(struct session *session)
{
	struct error error = {""};

	session->python_waiting = false;

	vec_each (watched, &session->watched) {
		struct pythons *pythons = (*watched)->pythons;

		if (!pythons || !pythons->waiting || (*watched)->ended)
			continue;
		if (pythons__update(session, *watched, &error))
			log__say(session->log, 1, "%s", error.text);
	}
}

const struct symbol *pythons__resolve(struct watched *watched, uint64_t word)
{
	struct pythons *pythons = watched->pythons;
	struct known_frame *frame;

	if (!pythons) {
		pythons = watched->pythons = calloc(1, sizeof(*pythons));
		if (!pythons)
			return NULL;
	}
	HASH_FIND(hh, pythons->frames, &word, sizeof(word), frame);
	if (frame)
		return &frame->symbol;
	frame = calloc(1, sizeof(*frame));
	if (!frame)
		return NULL;
	frame->word = word;
	describe(pythons, frame);
	HASH_ADD(hh, pythons->frames, word, sizeof(frame->word), frame);
	if (frame->hh.tbl)
		return &frame->symbol;
	free(frame);
	return NULL;
}

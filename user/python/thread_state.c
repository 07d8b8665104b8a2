// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "python/thread_state.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define THREADS_MAX      65536u /* of all interpreters; a list that was changed while it was read may go round */
#define INTERPRETERS_MAX 4096u
#define LEFT_OUT_MAX     65536u /* frames; the list may go round */

/* What is needed of a struct lies in its first bytes, in all versions; a PyThreadState is larger than that.
 */
#define STATE_SIZE 256
#define FRAME_SIZE 128

static uint64_t word_at(const uint8_t *bytes, uint32_t offset)
{
	uint64_t word;

	memcpy(&word, bytes + offset, sizeof(word));
	return word;
}

static int read_word(struct python_remote *remote, uint64_t address, uint64_t *word, struct error *error)
{
	return python_remote__read(remote, address, word, sizeof(*word), error);
}

static uint32_t larger(uint32_t one, uint32_t other)
{
	return one > other || other == PYTHON_ABSENT ? one : other;
}

/* No more may be there to be read: frames may lie at the very end of what is mapped. */
static uint32_t frame_size(const struct python_offsets *offsets)
{
	return larger(larger(offsets->frame.previous, offsets->frame.code),
		      larger(offsets->frame.instruction, offsets->frame.owner)) +
	       8;
}

bool python_offsets__fit(const struct python_offsets *offsets)
{
	uint32_t thread = larger(larger(offsets->thread.next, offsets->thread.interpreter),
				 larger(offsets->thread.thread_id, offsets->thread.native_thread_id));

	thread = larger(larger(thread, offsets->thread.frame), offsets->thread.cframe);
	return thread + 8 <= STATE_SIZE && frame_size(offsets) <= FRAME_SIZE;
}

/* --- Threads -------------------------------------------------------------------------------------- */

static int innermost_frame(const struct python *python, struct python_remote *remote, const uint8_t *state,
			   uint64_t *frame, struct error *error)
{
	const struct python_offsets *offsets = &python->offsets;

	if (offsets->thread.frame != PYTHON_ABSENT) {
		*frame = word_at(state, offsets->thread.frame);
		return 0;
	}
	return read_word(remote, word_at(state, offsets->thread.cframe) + offsets->cframe.current_frame,
			 frame, error);
}

static int read_thread(const struct python *python, struct python_remote *remote, uint64_t address,
		       uint64_t interpreter, struct python_thread *thread, uint64_t *next,
		       struct error *error)
{
	const struct python_offsets *offsets = &python->offsets;
	uint8_t state[STATE_SIZE];
	int err;

	err = python_remote__read(remote, address, state, sizeof(state), error);
	if (err)
		return err;
	if (word_at(state, offsets->thread.interpreter) != interpreter)
		return error__set(error, EBADMSG, "a thread does not belong to its interpreter");
	*thread = (struct python_thread){
		.state = address,
		.interpreter = interpreter,
		.thread_id = word_at(state, offsets->thread.thread_id),
	};
	if (offsets->thread.native_thread_id != PYTHON_ABSENT)
		thread->native_id = (pid_t)word_at(state, offsets->thread.native_thread_id);
	*next = word_at(state, offsets->thread.next);
	return innermost_frame(python, remote, state, &thread->frame, error);
}

static int read_interpreter(const struct python *python, struct python_remote *remote, uint64_t interpreter,
			    struct python_threads *threads, struct error *error)
{
	struct python_thread thread;
	uint64_t state;
	int err;

	err = read_word(remote, interpreter + python->offsets.interpreter.threads_head, &state, error);
	while (!err && state) {
		if (threads->count == THREADS_MAX)
			return error__set(error, EBADMSG, "its list of threads has no end");
		err = read_thread(python, remote, state, interpreter, &thread, &state, error);
		if (!err && vec_push(threads, thread))
			return error__set(error, ENOMEM, "out of memory for threads");
	}
	return err;
}

int python__threads(const struct python *python, struct python_remote *remote, struct python_threads *threads,
		    struct error *error)
{
	uint64_t interpreter;
	size_t count = 0;
	int err;

	threads->count = 0;
	err = read_word(remote, python->interpreters, &interpreter, error);
	if (!err && !interpreter)
		return error__set(error, EAGAIN, "Python has not started yet");
	while (!err && interpreter) {
		if (count++ == INTERPRETERS_MAX)
			return error__set(error, EBADMSG, "its list of interpreters has no end");
		err = read_interpreter(python, remote, interpreter, threads, error);
		if (!err)
			err = read_word(remote, interpreter + python->offsets.interpreter.next, &interpreter,
					error);
	}
	return err;
}

void python_threads__free(struct python_threads *threads)
{
	vec_free(threads);
}

/* --- Frames --------------------------------------------------------------------------------------- */

static int64_t instruction_of(const struct python_offsets *offsets, const uint8_t *bytes, uint64_t code)
{
	int32_t lasti;

	if (offsets->frame.instruction_kind >= PYTHON_PREV_INSTR)
		return (int64_t)(word_at(bytes, offsets->frame.instruction) - code - offsets->code.code);
	memcpy(&lasti, bytes + offsets->frame.instruction, sizeof(lasti));
	return lasti;
}

/* What tracebacks leave out: a frame that has not begun, or that the interpreter has pushed for itself. */
static bool is_incomplete(struct python_remote *remote, const struct python_offsets *offsets,
			  const uint8_t *bytes, const struct python_frame *frame)
{
	int32_t first;

	if (offsets->code.first_traceable == PYTHON_ABSENT ||
	    bytes[offsets->frame.owner] == offsets->frame.owner_generator ||
	    python_remote__read(remote, frame->code + offsets->code.first_traceable, &first, sizeof(first),
				NULL))
		return false;
	return frame->instruction < first * 2ll;
}

/* Returns 1, 0 for a frame that is not to be shown, its ->entry nevertheless right, or a negative errno. */
static int read_frame(const struct python *python, struct python_remote *remote, uint64_t address,
		      struct python_frame *frame, uint64_t *previous, struct error *error)
{
	const struct python_offsets *offsets = &python->offsets;
	uint8_t bytes[FRAME_SIZE];
	int err = python_remote__read(remote, address, bytes, frame_size(offsets), error);

	if (err)
		return err;
	*previous = word_at(bytes, offsets->frame.previous);
	*frame = (struct python_frame){.address = address, .entry = true};
	if (offsets->frame.owner_native != PYTHON_ABSENT) {
		/* There only to mark where a native evaluation frame begins. */
		if (bytes[offsets->frame.owner] >= offsets->frame.owner_native)
			return 0;
		frame->entry = false;
	} else if (offsets->frame.is_entry != PYTHON_ABSENT) {
		frame->entry = bytes[offsets->frame.is_entry];
	} /* else each has a native frame of its own */
	frame->code = word_at(bytes, offsets->frame.code) & offsets->frame.code_mask;
	frame->instruction = instruction_of(offsets, bytes, frame->code);
	return !is_incomplete(remote, offsets, bytes, frame);
}

int python__frames(const struct python *python, struct python_remote *remote,
		   const struct python_thread *thread, size_t limit, struct python_frames *frames,
		   struct error *error)
{
	uint64_t address = thread->frame;
	struct python_frame frame;
	size_t left_out = 0;
	int shown;

	frames->count = 0;
	while (address && frames->count < limit) {
		shown = read_frame(python, remote, address, &frame, &address, error);
		if (shown < 0)
			return shown;
		if (shown && vec_push(frames, frame))
			return error__set(error, ENOMEM, "out of memory for frames");
		if (!shown && ++left_out > LEFT_OUT_MAX)
			return error__set(error, EBADMSG, "its list of frames has no end");
		if (!shown && frame.entry && frames->count)
			frames->items[frames->count - 1].entry = true;
	}
	return 0;
}

void python_frames__free(struct python_frames *frames)
{
	vec_free(frames);
}

int python__state_by_key(const struct python *python, struct python_remote *remote, uint64_t base,
			 uint64_t *state, struct error *error)
{
	const struct python_key *key = &python->key;
	uint64_t block;
	int err;

	switch (key->kind) {
	case PYTHON_KEY_GLIBC:
		if (key->key < 32)
			return read_word(remote, base + key->first + key->key * 16ul + 8, state, error);
		err = read_word(remote, base + key->second + key->key / 32 * 8ul, &block, error);
		*state = 0;
		return err || !block ? err
				     : read_word(remote, block + key->key % 32 * 16ul + 8, state, error);
	case PYTHON_KEY_MUSL:
		err = read_word(remote, base + key->first, &block, error);
		return err ? err : read_word(remote, block + key->key * 8ul, state, error);
	case PYTHON_KEY_NONE:
		break;
	}
	return error__set(error, ENOTSUP, "where threads keep their state is not known");
}

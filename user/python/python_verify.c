// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Whether a process's state is what the offsets say, before anything is made of it. A version's patch
 * releases may move what is in the middle of a struct, and distributions patch: nothing is taken on trust
 * that can be seen.
 */
#include "python/python_find_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "python/remote.h"
#include "python/thread_state.h"

/* What runs meanwhile may make any one attempt fail. */
#define ATTEMPTS 20
#define PAUSE_NS 2000000

#define FRAMES_LOOKED_AT 8

/* What is looked for has stood at 0x510 in glibc's and at 0x80 in musl's for ten years and more. */
#define DESCRIPTOR_SIZE 0x800
#define MUSL_WORDS      48
#define KEYS_MAX        1024 /* PTHREAD_KEYS_MAX of glibc; musl has 128 */
#define KEYS_IN_BLOCK   32

/* pthread_self() is the address of the thread's descriptor, which starts with that very address: glibc and
 * musl. */
static bool is_descriptor(struct python_remote *remote, uint64_t address)
{
	uint64_t self;

	return !python_remote__read(remote, address, &self, sizeof(self), NULL) && self == address;
}

/* --- Frames --------------------------------------------------------------------------------------- */

static int verify_code(struct python_remote *remote, uint64_t code, struct error *error)
{
	const struct python_offsets *offsets = remote->offsets;
	uint8_t bytes[256], string[256];
	struct python_span span = {.buffer = bytes, .size = sizeof(bytes), .address = code}, name;
	uint64_t type, filename;
	char *text;
	int err;

	err = python_remote__read_spans(remote, &span, 1, error);
	if (err)
		return err;
	if (span.got < offsets->code.filename + 8ul)
		return error__set(error, EBADMSG, "a frame has no code object");
	memcpy(&type, bytes + offsets->object.type, sizeof(type));
	memcpy(&filename, bytes + offsets->code.filename, sizeof(filename));
	err = python_remote__check_code_type(remote, type, error);
	if (err)
		return err;
	name = (struct python_span){.buffer = string, .size = sizeof(string), .address = filename};
	err = python_remote__read_spans(remote, &name, 1, error);
	if (!err)
		err = python_remote__string(remote, &name, 1024, &text, error);
	if (!err)
		free(text);
	return err;
}

/* Returns 1 if @thread's frames are right, 0 if it has none. */
static int verify_frames(const struct python *python, struct python_remote *remote,
			 const struct python_thread *thread, struct error *error)
{
	struct python_frames frames = {0};
	int err = python__frames(python, remote, thread, FRAMES_LOOKED_AT, &frames, error);

	for (size_t i = 0; !err && i < frames.count; i++)
		err = verify_code(remote, frames.items[i].code, error);
	if (!err)
		err = frames.count > 0;
	python_frames__free(&frames);
	return err;
}

/* Makes sure of @threads by their frames, or, where there are none, by their descriptors. */
static int verify_threads(struct python *python, struct python_remote *remote,
			  const struct python_threads *threads, struct error *error)
{
	bool descriptor = false;
	int err = 0, one;

	if (!threads->count)
		return error__set(error, EAGAIN, "Python has not started yet");
	/* One thread that is right is enough: the others may be running. */
	for (size_t i = 0; i < threads->count; i++) {
		one = verify_frames(python, remote, &threads->items[i], error);
		if (one > 0) {
			python->frames_seen = true;
			return 0;
		}
		if (one < 0)
			err = one;
		descriptor |= is_descriptor(remote, threads->items[i].thread_id);
	}
	if (!err && !descriptor)
		return error__set(error, EBADMSG, "what should be its threads are none");
	return err;
}

/* --- The key -------------------------------------------------------------------------------------- */

/* The start of a thread's descriptor. */
struct descriptor {
	uint64_t base;
	uint64_t words[DESCRIPTOR_SIZE / 8];
	size_t count; /* that could be read */
};

static bool read_descriptor(struct python_remote *remote, uint64_t base, struct descriptor *descriptor)
{
	struct python_span span = {
		.address = base, .buffer = descriptor->words, .size = sizeof(descriptor->words)};

	descriptor->base = base;
	descriptor->count = 0;
	if (!python_remote__read_spans(remote, &span, 1, NULL))
		descriptor->count = span.got / 8;
	return descriptor->count > 4 && descriptor->words[0] == base;
}

/*
 * glibc's struct pthread has the values of the first 32 keys in it, 16 bytes each, and behind them the
 * addresses of all blocks of 32, of which that is the first.
 */
static bool find_glibc(const struct descriptor *descriptor, struct python_key *key)
{
	const uint32_t size = KEYS_IN_BLOCK * 16;

	for (uint32_t i = size / 8; i < descriptor->count; i++) {
		if (descriptor->words[i] != descriptor->base + i * 8ul - size)
			continue;
		key->kind = PYTHON_KEY_GLIBC;
		key->first = i * 8 - size;
		key->second = i * 8;
		return true;
	}
	return false;
}

/* musl's has the neighbours in a ring of all threads: the fourth word's third is the thread itself. */
static bool is_musl(struct python_remote *remote, const struct descriptor *descriptor)
{
	uint64_t previous;

	return !python_remote__read(remote, descriptor->words[3] + 16, &previous, sizeof(previous), NULL) &&
	       previous == descriptor->base;
}

/* For how many of @threads the key leads to their state. */
static size_t count_right(const struct python *python, struct python_remote *remote,
			  const struct python_threads *threads)
{
	uint64_t state;
	size_t right = 0;

	for (size_t i = 0; i < threads->count; i++) {
		right += !python__state_by_key(python, remote, threads->items[i].thread_id, &state, NULL) &&
			 state == threads->items[i].state;
	}
	return right;
}

/* Somewhere it has the address of an array of values. That which is right for most threads is it. */
static void find_musl(struct python *python, struct python_remote *remote,
		      const struct python_threads *threads)
{
	struct python_key best = {0};
	size_t most = 0, right;

	for (uint32_t i = 4; i < MUSL_WORDS; i++) {
		python->key.kind = PYTHON_KEY_MUSL;
		python->key.first = i * 8;
		right = count_right(python, remote, threads);
		if (right > most) {
			best = python->key;
			most = right;
		}
	}
	python->key = best;
}

/* Not all have the value: threads that are just starting, and those of sub-interpreters. One is enough. */
static void find_key(struct python *python, struct python_remote *remote,
		     const struct python_threads *threads)
{
	struct descriptor descriptor;
	uint32_t key;

	python->key = (struct python_key){0};
	if (!python->image.key ||
	    python_remote__read(remote, python->image.key + python->bias, &key, sizeof(key), NULL) ||
	    key >= KEYS_MAX)
		return;
	python->key.key = key;
	for (size_t i = 0; i < threads->count; i++) {
		if (!read_descriptor(remote, threads->items[i].thread_id, &descriptor))
			continue;
		if (!find_glibc(&descriptor, &python->key) && is_musl(remote, &descriptor))
			find_musl(python, remote, threads);
		break;
	}
	if (python->key.kind == PYTHON_KEY_NONE || !count_right(python, remote, threads))
		python->key = (struct python_key){0};
}

static int verify_once(struct python *python, struct python_remote *remote, struct python_threads *threads,
		       struct error *error)
{
	int err = python__threads(python, remote, threads, error);

	if (!err)
		err = verify_threads(python, remote, threads, error);
	if (!err)
		find_key(python, remote, threads);
	return err;
}

int python__verify(struct python *python, struct error *error)
{
	struct python_remote remote = python_remote__of(python->pid, &python->offsets);
	struct python_threads threads = {0};
	int err;

	if (!python_offsets__fit(&python->offsets))
		return error__set(error, EBADMSG, "its structs are not as expected");
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		err = verify_once(python, &remote, &threads, error);
		if (err != -EBADMSG && err != -EFAULT)
			break;
		nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
	}
	python_threads__free(&threads);
	return err;
}

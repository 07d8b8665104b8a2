// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * python_state PID: what memwatch finds out of a process about its Python, for test_state.py to compare with
 * what the process itself says. A line each: version, image, eval (ranges), key, thread, frame.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "python/lines.h"
#include "python/python_find.h"
#include "python/remote.h"
#include "python/thread_state.h"

#define FRAMES_MAX 1000

static char *string_of(struct python_remote *remote, uint64_t code, uint32_t member)
{
	uint8_t bytes[256];
	struct python_span span = {.buffer = bytes, .size = sizeof(bytes)};
	char *text = NULL;

	if (python_remote__read(remote, code + member, &span.address, sizeof(span.address), NULL) ||
	    python_remote__read_spans(remote, &span, 1, NULL) ||
	    python_remote__string(remote, &span, 1000, &text, NULL))
		return NULL;
	return text;
}

static void print_frames(const struct python *python, struct python_remote *remote,
			 const struct python_thread *thread)
{
	struct python_frames frames = {0};
	struct error error = {""};

	if (python__frames(python, remote, thread, FRAMES_MAX, &frames, &error))
		printf("broken\t%s\n", error.text);
	for (size_t i = 0; i < frames.count; i++) {
		const struct python_frame *frame = &frames.items[i];
		char *name = string_of(remote, frame->code, python->offsets.code.name);
		char *file = string_of(remote, frame->code, python->offsets.code.filename);

		printf("frame\t%s\t%s\t%" PRId64 "\t%d\n", name ? name : "?", file ? file : "?",
		       python_lines__offset(python->offsets.frame.instruction_kind, frame->instruction),
		       frame->entry);
		free(name);
		free(file);
	}
	python_frames__free(&frames);
}

static int print_threads(const struct python *python, struct error *error)
{
	struct python_remote remote = python_remote__of(python->pid, &python->offsets);
	struct python_threads threads = {0};
	int err = python__threads(python, &remote, &threads, error);

	for (size_t i = 0; !err && i < threads.count; i++) {
		const struct python_thread *thread = &threads.items[i];
		uint64_t state = 0;

		if (python__state_by_key(python, &remote, thread->thread_id, &state, NULL))
			state = 0;
		printf("thread\t%" PRIu64 "\t%d\t%#" PRIx64 "\t%#" PRIx64 "\n", thread->thread_id,
		       (int)thread->native_id, thread->state, state);
		print_frames(python, &remote, thread);
	}
	python_threads__free(&threads);
	return err;
}

static void print_python(const struct python *python)
{
	printf("version\t%u.%u\nimage\t%s\nbias\t%#" PRIx64 "\n", python->image.version >> 8,
	       python->image.version & 0xff, python->image.image->path, python->bias);
	for (size_t i = 0; i < python->image.eval_count; i++)
		printf("eval\t%#" PRIx64 "\t%#" PRIx64 "\n", python->image.eval[i].start,
		       python->image.eval[i].end);
	printf("key\t%d\t%u\t%#x\t%#x\nframes_seen\t%d\n", (int)python->key.kind, python->key.key,
	       python->key.first, python->key.second, python->frames_seen);
}

int main(int argc, char **argv)
{
	pid_t pid = argc == 2 ? (pid_t)atoi(argv[1]) : 0;
	struct image_cache *cache = image_cache__new();
	struct error error = {""};
	struct python *python = NULL;
	struct maps maps = {0};
	int err;

	if (pid <= 0 || !cache) {
		fputs("usage: python_state PID\n", stderr);
		return 2;
	}
	err = maps__read(pid, &maps, &error);
	if (!err)
		err = python__find(pid, &maps, cache, &python, &error);
	if (!err) {
		print_python(python);
		err = print_threads(python, &error);
	}
	if (err)
		printf("error\t%d\t%s\n", -err, error.text);
	python__free(python);
	maps__free(&maps);
	image_cache__free(cache);
	return err != 0;
}

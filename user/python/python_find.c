// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "python/python_find.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "python/python_find_private.h"
#include "python/remote.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE         4096u

/* --- One file ------------------------------------------------------------------------------------- */

enum landmark {
	RUNTIME,
	EVAL,
	VERSION,
	GET_VERSION,
	OLD_EVAL,
	FIRST_INTERPRETER, /* functions that read the variables of 3.6 */
	THIS_THREAD,
	PYPY,
	LANDMARKS,
};

static const struct {
	const char *name;
	enum landmark landmark;
} names[] = {
	{"_PyRuntime", RUNTIME},
	{"_PyEval_EvalFrameDefault", EVAL},
	{"Py_Version", VERSION},
	{"Py_GetVersion", GET_VERSION},
	{"PyEval_EvalFrameEx", OLD_EVAL},
	{"PyInterpreterState_Head", FIRST_INTERPRETER},
	{"PyGILState_GetThisThreadState", THIS_THREAD},
	{"pypy_main_startup", PYPY},
	{"rpython_startup_code", PYPY},
};

struct landmarks {
	uint64_t value[LANDMARKS], size[LANDMARKS]; /* 0: there is none */
};

static int note_symbol(const struct image_symbol *symbol, void *context)
{
	struct landmarks *landmarks = context;

	if (*symbol->name != '_' && *symbol->name != 'P' && *symbol->name != 'p' && *symbol->name != 'r')
		return 0;
	for (size_t i = 0; i < COUNT(names); i++) {
		enum landmark landmark = names[i].landmark;

		if (landmarks->value[landmark] || strcmp(symbol->name, names[i].name))
			continue;
		landmarks->value[landmark] = symbol->value;
		landmarks->size[landmark] = symbol->size;
	}
	return 0;
}

/* Py_Version is there from 3.11 on; before, Py_GetVersion() says it; the name is the last resort. */
static uint32_t version_of(const struct image *image, const struct landmarks *landmarks)
{
	uint32_t version = 0;
	uint64_t hex;

	if (landmarks->value[VERSION] &&
	    image__read(image, landmarks->value[VERSION], &hex, sizeof(hex)) == sizeof(hex))
		version = PYTHON_VERSION((uint32_t)(hex >> 24), (uint32_t)(hex >> 16 & 0xff));
	if (!version && landmarks->value[GET_VERSION])
		version = python_image__version_in_code(image, landmarks->value[GET_VERSION]);
	return version ? version : python_version__of_path(image->path);
}

static int refuse_version(const struct image *image, uint32_t version, struct error *error)
{
	if (!version)
		return error__set(error, ENOTSUP, "cannot tell which version of Python %s is", image->path);
	return error__set(error, ENOTSUP, "%s is Python %u.%u; those that can be followed are " PYTHON_KNOWN,
			  image->path, version >> 8, version & 0xff);
}

/* Fills in where the state stands. */
static bool find_state(struct python_image *found, const struct landmarks *landmarks)
{
	const struct python_offsets *offsets = python_offsets__find(found->version);

	if (offsets->runtime.interpreters_head == PYTHON_ABSENT) {
		found->interpreters =
			python_image__variable_of(found->image, landmarks->value[FIRST_INTERPRETER], 8);
		found->key = python_image__variable_of(found->image, landmarks->value[THIS_THREAD], 4);
		return found->interpreters;
	}
	found->runtime = landmarks->value[RUNTIME];
	found->interpreters = found->runtime + offsets->runtime.interpreters_head;
	found->key = found->runtime + offsets->runtime.tss_key;
	return found->runtime;
}

int python_image__read(struct image *image, struct python_image *found, struct error *error)
{
	struct landmarks landmarks = {0};
	int err;

	*found = (struct python_image){0};
	if (image->machine != EM_X86_64 || image->elf_class != ELFCLASS64)
		return 0;
	err = image__symbols(image, note_symbol, &landmarks, error);
	if (err)
		return err;
	if (landmarks.value[PYPY])
		return error__set(error, ENOTSUP, "%s is PyPy, whose frames cannot be followed", image->path);
	if (!landmarks.value[EVAL] && !(landmarks.value[OLD_EVAL] && landmarks.value[GET_VERSION]))
		return 0;
	found->version = version_of(image, &landmarks);
	if (!landmarks.value[EVAL] || !python_offsets__find(found->version))
		return refuse_version(image, found->version, error);
	found->image = image__get(image);
	if (!find_state(found, &landmarks))
		err = error__set(error, EBADMSG, "%s does not say where its state is: no %s", image->path,
				 found->version > PYTHON_VERSION(3, 6) ? "_PyRuntime"
								       : "PyInterpreterState_Head");
	if (!err)
		err = python_image__find_eval(found, landmarks.value[EVAL], landmarks.size[EVAL], error);
	if (err) {
		python_image__free(found);
		return err;
	}
	return 1;
}

void python_image__free(struct python_image *image)
{
	image__put(image->image);
	*image = (struct python_image){0};
}

/* --- One process ---------------------------------------------------------------------------------- */

/* @mapping is of @image: what is to be added to the file's vaddrs. Loaders map whole pages. */
static bool bias_of(const struct image *image, const struct mapping *mapping, uint64_t *bias)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];
		uint64_t offset = segment->offset & ~(PAGE - 1ull), vaddr = segment->vaddr & ~(PAGE - 1ull);

		if (!segment->executable || mapping->offset < offset ||
		    mapping->offset >= segment->offset + segment->file_size)
			continue;
		*bias = mapping->start - (vaddr + (mapping->offset - offset));
		return true;
	}
	return false;
}

static int read_debug_offsets(struct python *python, struct error *error)
{
	struct python_remote remote = python_remote__of(python->pid, &python->offsets);
	uint8_t bytes[PYTHON_DEBUG_SIZE];
	int err = python_remote__read(&remote, python->runtime, bytes, sizeof(bytes), error);

	return err ? err : python_offsets__from_debug(&python->offsets, bytes, error);
}

static int set_up(struct python *python, uint64_t bias, struct error *error)
{
	const struct python_image *image = &python->image;
	int err = 0;

	python->bias = bias;
	python->offsets = *python_offsets__find(image->version);
	python->runtime = image->runtime ? image->runtime + bias : 0;
	python->interpreters = image->interpreters + bias;
	if (image->version >= PYTHON_DEBUG_FIRST) {
		err = read_debug_offsets(python, error);
		python->interpreters = python->runtime + python->offsets.runtime.interpreters_head;
	}
	if (!err)
		err = python__verify(python, error);
	return err == -ENOTSUP || err == -EAGAIN || !err
		       ? err
		       : error__prefix(error, err, "cannot read Python's state");
}

/*
 * Looks into one file. Returns 0 if @python is complete, or a negative errno: -ENOENT, there is no
 * interpreter in it.
 */
static int try_mapping(struct python *python, const struct mapping *mapping, struct image_cache *cache,
		       struct error *error)
{
	struct image *image;
	uint64_t bias;
	int err;

	/* What cannot be opened is not looked into: it may be a library that has nothing to do with this. */
	if (image_cache__open(cache, python->pid, mapping, &image, NULL))
		return -ENOENT;
	err = python_image__read(image, &python->image, error);
	if (err > 0 && !bias_of(image, mapping, &bias))
		err = error__set(error, EBADMSG, "cannot tell how %s is loaded", image->path);
	else if (err > 0)
		err = set_up(python, bias, error);
	else if (!err)
		err = -ENOENT;
	image__put(image);
	if (err)
		python_image__free(&python->image);
	return err;
}

int python__find(pid_t pid, const struct maps *maps, struct image_cache *cache, struct python **python,
		 struct error *error)
{
	struct python *made = calloc(1, sizeof(*made));
	struct error first = {""}, other = {""};
	int err, found = -ENOENT;

	if (!made)
		return error__set(error, ENOMEM, "out of memory");
	made->pid = pid;
	for (size_t i = 0; i < maps->count && found; i++) {
		const struct mapping *mapping = &maps->items[i];

		if (!(mapping->flags & MAPPING_EXEC) || !mapping->inode ||
		    maps__has_earlier_code(maps, mapping))
			continue;
		err = try_mapping(made, mapping, cache, &other);
		/* Of several interpreters only one may be in use. Otherwise the first says why it cannot be.
		 */
		if (!err || found == -ENOENT)
			found = err;
		if (found != -ENOENT && !*first.text)
			first = other;
	}
	if (found) {
		free(made);
		return found == -ENOENT ? error__set(error, ENOENT, "no Python in process %d", (int)pid)
					: error__set(error, -found, "%s", first.text);
	}
	*python = made;
	return 0;
}

void python__free(struct python *python)
{
	if (!python)
		return;
	python_image__free(&python->image);
	free(python);
}

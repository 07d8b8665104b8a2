// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "recording.h"

#include <dirent.h>
#include "target/image.h"
#include "unwind/unwind_pages.h"

static void __attribute__((noreturn, format(printf, 1, 2))) give_up(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static void *allocate(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	if (!memory)
		give_up("no memory");
	return memory;
}

/* --- tables --- */

static void lay_out(struct recordings *recordings, struct recorded_image *image)
{
	struct unwind_layout layout;

	if (!image->table.count)
		return;
	if (unwind_pages__lay_out(&image->table, &layout))
		give_up("%s: more rows than there is room for", image->path);
	image->pages = allocate(layout.pages * sizeof(*image->pages));
	unwind_pages__fill(&image->table, &layout, image->pages);
	image->page_count = layout.pages;
	image->first = recordings->pages;
	recordings->pages += layout.pages;
	if (recordings->pages > FAKE_CHUNKS * UNWIND_CHUNK_PAGES)
		give_up("no room for the table of %s", image->path);
}

/* The table of the file at @path is compiled when it is met first. */
static const struct recorded_image *find_or_compile(struct recordings *recordings, const struct image *image,
						    const char *path)
{
	struct recorded_image added = {0};
	struct error error = {0};

	vec_each (known, &recordings->images) {
		if (!strcmp(known->path, path))
			return known;
	}
	added.path = strdup(path);
	if (unwind_table__compile(image, &added.table, &error))
		give_up("%s", error.text);
	lay_out(recordings, &added);
	if (vec_push(&recordings->images, added))
		give_up("no memory");
	return &recordings->images.items[recordings->images.count - 1];
}

static void place(struct recordings *recordings, const struct recording *recording,
		  const struct mapping *mapping, struct unwind_mapping *placed)
{
	struct error error = {0};
	const struct recorded_image *compiled;
	struct image *image;

	placed->start = mapping->start;
	placed->end = mapping->end;
	if (!mapping->inode)
		return;
	if (image__open(mapping->path, &image, &error))
		give_up("%s: %s", recording->name, error.text);
	if (image->inode != mapping->inode)
		give_up("%s: %s has been replaced since", recording->name, mapping->path);
	compiled = find_or_compile(recordings, image, mapping->path);
	if (compiled->first && unwind_pages__find_pc(image, mapping, compiled->table.base, &placed->pc))
		placed->image = compiled->first;
	image__put(image);
}

static void place_all(struct recordings *recordings, struct recording *recording)
{
	for (size_t i = 0; i < recording->maps.count; i++) {
		if (!(recording->maps.items[i].flags & MAPPING_EXEC))
			continue;
		if (recording->space.count == UNWIND_MAPPINGS_MAX)
			give_up("%s: too many mappings", recording->name);
		place(recordings, recording, &recording->maps.items[i],
		      &recording->space.mappings[recording->space.count++]);
	}
}

/* --- recordings --- */

static void read_frames(struct recording *recording, FILE *file)
{
	size_t count;
	char kind[16];

	if (fscanf(file, "frames %zu %15s", &count, kind) != 2)
		give_up("%s: no frames", recording->name);
	recording->whole = !strcmp(kind, "whole");
	for (size_t i = 0; i < count; i++) {
		struct recorded_frame frame;

		if (fscanf(file, "%llx %llx %llx %llx %15s", &frame.pc, &frame.sp, &frame.bp, &frame.bx,
			   kind) != 5)
			give_up("%s: frame %zu is broken", recording->name, i);
		frame.kind = !strcmp(kind, "signal")        ? RECORDED_SIGNAL
			     : !strcmp(kind, "interrupted") ? RECORDED_INTERRUPTED
							    : RECORDED_CALL;
		if (vec_push(&recording->frames, frame))
			give_up("no memory");
	}
}

static void read_maps(struct recording *recording, FILE *file)
{
	struct error error = {0};
	size_t size;
	char *text;

	if (fscanf(file, " maps %zu", &size) != 1 || getc(file) != '\n')
		give_up("%s: no mappings", recording->name);
	text = allocate(size);
	if (fread(text, 1, size, file) != size || maps__parse(text, size, &recording->maps, &error))
		give_up("%s: broken mappings: %s", recording->name, error.text);
	free(text);
}

static void read_memory(struct recording *recording, FILE *file)
{
	size_t count;

	if (fscanf(file, "regions %zu", &count) != 1)
		give_up("%s: no memory", recording->name);
	for (size_t i = 0; i < count; i++) {
		__u64 start, size;

		if (fscanf(file, "%llx %llx", &start, &size) != 2)
			give_up("%s: region %zu is broken", recording->name, i);
		fake_memory__add(&recording->memory, start, size);
	}
	if (getc(file) != '\n')
		give_up("%s: no contents", recording->name);
	vec_each (region, &recording->memory.regions) {
		if (fread(region->bytes, 1, region->size, file) != region->size)
			give_up("%s: ends too early", recording->name);
	}
}

static struct recording load(const char *directory, const char *name)
{
	struct recording recording = {.name = strdup(name)};
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "r");
	if (!file)
		give_up("cannot open %s", path);
	read_frames(&recording, file);
	read_maps(&recording, file);
	read_memory(&recording, file);
	fclose(file);
	return recording;
}

static int is_recording(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return end && !strcmp(end, ".stack");
}

void recordings__load(struct recordings *recordings, const char *directory)
{
	struct dirent **names;
	int count = scandir(directory, &names, is_recording, alphasort);

	*recordings = (struct recordings){.pages = FAKE_PAGES_FREE};
	if (count <= 0)
		give_up("%s: no recordings", directory);
	for (int i = 0; i < count; i++) {
		struct recording recording = load(directory, names[i]->d_name);

		place_all(recordings, &recording);
		if (vec_push(&recordings->all, recording))
			give_up("no memory");
		free(names[i]);
	}
	free(names);
}

void recordings__free(struct recordings *recordings)
{
	vec_each (recording, &recordings->all) {
		free(recording->name);
		vec_free(&recording->frames);
		maps__free(&recording->maps);
		fake_memory__free(&recording->memory);
	}
	vec_free(&recordings->all);
	vec_each (image, &recordings->images) {
		free(image->path);
		unwind_table__free(&image->table);
		free(image->pages);
	}
	vec_free(&recordings->images);
}

void recordings__install(struct recordings *recordings)
{
	vec_each (image, &recordings->images) {
		for (__u32 i = 0; i < image->page_count; i++)
			fake_page__put(image->first + i, &image->pages[i]);
	}
}

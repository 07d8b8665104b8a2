// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "snapshot/engine_unwind.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "memwatch.skel.h"
#include "snapshot/engine_private.h"
#include "unwind/unwind_table.h"

_Static_assert(sizeof(struct unwind_header) <= sizeof(struct unwind_page), "the header has a page");

/* How a table lies in pages: the header, the index, the rows. */
struct layout {
	uint32_t index_count, index_pages, row_pages;
};

static int lay_out(const struct unwind_table *table, struct layout *layout)
{
	const struct unwind_row *last = &table->items[table->count - 1];

	if (table->count > UINT32_MAX / 2)
		return -E2BIG;
	layout->index_count = (last->pc >> UNWIND_PC_SHIFT) + 2;
	layout->index_pages = (layout->index_count + UNWIND_INDEX_STEP - 1) / UNWIND_INDEX_STEP;
	layout->row_pages = (table->count + UNWIND_PAGE_ROWS - 1) / UNWIND_PAGE_ROWS;
	return 0;
}

/* Entry @entry of the index: the last row that begins at or before its 4 KiB. */
static void fill_index(const struct unwind_table *table, const struct layout *layout,
		       struct unwind_page *pages)
{
	uint32_t row = 0;

	for (uint32_t entry = 0; entry < layout->index_count; entry++) {
		uint64_t begin = (uint64_t)entry << UNWIND_PC_SHIFT;
		uint32_t page = entry / UNWIND_INDEX_STEP, at = entry % UNWIND_INDEX_STEP;

		while (row + 1 < table->count && table->items[row + 1].pc <= begin)
			row++;
		pages[1 + page].words[at] = row;
		if (!at && page)
			pages[page].words[UNWIND_INDEX_STEP] = row;
	}
}

static void fill_pages(const struct unwind_table *table, const struct layout *layout,
		       struct unwind_page *pages)
{
	struct unwind_header header = {.row_count = table->count,
				       .index_pages = layout->index_pages,
				       .index_count = layout->index_count};
	struct unwind_page *rows = pages + 1 + layout->index_pages;

	memcpy(&pages[0], &header, sizeof(header));
	fill_index(table, layout, pages);
	for (size_t i = 0; i < table->count; i++)
		memcpy(&rows[i / UNWIND_PAGE_ROWS].words[i % UNWIND_PAGE_ROWS * 2], &table->items[i],
		       sizeof(table->items[i]));
	/* What follows the last row on its page is never reached: searches end at a row's number. */
}

/* Loads a table into a map of its own, mapped while it is filled. Returns the map's descriptor or a negative
 * errno. */
static int load_pages(const struct unwind_table *table, const struct layout *layout)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	uint32_t count = 1 + layout->index_pages + layout->row_pages;
	size_t bytes = (size_t)count * sizeof(struct unwind_page);
	struct unwind_page *pages;
	int fd;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_pages", sizeof(uint32_t), sizeof(struct unwind_page),
			    count, &options);
	if (fd < 0)
		return -errno;
	pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (pages == MAP_FAILED) {
		int err = -errno;

		close(fd);
		return err;
	}
	fill_pages(table, layout, pages);
	munmap(pages, bytes);
	return fd;
}

static int load_table(struct engine *engine, const struct unwind_table *table, struct unwind_image *loaded)
{
	uint32_t slot = engine->unwind_images.count + 1; /* 0: no table */
	struct layout layout;
	int fd, err;

	if (slot >= UNWIND_IMAGES_MAX)
		return -ENOSPC;
	err = lay_out(table, &layout);
	if (err)
		return err;
	fd = load_pages(table, &layout);
	if (fd < 0)
		return fd;
	loaded->fd = fd;
	loaded->slot = slot;
	loaded->rows = table->count;
	loaded->bytes = (1ull + layout.index_pages + layout.row_pages) * sizeof(struct unwind_page);
	return 0;
}

/*
 * Puts the rows of images in their slots, all by one system call: the kernel waits for every program to end
 * each time a map within a map is changed (maybe_wait_bpf_programs), some 10 ms.
 */
static int publish_images(struct engine *engine)
{
	size_t room = engine->unwind_images.count;
	uint32_t *slots = calloc(room + 1, sizeof(*slots)), count = 0;
	int *fds = calloc(room + 1, sizeof(*fds)), err = slots && fds ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < room; i++) {
		struct unwind_image *image = &engine->unwind_images.items[i];

		if (image->fd < 0)
			continue;
		slots[count] = image->slot;
		fds[count++] = image->fd;
		image->fd = -1;
	}
	if (!err && count) {
		uint32_t done = count;

		err = bpf_map_update_batch(bpf_map__fd(engine->skel->maps.unwind_images), slots, fds, &done,
					   NULL);
	}
	for (uint32_t i = 0; i < count; i++)
		close(fds[i]); /* the outer map holds it */
	free(slots);
	free(fds);
	return err;
}

static struct unwind_image *find_image(struct engine *engine, const struct mapping *mapping)
{
	for (size_t i = 0; i < engine->unwind_images.count; i++) {
		struct unwind_image *image = &engine->unwind_images.items[i];

		if (image->inode == mapping->inode && image->device == mapping->device)
			return image;
	}
	return NULL;
}

/* A file that has no table is remembered, too. */
static struct unwind_image *add_image(struct engine *engine, const struct image *image,
				      const struct mapping *mapping)
{
	struct unwind_image loaded = {.device = mapping->device, .inode = mapping->inode, .fd = -1};
	struct unwind_table table = {0};
	struct error why = {""};
	int err;

	err = unwind_table__compile(image, &table, &why);
	loaded.base = table.base;
	if (!err && table.count)
		err = load_table(engine, &table, &loaded);
	unwind_table__free(&table);
	if (err)
		log__say(engine->log, 1, "no unwind table for %s: %s", image->path,
			 *why.text ? why.text : strerror(-err));
	if (vec_push(&engine->unwind_images, loaded))
		return NULL;
	return &engine->unwind_images.items[engine->unwind_images.count - 1];
}

/* The file's vaddr at which @mapping begins: that of the segment that it is of. */
static bool find_vaddr(const struct image *image, const struct mapping *mapping, uint64_t *vaddr)
{
	for (size_t i = 0; i < image->segment_count; i++) {
		const struct image_segment *segment = &image->segments[i];

		if (!segment->executable || mapping->offset > segment->offset + segment->file_size ||
		    mapping->offset + (mapping->end - mapping->start) <= segment->offset)
			continue;
		*vaddr = segment->vaddr + mapping->offset - segment->offset;
		return true;
	}
	return false;
}

static int place_mapping(struct engine *engine, pid_t pid, const struct mapping *mapping,
			 struct image_cache *images, struct unwind_mapping *placed)
{
	struct unwind_image *loaded;
	struct image *image = NULL;
	uint64_t vaddr = 0;
	int err = 0;

	placed->start = mapping->start;
	placed->end = mapping->end;
	if (!mapping->inode || image_cache__open(images, pid, mapping, &image, NULL))
		return 0;
	loaded = find_image(engine, mapping);
	if (!loaded)
		loaded = add_image(engine, image, mapping);
	if (!loaded)
		err = -ENOMEM;
	else if (loaded->slot && find_vaddr(image, mapping, &vaddr) && vaddr >= loaded->base &&
		 vaddr - loaded->base <= UINT32_MAX) {
		placed->image = loaded->slot;
		placed->pc = vaddr - loaded->base;
	}
	image__put(image);
	return err;
}

static int publish_space(struct engine *engine, pid_t pid, uint32_t account, const struct unwind_space *space)
{
	struct process_entry entry;
	uint32_t number = pid;
	int err;

	err = bpf_map__update_elem(engine->skel->maps.spaces, &account, sizeof(account), space,
				   sizeof(*space), BPF_ANY);
	if (err)
		return err;
	/* The process may be gone, or have another account by now. */
	if (bpf_map__lookup_elem(engine->skel->maps.processes, &number, sizeof(number), &entry, sizeof(entry),
				 0) ||
	    entry.account != account || entry.space == account)
		return 0;
	entry.space = account;
	return bpf_map__update_elem(engine->skel->maps.processes, &number, sizeof(number), &entry,
				    sizeof(entry), BPF_EXIST);
}

int engine__set_mappings(struct engine *engine, pid_t pid, uint32_t account, const struct maps *maps,
			 struct image_cache *images, struct error *error)
{
	struct unwind_space *space = calloc(1, sizeof(*space));
	int err = space ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < maps->count; i++) {
		if (!(maps->items[i].flags & MAPPING_EXEC))
			continue;
		if (space->count == UNWIND_MAPPINGS_MAX)
			break; /* stacks that come by the rest end there, counted */
		err = place_mapping(engine, pid, &maps->items[i], images, &space->mappings[space->count]);
		space->count++;
	}
	err = err ? err : publish_images(engine);
	err = err ? err : publish_space(engine, pid, account, space);
	free(space);
	return err ? error__set(error, -err, "cannot tell the kernel what process %d has mapped: %s", pid,
				strerror(-err))
		   : 0;
}

struct engine_unwind_stats engine__unwind_stats(const struct engine *engine)
{
	struct engine_unwind_stats stats = {0};

	for (size_t i = 0; i < engine->unwind_images.count; i++) {
		stats.images += engine->unwind_images.items[i].slot != 0;
		stats.rows += engine->unwind_images.items[i].rows;
		stats.bytes += engine->unwind_images.items[i].bytes;
	}
	return stats;
}

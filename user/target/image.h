/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An ELF file as a process has it mapped: opened once, kept open, so that it stays readable when its name is
 * deleted or replaced and when the process ends. Everything read from it is untrusted.
 */
#ifndef MEMWATCH_TARGET_IMAGE_H
#define MEMWATCH_TARGET_IMAGE_H

#include <gelf.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/error.h"
#include "target/maps.h"

struct image_segment {
	uint64_t vaddr, memory_size;
	uint64_t offset, file_size;
	bool executable;
};

struct image {
	char *path; /* for showing; the name that the target sees */
	/*
	 * By this path the kernel finds the same inode while @fd is open (perf, uprobes): /proc/self/fd/N, a
	 * magic link, which works for deleted files and other mount namespaces. Valid in this process only.
	 * "" from memory.
	 */
	char *open_path;
	int fd;
	Elf *elf; /* ELF_C_READ, never mmap: a file cut short must not kill us */
	uint64_t device, inode;
	uint16_t type;     /* ET_EXEC, ET_DYN */
	uint16_t machine;  /* EM_X86_64, … */
	uint8_t elf_class; /* ELFCLASS32, ELFCLASS64 */
	uint64_t entry;
	uint8_t build_id[64];
	size_t build_id_size;           /* 0: none */
	struct image_segment *segments; /* PT_LOAD; the file may be shorter than they say */
	size_t segment_count;
	bool has_sections; /* whether there are section headers that can be trusted to lie within the file */
	Elf_Data *dynamic_symbols; /* found by PT_DYNAMIC where there are no section headers, or NULL */
	Elf_Data *dynamic_strings;
	unsigned references;
};

struct image_symbol {
	uint64_t value, size; /* vaddr within the file */
	const char *name;     /* lives as long as the image; never ""; in .symtab it may end in @VERSION */
	uint8_t type, binding;
	uint16_t section;
	bool dynamic; /* from .dynsym */
};

/*
 * Opens the file behind @mapping of @pid: /proc/PID/map_files first (works for deleted and replaced files and
 * other mount namespaces; needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN), then PATH under /proc/PID/root if
 * device and inode agree. The result has one reference. -ENOEXEC: not an ELF program or library that this
 * machine could run, or a corrupt one; -ESTALE: the file was replaced; -ENOENT: no file; -EACCES; -EMFILE; …
 */
int image__open_mapping(pid_t pid, const struct mapping *mapping, struct image **image, struct error *error);

/* Opens a file by its path in our own mount namespace. */
int image__open(const char *path, struct image **image, struct error *error);

/* From memory (the vDSO): copies @size bytes. open_path is "" then. */
int image__from_memory(const char *name, const void *bytes, size_t size, struct image **image,
		       struct error *error);

struct image *image__get(struct image *image);
void image__put(struct image *image); /* NULL is fine */

/* vaddr ↔ file offset by PT_LOAD; false where no segment holds it. */
bool image__offset_of(const struct image *image, uint64_t vaddr, uint64_t *offset);
/* Whether an executable segment holds @vaddr. */
bool image__is_code(const struct image *image, uint64_t vaddr);
bool image__vaddr_of(const struct image *image, uint64_t offset, uint64_t *vaddr);

/*
 * Calls @visit with what the file has of each executable segment, of which larger ones than @limit bytes and
 * those that cannot be read are passed over; not 0 ends it and is returned. -ENOMEM: no memory for one.
 */
typedef int image_code_fn(const uint8_t *code, size_t size, uint64_t vaddr, void *context);
int image__each_code(const struct image *image, uint64_t limit, image_code_fn *visit, void *context);

/*
 * Calls @visit for every symbol of .dynsym, then of .symtab, that names a place in the file (functions,
 * ifuncs, objects and untyped symbols; not absolute or undefined ones), until it returns non-zero; returns
 * that, 0, or a negative errno for an unreadable file. Without section headers .dynsym is found by
 * PT_DYNAMIC. Values and sizes are as the file gives them, checked against nothing.
 */
int image__symbols(const struct image *image, int (*visit)(const struct image_symbol *symbol, void *context),
		   void *context, struct error *error);

/* Reads up to @size bytes of file contents at @vaddr; returns how many (may be 0), or a negative errno. */
ssize_t image__read(const struct image *image, uint64_t vaddr, void *buffer, size_t size);

/* All images that some process has mapped, one per (device, inode). */
struct image_cache;
struct image_cache *image_cache__new(void);
void image_cache__free(struct image_cache *cache); /* drops its references; NULL is fine */
/* As image__open_mapping, through the cache; the caller gets a reference of its own. Failures are remembered.
 */
int image_cache__open(struct image_cache *cache, pid_t pid, const struct mapping *mapping,
		      struct image **image, struct error *error);

#endif

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unwind/gaps.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "unwind/plt.h"
#include "unwind_abi.h"

/* glibc's _start and _dl_start_user are of 61 to 90 bytes, musl's of 38. */
#define MAX_START 128
#define MAX_CODE  (1u << 24)
/* Functions that threads begin in; and where they are looked for. */
#define MAX_THREAD_START 192
#define MAX_CREATE       4096
#define MAX_STARTS       16 /* musl has five */

#define STARTS_HERE UNWIND_RULE(UNWIND_END, 0, 0, 0)

static bool has_interpreter(const struct image *image)
{
	GElf_Phdr header;
	size_t count = 0;

	if (elf_getphdrnum(image->elf, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (gelf_getphdr(image->elf, (int)i, &header) && header.p_type == PT_INTERP)
			return true;
	}
	return false;
}

/*
 * Whether a process begins at the file's entry: in libraries linkers may have put there where the code
 * begins. Who gets arguments on the stack takes its address: mov %rsp, register.
 */
static bool is_started(const struct image *image, bool interpreted)
{
	uint8_t bytes[16];
	ssize_t got;

	if (!image->entry || !image__is_code(image, image->entry))
		return false;
	if (image->type == ET_EXEC || interpreted)
		return true;
	got = image__read(image, image->entry, bytes, sizeof(bytes));
	for (ssize_t i = 0; i + 2 < got; i++) {
		if (bytes[i] == 0x48 && bytes[i + 1] == 0x89 && (bytes[i + 2] & 0xf8) == 0xe0)
			return true;
	}
	return false;
}

bool gaps__starts_alone(const struct image *image)
{
	return !has_interpreter(image) && is_started(image, false);
}

/* Written by hand, and the same in every libc of its kind that says nothing of it. */
static const struct known_code {
	uint8_t bytes[16];
	uint8_t size;
	uint8_t before; /* how far before it the rule begins: a return address is looked up by the byte before
			   it */
	uint32_t rule;
} known_codes[] = {
	/* __restore_rt, which signal handlers return to: mov $15,%rax; syscall */
	{{0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05}, 9, 1, UNWIND_RULE(UNWIND_SIGNAL, 0, 0, 0)},
	/* musl's __clone, in the child: xor %ebp,%ebp; pop %rdi; call *%r9; mov %eax,%edi; xor %eax,%eax;
	 * mov $60,%al; syscall; hlt */
	{{0x31, 0xed, 0x5f, 0x41, 0xff, 0xd1, 0x89, 0xc7, 0x31, 0xc0, 0xb0, 60, 0x0f, 0x05, 0xf4},
	 15,
	 0,
	 STARTS_HERE},
};

static int add_known(const uint8_t *code, size_t size, uint64_t vaddr, void *context)
{
	struct gaps *gaps = context;
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(known_codes) / sizeof(*known_codes); i++) {
		const struct known_code *known = &known_codes[i];
		const uint8_t *found = memmem(code, size, known->bytes, known->size);
		uint64_t start;

		/* Nothing of the kind is at a segment's very beginning, where its header is, or another
		 * function. */
		if (!found || found == code)
			continue;
		start = vaddr + (uint64_t)(found - code);
		err = vec_push(gaps, ((struct gap){start - known->before, start + known->size, known->rule}));
	}
	return err;
}

/* Of a libc within a static program, or one that is its own dynamic linker: musl's, which says nothing of its
 * code. */
struct landmarks {
	struct image_symbol start, create; /* __libc_start_main, pthread_create */
};

static int note_landmark(const struct image_symbol *symbol, void *context)
{
	struct landmarks *landmarks = context;

	if (!strcmp(symbol->name, "__libc_start_main"))
		landmarks->start = *symbol;
	else if (!strcmp(symbol->name, "pthread_create"))
		landmarks->create = *symbol;
	return 0;
}

static int add_start(struct gaps *gaps, const struct image *image, uint64_t start, uint64_t size)
{
	if (gaps->count == MAX_STARTS || !start || !image__is_code(image, start))
		return 0;
	return vec_push(gaps, ((struct gap){start, start + size, STARTS_HERE}));
}

/*
 * The functions whose addresses @symbol's takes: musl's __libc_start_main goes on in another one, which calls
 * main, and threads begin in those that pthread_create hands to clone. lea displacement(%rip), register.
 */
static int add_taken(struct gaps *gaps, const struct image *image, const struct image_symbol *symbol)
{
	uint8_t bytes[MAX_CREATE];
	size_t size = symbol->size < sizeof(bytes) ? symbol->size : sizeof(bytes);
	ssize_t got = size ? image__read(image, symbol->value, bytes, size) : 0;
	int err = 0;

	for (ssize_t at = 0; !err && at + 7 <= got; at++) {
		int32_t displacement;

		if (bytes[at] != 0x48 || bytes[at + 1] != 0x8d || (bytes[at + 2] & 0xc7) != 0x05)
			continue;
		memcpy(&displacement, bytes + at + 3, sizeof(displacement));
		err = add_start(gaps, image, symbol->value + (uint64_t)at + 7 + (uint64_t)displacement,
				MAX_THREAD_START);
	}
	return err;
}

/* Ends what is thought to go on into the next function. */
static int end_at(const struct image_symbol *symbol, void *context)
{
	struct gaps *starts = context;

	vec_each (gap, starts) {
		if (gap->start < symbol->value && symbol->value < gap->end)
			gap->end = symbol->value;
	}
	return 0;
}

static int add_starts(struct gaps *gaps, const struct image *image)
{
	bool interpreted = has_interpreter(image);
	struct landmarks landmarks = {0};
	struct gaps starts = {0};
	int err;

	if (!is_started(image, interpreted))
		return 0;
	err = add_start(&starts, image, image->entry, MAX_START);
	if (!err && !interpreted) {
		/* A table that is corrupt names nothing. */
		image__symbols(image, note_landmark, &landmarks, NULL);
		err = add_taken(&starts, image, &landmarks.start);
		err = err ? err : add_taken(&starts, image, &landmarks.create);
		image__symbols(image, end_at, &starts, NULL);
		err = err ? err : image__each_code(image, MAX_CODE, add_known, &starts);
	}
	vec_each (start, &starts)
		err = err ? err : vec_push(gaps, *start);
	gaps__free(&starts);
	return err;
}

static int compare(const void *left, const void *right)
{
	const struct gap *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->end < b->end ? -1 : a->end > b->end;
}

static void sort(struct gaps *gaps)
{
	size_t kept = 0;

	if (gaps->count)
		qsort(gaps->items, gaps->count, sizeof(*gaps->items), compare);
	for (size_t i = 0; i < gaps->count; i++) {
		struct gap *gap = &gaps->items[i];

		if (i + 1 < gaps->count && gap->end > gap[1].start)
			gap->end = gap[1].start;
		if (gap->start < gap->end)
			gaps->items[kept++] = *gap;
	}
	gaps->count = kept;
}

int gaps__find(const struct image *image, struct gaps *gaps, struct error *error)
{
	int err;

	*gaps = (struct gaps){0};
	err = plt__find(image, gaps);
	err = err ? err : add_starts(gaps, image);
	if (err) {
		gaps__free(gaps);
		return error__set(error, -err, "cannot look for code in %s: %s", image->path, strerror(-err));
	}
	sort(gaps);
	return 0;
}

void gaps__free(struct gaps *gaps)
{
	vec_free(gaps);
}

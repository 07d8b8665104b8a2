// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "python/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include "python/text.h"

#define PAGE           4096u
#define REFERENCES_MAX (1ull << 32)
#define ADDRESS_BITS   56 /* what a user's pointer has at most (five-level page tables) */

#define BITS_HEAP_TYPE (1u << 9) /* made by a class statement: it can be freed. The same in all versions */
#define BITS_BYTES     (1u << 27)
#define BITS_STRING    (1u << 28)

/* No object stands elsewhere; the sum of such an address and of any size that is read wraps nowhere. */
static bool is_plausible(uint64_t address)
{
	return address >= PAGE && address < 1ull << ADDRESS_BITS;
}

struct python_remote python_remote__of(pid_t pid, const struct python_offsets *offsets)
{
	return (struct python_remote){.pid = pid, .offsets = offsets};
}

static int refused(struct python_remote *remote, int code, struct error *error)
{
	if (code == ESRCH)
		return error__set(error, ESRCH, "process %d has ended", (int)remote->pid);
	return error__set(error, code, "the memory of process %d cannot be read: %s", (int)remote->pid,
			  strerror(code));
}

int python_remote__read(struct python_remote *remote, uint64_t address, void *buffer, size_t size,
			struct error *error)
{
	size_t done = 0;

	if (!is_plausible(address))
		return error__set(error, EFAULT, "%#llx is no address", (unsigned long long)address);
	while (done < size) {
		uint64_t at = address + done;
		struct iovec local = {(char *)buffer + done, size - done};
		struct iovec there = {(void *)(uintptr_t)at, size - done};
		ssize_t got = process_vm_readv(remote->pid, &local, 1, &there, 1, 0);

		remote->calls++;
		if (got < 0 && errno != EFAULT)
			return refused(remote, errno, error);
		if (got <= 0)
			return error__set(error, EFAULT, "no memory at %#llx", (unsigned long long)at);
		done += (size_t)got;
	}
	return 0;
}

/* --- Several places at once
 * ------------------------------------------------------------------------------------ */

#define PIECES_MAX (PYTHON_SPANS_MAX * (PYTHON_SPAN_SIZE_MAX / PAGE + 1))

/* Each lies in one page, so that it can be read as a whole or not at all. */
struct pieces {
	struct iovec local[PIECES_MAX], there[PIECES_MAX];
	struct python_span *owner[PIECES_MAX];
	size_t count;
};

static void add_pieces(struct pieces *pieces, struct python_span *span)
{
	size_t done = 0, wanted = span->size < PYTHON_SPAN_SIZE_MAX ? span->size : PYTHON_SPAN_SIZE_MAX;

	span->got = 0;
	if (!is_plausible(span->address))
		return;
	while (done < wanted) {
		uint64_t at = span->address + done;
		size_t size = PAGE - at % PAGE;

		if (size > wanted - done)
			size = wanted - done;
		pieces->local[pieces->count] = (struct iovec){(char *)span->buffer + done, size};
		pieces->there[pieces->count] = (struct iovec){(void *)(uintptr_t)at, size};
		pieces->owner[pieces->count++] = span;
		done += size;
	}
}

/* A piece counts only where all before it, of its span, have been read. */
static void count_piece(const struct pieces *pieces, size_t piece)
{
	struct python_span *span = pieces->owner[piece];

	if ((char *)span->buffer + span->got == pieces->local[piece].iov_base)
		span->got += pieces->local[piece].iov_len;
}

int python_remote__read_spans(struct python_remote *remote, struct python_span *spans, size_t count,
			      struct error *error)
{
	struct pieces pieces = {.count = 0};
	size_t next = 0;

	for (size_t i = 0; i < count && i < PYTHON_SPANS_MAX; i++)
		add_pieces(&pieces, &spans[i]);
	while (next < pieces.count) {
		size_t left = pieces.count - next;
		ssize_t got = process_vm_readv(remote->pid, pieces.local + next, left, pieces.there + next,
					       left, 0);

		remote->calls++;
		if (got < 0 && errno != EFAULT)
			return refused(remote, errno, error);
		for (; got > 0 && next < pieces.count && (size_t)got >= pieces.local[next].iov_len; next++) {
			count_piece(&pieces, next);
			got -= (ssize_t)pieces.local[next].iov_len;
		}
		/* The one where it stopped is left out; those behind it may be readable. */
		next++;
	}
	return 0;
}

/* --- Types
 * ----------------------------------------------------------------------------------------------------- */

static int wrong_type(struct python_remote *remote, uint64_t type, const char *wanted, struct error *error)
{
	char name[64] = "";
	uint64_t at = 0;
	struct python_span span = {.buffer = name, .size = sizeof(name) - 1};

	if (python_remote__read(remote, type + remote->offsets->type.name, &at, sizeof(at), NULL) == 0) {
		span.address = at;
		python_remote__read_spans(remote, &span, 1, NULL);
	}
	name[span.got] = '\0';
	/* It may be anything by now. */
	for (char *c = name; *c; c++) {
		if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
			*c = '?';
	}
	return error__set(error, EBADMSG, "not %s: the object's type is '%s'", wanted, name);
}

/* Classes may be derived from str and bytes: what counts is the bit that all of them have. */
static int check_type(struct python_remote *remote, uint64_t type, uint64_t *known, uint64_t bit,
		      const char *wanted, struct error *error)
{
	uint64_t flags;
	int err;

	if (type == *known && type)
		return 0;
	err = python_remote__read(remote, type + remote->offsets->type.flags, &flags, sizeof(flags), error);
	if (err < 0)
		return err == -EFAULT ? error__set(error, EBADMSG, "not %s: it has no type", wanted) : err;
	if (!(flags & bit))
		return wrong_type(remote, type, wanted, error);
	if (!(flags & BITS_HEAP_TYPE))
		*known = type;
	return 0;
}

int python_remote__check_code_type(struct python_remote *remote, uint64_t type, struct error *error)
{
	static const char wanted[] = "code";
	const struct python_offsets *offsets = remote->offsets;
	char name[sizeof(wanted)];
	uint64_t at, flags;
	int err;

	if (type == remote->types.code && type)
		return 0;
	err = python_remote__read(remote, type + offsets->type.name, &at, sizeof(at), error);
	if (err == 0)
		err = python_remote__read(remote, at, name, sizeof(name), error);
	if (err == 0)
		err = python_remote__read(remote, type + offsets->type.flags, &flags, sizeof(flags), error);
	if (err == -EFAULT)
		return error__set(error, EBADMSG, "not a code object: it has no type");
	if (err < 0)
		return err;
	/* Programs may have classes of this name; the interpreter's own was not made by a class statement. */
	if (memcmp(name, wanted, sizeof(wanted)) != 0 || flags & BITS_HEAP_TYPE)
		return wrong_type(remote, type, "a code object", error);
	remote->types.code = type;
	return 0;
}

/* --- Objects
 * --------------------------------------------------------------------------------------------------- */

bool python_remote__is_alive(const struct python_remote *remote, const void *object)
{
	uint64_t references;

	memcpy(&references, (const char *)object + remote->offsets->object.reference_count,
	       sizeof(references));
	/* Since 3.14 the count is 32 bits with what overflows, which is nothing, and flags above it. */
	if (remote->offsets->version >= PYTHON_VERSION(3, 14))
		references &= 0xffffffffffffull;
	return references > 0 && references < REFERENCES_MAX;
}

static bool take(const struct python_span *span, uint64_t at, void *value, size_t size)
{
	if (at > span->got || span->got - at < size)
		return false;
	memcpy(value, (const char *)span->buffer + at, size);
	return true;
}

/* @size bytes at @at of the object: from its head, or from the process. */
static int contents(struct python_remote *remote, const struct python_span *head, uint64_t at, void *buffer,
		    size_t size, struct error *error)
{
	if (take(head, at, buffer, size))
		return 0;
	return python_remote__read(remote, head->address + at, buffer, size, error);
}

/* How many characters there are, how wide they are and where they stand. */
struct string_shape {
	uint64_t length;
	unsigned int width; /* bytes */
	bool inside;        /* the object, at data; else data is an address */
	uint64_t data;
};

static int string_shape(struct python_remote *remote, const struct python_span *head,
			struct string_shape *shape)
{
	const struct python_offsets *offsets = remote->offsets;
	uint32_t state;

	if (!take(head, offsets->unicode.length, &shape->length, sizeof(shape->length)) ||
	    !take(head, offsets->unicode.state, &state, sizeof(state)))
		return -EFAULT;
	shape->width = state >> offsets->unicode.kind_shift & ((1u << offsets->unicode.kind_bits) - 1);
	shape->inside = state >> offsets->unicode.compact_shift & 1;
	if (shape->inside) {
		shape->data = state >> offsets->unicode.ascii_shift & 1 ? offsets->unicode.ascii_data
									: offsets->unicode.compact_data;
	} else if (shape->width) {
		/* Made in two steps, or of a class derived from str: the address stands behind the rest. */
		if (!take(head, offsets->unicode.compact_data, &shape->data, sizeof(shape->data)))
			return -EFAULT;
	} else {
		/* ≤ 3.11: wchar_t that nobody has converted yet. wstr is the last of the short struct,
		 * wstr_length that of the long one. */
		if (offsets->unicode.ready_shift == PYTHON_ABSENT)
			return -EBADMSG;
		shape->width = sizeof(wchar_t);
		if (!take(head, offsets->unicode.ascii_data - 8, &shape->data, sizeof(shape->data)) ||
		    !take(head, offsets->unicode.compact_data - 8, &shape->length, sizeof(shape->length)))
			return -EFAULT;
	}
	if (shape->length > PYTHON_STRING_MAX ||
	    !(shape->width == 1 || shape->width == 2 || shape->width == 4))
		return -EBADMSG;
	return 0;
}

int python_remote__string(struct python_remote *remote, const struct python_span *head, size_t limit,
			  char **text, struct error *error)
{
	struct string_shape shape;
	uint64_t type;
	size_t count;
	void *characters;
	int err;

	if (!take(head, remote->offsets->object.type, &type, sizeof(type)))
		return error__set(error, EFAULT, "no string at %#llx", (unsigned long long)head->address);
	if (!python_remote__is_alive(remote, head->buffer))
		return error__set(error, EBADMSG, "the string at %#llx has been freed",
				  (unsigned long long)head->address);
	err = check_type(remote, type, &remote->types.string, BITS_STRING, "a str", error);
	if (err < 0)
		return err;
	err = string_shape(remote, head, &shape);
	if (err < 0)
		return error__set(error, -err, "no sense in the string at %#llx",
				  (unsigned long long)head->address);
	count = shape.length < limit ? shape.length : limit;
	characters = malloc(count * shape.width + 1);
	if (!characters)
		return error__set(error, ENOMEM, "out of memory for a string");
	if (shape.inside)
		err = contents(remote, head, shape.data, characters, count * shape.width, error);
	else if (count)
		err = python_remote__read(remote, shape.data, characters, count * shape.width, error);
	if (err == 0) {
		*text = python_text__utf8(characters, count, shape.width, count < shape.length);
		if (!*text)
			err = error__set(error, ENOMEM, "out of memory for a string");
	}
	free(characters);
	return err;
}

int python_remote__bytes_size(struct python_remote *remote, const struct python_span *head, uint64_t *size,
			      struct error *error)
{
	uint64_t type;
	int err;

	if (!take(head, remote->offsets->object.type, &type, sizeof(type)) ||
	    !take(head, remote->offsets->bytes.size, size, sizeof(*size)))
		return error__set(error, EFAULT, "no bytes at %#llx", (unsigned long long)head->address);
	if (!python_remote__is_alive(remote, head->buffer))
		return error__set(error, EBADMSG, "the bytes at %#llx have been freed",
				  (unsigned long long)head->address);
	err = check_type(remote, type, &remote->types.bytes, BITS_BYTES, "a bytes object", error);
	if (err < 0)
		return err;
	if (*size > INT64_MAX)
		return error__set(error, EBADMSG, "no sense in the bytes at %#llx",
				  (unsigned long long)head->address);
	return 0;
}

int python_remote__bytes(struct python_remote *remote, const struct python_span *head, size_t limit,
			 uint8_t **bytes, size_t *size, struct error *error)
{
	uint64_t wanted;
	int err = python_remote__bytes_size(remote, head, &wanted, error);

	if (err < 0)
		return err;
	if (wanted > limit)
		return error__set(error, E2BIG, "%llu bytes, more than %zu", (unsigned long long)wanted,
				  limit);
	*bytes = malloc(wanted + 1);
	if (!*bytes)
		return error__set(error, ENOMEM, "out of memory for %llu bytes", (unsigned long long)wanted);
	err = contents(remote, head, remote->offsets->bytes.data, *bytes, wanted, error);
	if (err < 0) {
		free(*bytes);
		*bytes = NULL;
		return err;
	}
	*size = wanted;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "python/code.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define STRUCT_MAX    256u
#define NAME_HEAD     256u
#define TABLE_HEAD    1024u
#define CODE_UNIT     2
#define ATTEMPTS      2
#define POINTER_ALIGN 8
#define FNV_OFFSET    0xcbf29ce484222325ull
#define FNV_PRIME     0x100000001b3ull

/* The struct, as it stood in the process. */
struct raw {
	unsigned char bytes[STRUCT_MAX];
};

/* What of the struct stays as it is for as long as the object lives. */
struct fields {
	uint64_t type, file, name, qualified_name, line_table, code, count;
	int32_t argcount, posonly_argcount, kwonly_argcount, flags, first_line, unused;
};

_Static_assert(sizeof(struct fields) == 80, "no padding: it is compared and hashed as bytes");

/* The beginnings of the objects that the struct points at, and the struct once more. */
enum part { FILE_NAME, NAME, QUALIFIED_NAME, LINE_TABLE, CODE, AGAIN, PARTS };

struct parts {
	struct python_span spans[PARTS];
	unsigned char names[3][NAME_HEAD], line_table[TABLE_HEAD], code[64];
	struct raw again;
};

_Static_assert(PARTS <= PYTHON_SPANS_MAX, "they are read by one call");
_Static_assert(TABLE_HEAD <= PYTHON_SPAN_SIZE_MAX, "it is a span");

static uint64_t word(const struct raw *raw, uint32_t at)
{
	uint64_t value = 0;

	if (at <= sizeof(raw->bytes) - sizeof(value))
		memcpy(&value, raw->bytes + at, sizeof(value));
	return value;
}

static int32_t number(const struct raw *raw, uint32_t at)
{
	int32_t value = 0;

	if (at <= sizeof(raw->bytes) - sizeof(value))
		memcpy(&value, raw->bytes + at, sizeof(value));
	return value;
}

static bool has_inline_code(const struct python_offsets *offsets)
{
	return offsets->version >= PYTHON_VERSION(3, 11);
}

/* Fields that a version does not have are 0. */
static struct fields fields_of(const struct raw *raw, const struct python_offsets *offsets)
{
	struct fields fields = {0};

	fields.type = word(raw, offsets->object.type);
	fields.file = word(raw, offsets->code.filename);
	fields.name = word(raw, offsets->code.name);
	fields.qualified_name = word(raw, offsets->code.qualified_name);
	fields.line_table = word(raw, offsets->code.line_table);
	if (has_inline_code(offsets))
		fields.count = word(raw, offsets->var_object.item_count);
	else
		fields.code = word(raw, offsets->code.code);
	fields.argcount = number(raw, offsets->code.argcount);
	fields.posonly_argcount = number(raw, offsets->code.posonly_argcount);
	fields.kwonly_argcount = number(raw, offsets->code.kwonly_argcount);
	fields.flags = number(raw, offsets->code.flags);
	fields.first_line = number(raw, offsets->code.first_line);
	return fields;
}

static size_t struct_size(const struct python_offsets *offsets)
{
	size_t size = has_inline_code(offsets) ? offsets->code.code : offsets->code.size;

	return size < STRUCT_MAX ? size : STRUCT_MAX;
}

static int read_struct(struct python_remote *remote, uint64_t address, struct raw *raw, struct fields *fields,
		       struct error *error)
{
	int err;

	memset(raw, 0, sizeof(*raw));
	if (address % POINTER_ALIGN)
		return error__set(error, EBADMSG, "no object can be at %#llx", (unsigned long long)address);
	err = python_remote__read(remote, address, raw->bytes, struct_size(remote->offsets), error);
	if (err < 0)
		return err;
	*fields = fields_of(raw, remote->offsets);
	err = python_remote__check_code_type(remote, fields->type, error);
	if (err < 0)
		return err;
	if (!python_remote__is_alive(remote, raw->bytes))
		return error__set(error, EBADMSG, "the code object at %#llx has been freed",
				  (unsigned long long)address);
	return 0;
}

static int read_parts(struct python_remote *remote, uint64_t address, const struct fields *fields,
		      struct parts *parts, struct error *error)
{
	struct python_span *spans = parts->spans;

	spans[FILE_NAME] = (struct python_span){fields->file, parts->names[0], NAME_HEAD, 0};
	spans[NAME] = (struct python_span){fields->name, parts->names[1], NAME_HEAD, 0};
	/* Mostly both are one object. */
	spans[QUALIFIED_NAME] =
		(struct python_span){fields->qualified_name, parts->names[2],
				     fields->qualified_name == fields->name ? 0 : NAME_HEAD, 0};
	spans[LINE_TABLE] = (struct python_span){fields->line_table, parts->line_table, TABLE_HEAD, 0};
	spans[CODE] = (struct python_span){fields->code, parts->code, sizeof(parts->code), 0};
	spans[AGAIN] = (struct python_span){address, parts->again.bytes, struct_size(remote->offsets), 0};
	return python_remote__read_spans(remote, spans, PARTS, error);
}

static int take_names(struct python_remote *remote, const struct fields *fields, const struct parts *parts,
		      struct python_code *code, struct error *error)
{
	int err =
		python_remote__string(remote, &parts->spans[FILE_NAME], PYTHON_NAME_MAX, &code->file, error);

	if (err < 0)
		return err;
	err = python_remote__string(remote, &parts->spans[NAME], PYTHON_NAME_MAX, &code->name, error);
	if (err < 0 || remote->offsets->code.qualified_name == PYTHON_ABSENT)
		return err;
	if (fields->qualified_name != fields->name)
		return python_remote__string(remote, &parts->spans[QUALIFIED_NAME], PYTHON_NAME_MAX,
					     &code->qualified_name, error);
	code->qualified_name = strdup(code->name);
	return code->qualified_name ? 0 : error__set(error, ENOMEM, "out of memory for a name");
}

static int take_code_size(struct python_remote *remote, const struct fields *fields,
			  const struct parts *parts, struct python_code *code, struct error *error)
{
	uint64_t size = 0;
	int err = 0;

	if (!has_inline_code(remote->offsets)) {
		err = python_remote__bytes_size(remote, &parts->spans[CODE], &size, error);
	} else {
		code->instructions = code->address + remote->offsets->code.code;
		if (__builtin_mul_overflow(fields->count, CODE_UNIT, &size))
			size = UINT64_MAX;
	}
	if (err == 0 && size > PYTHON_CODE_SIZE_MAX)
		err = error__set(error, EBADMSG, "no sense in the code object at %#llx: %llu bytes of code",
				 (unsigned long long)code->address, (unsigned long long)size);
	code->lines.code_size = size;
	return err;
}

static int take_lines(struct python_remote *remote, const struct fields *fields, const struct parts *parts,
		      struct python_code *code, struct error *error)
{
	int err = take_code_size(remote, fields, parts, code, error);

	if (err < 0)
		return err;
	code->lines.first_line = fields->first_line;
	err = python_remote__bytes(remote, &parts->spans[LINE_TABLE], PYTHON_LINE_TABLE_MAX,
				   &code->line_table, &code->lines.size, error);
	/* Too long a table is no reason not to know the function. */
	if (err == -E2BIG)
		return 0;
	if (err < 0)
		return err;
	code->lines.table = code->line_table;
	code->lines.format = python_lines__format(remote->offsets->version);
	return 0;
}

static uint64_t hash(uint64_t value, const void *bytes, size_t size)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < size; i++)
		value = (value ^ byte[i]) * FNV_PRIME;
	return value;
}

static struct python_identity identity_of(const struct fields *fields, const struct python_code *code)
{
	struct python_identity identity = {.fields = hash(FNV_OFFSET, fields, sizeof(*fields))};
	uint64_t contents = hash(FNV_OFFSET, code->file, strlen(code->file) + 1);

	contents = hash(contents, code->name, strlen(code->name) + 1);
	if (code->qualified_name)
		contents = hash(contents, code->qualified_name, strlen(code->qualified_name) + 1);
	if (code->line_table)
		contents = hash(contents, code->line_table, code->lines.size);
	identity.contents = contents;
	return identity;
}

/*
 * While the struct is as it was, it holds what it points at: these have not been freed. The last read of all
 * says so: the spans' where all else was in them, or one more.
 */
static int check_unchanged(struct python_remote *remote, const struct fields *before,
			   const struct parts *parts, uint64_t calls_then, uint64_t address,
			   struct error *error)
{
	struct raw again = parts->again;
	struct fields after;
	int err = 0;

	if (remote->calls != calls_then)
		err = python_remote__read(remote, address, again.bytes, struct_size(remote->offsets), error);
	else if (parts->spans[AGAIN].got < struct_size(remote->offsets))
		err = -EAGAIN;
	after = fields_of(&again, remote->offsets);
	if (err == 0 && python_remote__is_alive(remote, again.bytes) &&
	    memcmp(before, &after, sizeof(after)) == 0)
		return 0;
	if (err < 0 && err != -EAGAIN && err != -EFAULT)
		return err;
	return error__set(error, EAGAIN, "the code object at %#llx changed while it was read",
			  (unsigned long long)address);
}

static int read_once(struct python_remote *remote, uint64_t address, struct python_code *code,
		     struct error *error)
{
	struct fields fields;
	struct parts parts = {0};
	struct raw raw;
	uint64_t calls;
	int err = read_struct(remote, address, &raw, &fields, error);

	if (err < 0)
		return err;
	code->address = address;
	err = read_parts(remote, address, &fields, &parts, error);
	if (err < 0)
		return err;
	calls = remote->calls;
	err = take_names(remote, &fields, &parts, code, error);
	if (err == 0)
		err = take_lines(remote, &fields, &parts, code, error);
	/* A part that makes no sense may be that of an object that has just gone. */
	if (err == 0 || err == -EBADMSG || err == -EFAULT) {
		struct error changed = {0};
		int since = check_unchanged(remote, &fields, &parts, calls, address, &changed);

		if (since < 0) {
			err = since;
			if (error)
				*error = changed;
		}
	}
	if (err == 0)
		code->identity = identity_of(&fields, code);
	return err;
}

int python_code__read(struct python_remote *remote, uint64_t address, struct python_code *code,
		      struct error *error)
{
	int err = -EAGAIN;

	for (int attempt = 0; attempt < ATTEMPTS && err == -EAGAIN; attempt++) {
		memset(code, 0, sizeof(*code));
		err = read_once(remote, address, code, error);
		if (err < 0)
			python_code__free(code);
	}
	return err;
}

void python_code__free(struct python_code *code)
{
	free(code->file);
	free(code->name);
	free(code->qualified_name);
	free(code->line_table);
	memset(code, 0, sizeof(*code));
}

const char *python_code__function(const struct python_code *code)
{
	return code->qualified_name ? code->qualified_name : code->name;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "python/offsets.h"
#include "python/python_find_private.h"
#include "python/thread_state.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_versions(void **unused)
{
	(void)unused;
	for (uint32_t minor = 0; minor < 30; minor++) {
		const struct python_offsets *offsets = python_offsets__find(PYTHON_VERSION(3, minor));

		assert_int_equal(offsets != NULL, minor >= 6 && minor <= 14);
		if (offsets)
			assert_int_equal(offsets->version, PYTHON_VERSION(3, minor));
	}
	assert_null(python_offsets__find(PYTHON_VERSION(2, 7)));
	assert_null(python_offsets__find(0));
}

/* What the walk over threads and frames relies on, whatever the table is made of. */
static void test_rows(void **unused)
{
	(void)unused;
	for (uint32_t minor = 6; minor <= 14; minor++) {
		const struct python_offsets *offsets = python_offsets__find(PYTHON_VERSION(3, minor));

		assert_true(python_offsets__fit(offsets));
		assert_int_equal(offsets->runtime.interpreters_head == PYTHON_ABSENT, minor == 6);
		assert_int_equal(offsets->runtime.tss_key == PYTHON_ABSENT, minor == 6);
		/* One of the two ways to the innermost frame. */
		assert_int_equal(offsets->thread.frame == PYTHON_ABSENT, minor == 11 || minor == 12);
		assert_int_equal(offsets->thread.cframe == PYTHON_ABSENT, minor != 11 && minor != 12);
		assert_int_equal(offsets->cframe.current_frame == PYTHON_ABSENT, minor != 11 && minor != 12);
		assert_int_equal(offsets->frame.is_entry == PYTHON_ABSENT, minor != 11);
		assert_int_equal(offsets->frame.owner_native == PYTHON_ABSENT, minor < 12);
		assert_int_equal(offsets->frame.owner == PYTHON_ABSENT, minor < 11);
		assert_int_equal(offsets->code.qualified_name == PYTHON_ABSENT, minor < 11);
		assert_int_equal(offsets->code.first_traceable == PYTHON_ABSENT, minor < 11);
		assert_true(offsets->frame.code_mask == (minor < 14 ? ~0ull : ~3ull));
		assert_int_equal(offsets->object.reference_count, 0);
		assert_int_equal(offsets->object.type, 8);
	}
	assert_int_equal(python_offsets__find(PYTHON_VERSION(3, 9))->frame.instruction_kind,
			 PYTHON_LASTI_BYTES);
	assert_int_equal(python_offsets__find(PYTHON_VERSION(3, 10))->frame.instruction_kind,
			 PYTHON_LASTI_UNITS);
	assert_int_equal(python_offsets__find(PYTHON_VERSION(3, 12))->frame.instruction_kind,
			 PYTHON_PREV_INSTR);
	assert_int_equal(python_offsets__find(PYTHON_VERSION(3, 14))->frame.instruction_kind,
			 PYTHON_INSTR_PTR);
}

struct debug_block {
	uint8_t bytes[PYTHON_DEBUG_SIZE];
};

static void put(struct debug_block *block, size_t at, uint64_t value)
{
	memcpy(block->bytes + at, &value, sizeof(value));
}

/* All offsets are their own places in there. */
static struct debug_block debug_block(uint64_t version)
{
	struct debug_block block;

	for (size_t at = 0; at < sizeof(block.bytes); at += 8)
		put(&block, at, at);
	memcpy(block.bytes, "xdebugpy", 8);
	put(&block, 8, version);
	put(&block, 16, 0);
	return block;
}

static void test_debug_offsets(void **unused)
{
	struct python_offsets offsets = *python_offsets__find(PYTHON_VERSION(3, 13)), before = offsets;
	struct debug_block block = debug_block(0x030d05f0);

	(void)unused;
	assert_int_equal(python_offsets__from_debug(&offsets, block.bytes, NULL), 0);
	/* By ptype /o _Py_DebugOffsets of 3.13.0. */
	assert_int_equal(offsets.runtime.interpreters_head, 40);
	assert_int_equal(offsets.interpreter.threads_head, 72);
	assert_int_equal(offsets.thread.frame, 184);
	assert_int_equal(offsets.frame.instruction, 248);
	assert_int_equal(offsets.code.code, 344);
	assert_int_equal(offsets.unicode.ascii_data, 560);
	/* What it does not say stays. */
	assert_int_equal(offsets.runtime.tss_key, before.runtime.tss_key);
	assert_int_equal(offsets.unicode.kind_shift, before.unicode.kind_shift);
	assert_int_equal(offsets.frame.owner_native, before.frame.owner_native);
	assert_int_equal(offsets.version, before.version);
	/* Nothing of it has to be where the walk looks. */
	assert_true(python_offsets__fit(&before));
	offsets = before;
	offsets.thread.frame = 249;
	assert_false(python_offsets__fit(&offsets));
	offsets = before;
	offsets.frame.owner = 121;
	assert_false(python_offsets__fit(&offsets));
}

static void test_debug_refused(void **unused)
{
	static const struct {
		size_t at;
		uint64_t value;
		int err;
		const char *text;
	} cases[] = {
		{0, 0, -EBADMSG, "does not start"},           {8, 0x030e00f0, -EBADMSG, "of version 3.14"},
		{8, 0x030c00f0, -EBADMSG, "of version 3.12"}, {16, 1, -ENOTSUP, "free-threaded"},
		{40, 1ull << 32, -EBADMSG, "nonsense"},       {40, UINT64_MAX, -EBADMSG, "nonsense"},
		{560, 1ull << 25, -EBADMSG, "nonsense"},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct python_offsets offsets = *python_offsets__find(PYTHON_VERSION(3, 13));
		struct debug_block block = debug_block(0x030d00f0);
		struct error error = {""};

		put(&block, cases[i].at, cases[i].value);
		assert_int_equal(python_offsets__from_debug(&offsets, block.bytes, &error), cases[i].err);
		assert_non_null(strstr(error.text, cases[i].text));
	}
}

static void test_no_debug_offsets(void **unused)
{
	struct python_offsets offsets = *python_offsets__find(PYTHON_VERSION(3, 12)), before = offsets;
	struct debug_block block = debug_block(0x030c00f0);

	(void)unused;
	assert_int_equal(python_offsets__from_debug(&offsets, block.bytes, NULL), 0);
	assert_memory_equal(&offsets, &before, sizeof(offsets));
}

static void test_version_texts(void **unused)
{
	static const struct {
		const char *text;
		uint32_t version;
	} texts[] = {
		{"3.9.2", PYTHON_VERSION(3, 9)},
		{"3.10.13", PYTHON_VERSION(3, 10)},
		{"3.8.0+", PYTHON_VERSION(3, 8)},
		{"3.7.0rc1", PYTHON_VERSION(3, 7)},
		{"3.9", PYTHON_VERSION(3, 9)},
		{"2.7.18", PYTHON_VERSION(2, 7)},
		{"4.0.0", 0},
		{"3", 0},
		{"3.x", 0},
		{"3.9.2 (default)", 0},
		{"%.80s (%.80s) %.80s", 0},
		{"", 0},
		{"[GCC 12.2.0]", 0},
		{"3.999999999999999999999", 0},
	};
	static const struct {
		const char *path;
		uint32_t version;
	} paths[] = {
		{"/usr/lib/libpython3.9.so.1.0", PYTHON_VERSION(3, 9)},
		{"/usr/bin/python3.11", PYTHON_VERSION(3, 11)},
		{"/x/libpython3.7m.so.1.0", PYTHON_VERSION(3, 7)},
		{"python3.12", PYTHON_VERSION(3, 12)},
		{"/usr/lib/python3.9/host", 0},
		{"/usr/bin/python3", 0},
		{"/usr/bin/python", 0},
		{"", 0},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_int_equal(python_version__parse(texts[i].text), texts[i].version);
	for (size_t i = 0; i < COUNT(paths); i++)
		assert_int_equal(python_version__of_path(paths[i].path), paths[i].version);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),         cmocka_unit_test(test_rows),
		cmocka_unit_test(test_debug_offsets),    cmocka_unit_test(test_debug_refused),
		cmocka_unit_test(test_no_debug_offsets), cmocka_unit_test(test_version_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

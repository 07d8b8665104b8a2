// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "python/offsets.h"

#include <errno.h>
#include <string.h>

#include "python/offsets_table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The start of _Py_DebugOffsets, the same in all versions that have it
 * (Include/internal/pycore_debug_offsets.h). */
struct debug_header {
	char cookie[8];
	uint64_t version; /* PY_VERSION_HEX */
	uint64_t free_threaded;
};

/* Larger than any struct of CPython: its _PyRuntimeState has some 460 KB. */
#define MAX_OFFSET (1u << 24)

const struct python_offsets *python_offsets__find(uint32_t version)
{
	for (size_t i = 0; i < COUNT(offsets_table); i++) {
		if (offsets_table[i].version == version)
			return &offsets_table[i];
	}
	return NULL;
}

int python_offsets__from_debug(struct python_offsets *offsets, const uint8_t *bytes, struct error *error)
{
	struct debug_header header;
	uint32_t version;
	uint64_t value;

	if (offsets->version < PYTHON_DEBUG_FIRST)
		return 0;
	memcpy(&header, bytes, sizeof(header));
	if (memcmp(header.cookie, "xdebugpy", sizeof(header.cookie)))
		return error__set(error, EBADMSG, "_PyRuntime does not start with _Py_DebugOffsets");
	version = PYTHON_VERSION(header.version >> 24 & 0xff, header.version >> 16 & 0xff);
	if (version != offsets->version)
		return error__set(error, EBADMSG, "its _Py_DebugOffsets is of version %u.%u", version >> 8,
				  version & 0xff);
	if (header.free_threaded)
		return error__set(error, ENOTSUP, "free-threaded builds (%u.%ut) are not supported",
				  version >> 8, version & 0xff);
	for (size_t i = 0; i < COUNT(debug_table); i++) {
		const struct python_debug_field *field = &debug_table[i];
		uint32_t offset;

		if (field->version != version)
			continue;
		memcpy(&value, bytes + field->place, sizeof(value));
		if (value > MAX_OFFSET)
			return error__set(error, EBADMSG, "its _Py_DebugOffsets holds nonsense");
		offset = (uint32_t)value;
		memcpy((char *)offsets + field->field, &offset, sizeof(offset));
	}
	return 0;
}

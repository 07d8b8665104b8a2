// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What an image's code says: the version, and, until 3.6, where the state stands. */
#include "python/python_find_private.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Both functions are short. */
#define CODE_SIZE 256

static bool read_code(const struct image *image, uint64_t start, uint8_t bytes[CODE_SIZE],
		      struct python_code *code)
{
	ssize_t got = image__read(image, start, bytes, CODE_SIZE);

	if (got <= 0)
		return false;
	python_code__start(code, bytes, (size_t)got, start);
	return true;
}

uint32_t python_version__parse(const char *text)
{
	unsigned long major, minor;
	char *end;

	if (!isdigit((unsigned char)*text))
		return 0;
	major = strtoul(text, &end, 10);
	if (*end != '.' || !isdigit((unsigned char)end[1]))
		return 0;
	minor = strtoul(end + 1, &end, 10);
	if (major < 2 || major > 3 || minor > 255)
		return 0;
	/* PY_VERSION: a micro version, what kind of release it is ("a1", "rc2"), a "+" for what comes after.
	 */
	end += strspn(end, ".0123456789abcr+");
	return *end ? 0 : PYTHON_VERSION((uint32_t)major, (uint32_t)minor);
}

uint32_t python_version__of_path(const char *path)
{
	const char *name = strrchr(path, '/');
	char *end;
	unsigned long major, minor;

	name = strstr(name ? name + 1 : path, "python");
	if (!name || !isdigit((unsigned char)name[6]))
		return 0;
	major = strtoul(name + 6, &end, 10);
	if (*end != '.' || !isdigit((unsigned char)end[1]) || major > 3)
		return 0;
	minor = strtoul(end + 1, &end, 10);
	return minor > 255 ? 0 : PYTHON_VERSION((uint32_t)major, (uint32_t)minor);
}

/*
 * Py_GetVersion() puts PY_VERSION and two other texts together: their addresses are in its code, as those of
 * functions are, and only one of them is that of a version number.
 */
uint32_t python_image__version_in_code(const struct image *image, uint64_t start)
{
	struct python_code code;
	uint8_t bytes[CODE_SIZE];
	uint64_t address;
	char text[32];
	uint32_t version;

	if (!read_code(image, start, bytes, &code))
		return 0;
	while (python_code__next(&code) && code.head.mnemonic != ZYDIS_MNEMONIC_RET) {
		if (code.head.mnemonic != ZYDIS_MNEMONIC_LEA && code.head.mnemonic != ZYDIS_MNEMONIC_MOV)
			continue;
		if (!python_code__address(&code, 1, &address))
			continue;
		ssize_t got = image__read(image, address, text, sizeof(text));

		if (got <= 0 || !memchr(text, '\0', (size_t)got))
			continue;
		version = python_version__parse(text);
		if (version)
			return version;
	}
	return 0;
}

uint64_t python_image__variable_of(const struct image *image, uint64_t start, size_t width)
{
	struct python_code code;
	uint8_t bytes[CODE_SIZE];
	uint64_t address;

	if (!read_code(image, start, bytes, &code))
		return 0;
	while (python_code__next(&code) && code.head.mnemonic != ZYDIS_MNEMONIC_RET) {
		if (code.head.mnemonic == ZYDIS_MNEMONIC_MOV &&
		    code.operands[1].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    code.operands[1].size == width * 8 && python_code__address(&code, 1, &address))
			return address;
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "python/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT   0xfffdu
#define ELLIPSIS      0x2026u
#define UTF8_SIZE_MAX 4

static uint32_t character(const void *characters, size_t index, unsigned int width)
{
	const uint8_t *at = (const uint8_t *)characters + index * width;
	uint32_t four;
	uint16_t two;

	if (width == 1)
		return *at;
	if (width == 2) {
		memcpy(&two, at, sizeof(two));
		return two;
	}
	memcpy(&four, at, sizeof(four));
	return four;
}

static char *put(char *out, uint32_t point)
{
	if (point >= 0xdc80 && point <= 0xdcff) {
		*out++ = (char)(point & 0xff);
		return out;
	}
	if (point == 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		point = REPLACEMENT;
	if (point < 0x80) {
		*out++ = (char)point;
		return out;
	}
	if (point < 0x800) {
		*out++ = (char)(0xc0 | point >> 6);
	} else {
		if (point < 0x10000) {
			*out++ = (char)(0xe0 | point >> 12);
		} else {
			*out++ = (char)(0xf0 | point >> 18);
			*out++ = (char)(0x80 | (point >> 12 & 63));
		}
		*out++ = (char)(0x80 | (point >> 6 & 63));
	}
	*out++ = (char)(0x80 | (point & 63));
	return out;
}

char *python_text__utf8(const void *characters, size_t count, unsigned int width, bool cut)
{
	char *text = malloc((count + 1) * UTF8_SIZE_MAX + 1);
	char *out = text, *smaller;

	if (!text)
		return NULL;
	for (size_t i = 0; i < count; i++)
		out = put(out, character(characters, i, width));
	if (cut)
		out = put(out, ELLIPSIS);
	*out++ = '\0';
	smaller = realloc(text, (size_t)(out - text));
	return smaller ? smaller : text;
}

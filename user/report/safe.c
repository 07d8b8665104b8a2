// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/safe.h"

#include <stdbool.h>
#include <string.h>

#define ELLIPSIS "…"

size_t utf8__decode(const char *text, size_t length, uint32_t *code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *bytes = (const unsigned char *)text;
	size_t wanted;
	uint32_t value;

	*code = UTF8_REPLACEMENT;
	if (bytes[0] < 0x80) {
		*code = bytes[0];
		return 1;
	}
	if (bytes[0] >= 0xc2 && bytes[0] <= 0xdf)
		wanted = 2;
	else if (bytes[0] >= 0xe0 && bytes[0] <= 0xef)
		wanted = 3;
	else if (bytes[0] >= 0xf0 && bytes[0] <= 0xf4)
		wanted = 4;
	else
		return 1;
	if (wanted > length)
		return 1;
	value = bytes[0] & (0x7fu >> wanted);
	for (size_t i = 1; i < wanted; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 1;
		value = value << 6 | (bytes[i] & 0x3f);
	}
	if (value < smallest[wanted] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 1;
	*code = value;
	return wanted;
}

size_t utf8__encode(uint32_t code, char bytes[4])
{
	if (code < 0x80) {
		bytes[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		bytes[0] = (char)(0xc0 | code >> 6);
		bytes[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		bytes[0] = (char)(0xe0 | code >> 12);
		bytes[1] = (char)(0x80 | (code >> 6 & 0x3f));
		bytes[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	bytes[0] = (char)(0xf0 | code >> 18);
	bytes[1] = (char)(0x80 | (code >> 12 & 0x3f));
	bytes[2] = (char)(0x80 | (code >> 6 & 0x3f));
	bytes[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

int utf8__is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
	       (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0x200e ||
	       code == 0x200f || code == 0x061c;
}

struct range {
	uint32_t first, last;
};

static bool is_in(const struct range *ranges, size_t count, uint32_t code)
{
	for (size_t i = 0; i < count; i++) {
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	}
	return false;
}

/* The large blocks of Unicode's EastAsianWidth.txt (W, F) and of its general categories Mn and Me. */
static unsigned character_columns(uint32_t code)
{
	static const struct range wide[] = {
		{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xac00, 0xd7a3},
		{0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
		{0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
	};
	static const struct range combining[] = {
		{0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
		{0x200b, 0x200d}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
	};

	if (code < 0x0300)
		return 1;
	if (is_in(combining, sizeof(combining) / sizeof(combining[0]), code))
		return 0;
	return is_in(wide, sizeof(wide) / sizeof(wide[0]), code) ? 2 : 1;
}

size_t utf8__columns(const char *text, size_t length)
{
	size_t columns = 0;
	uint32_t code;

	for (size_t i = 0; i < length;) {
		i += utf8__decode(text + i, length - i, &code);
		columns += character_columns(code);
	}
	return columns;
}

void safe__put(FILE *out, const char *text, size_t length)
{
	char bytes[4];
	uint32_t code;

	for (size_t i = 0; i < length;) {
		i += utf8__decode(text + i, length - i, &code);
		if (utf8__is_control(code))
			code = '?';
		fwrite(bytes, 1, utf8__encode(code, bytes), out);
	}
}

void safe__puts(FILE *out, const char *text)
{
	safe__put(out, text, strlen(text));
}

/* How many bytes of @text take at most @columns. */
static size_t fitting_start(const char *text, size_t length, size_t columns)
{
	size_t used = 0, i = 0;
	uint32_t code;

	while (i < length) {
		size_t taken = utf8__decode(text + i, length - i, &code);

		used += character_columns(code);
		if (used > columns)
			break;
		i += taken;
	}
	return i;
}

void safe__put_start(FILE *out, const char *text, size_t columns)
{
	size_t length = strlen(text);

	if (utf8__columns(text, length) <= columns) {
		fwrite(text, 1, length, out);
		return;
	}
	if (!columns)
		return;
	fwrite(text, 1, fitting_start(text, length, columns - 1), out);
	fputs(ELLIPSIS, out);
}

void safe__put_middle(FILE *out, const char *text, size_t columns)
{
	size_t length = strlen(text), total = utf8__columns(text, length);
	size_t head, from, kept = total;
	uint32_t code;

	if (total <= columns) {
		fwrite(text, 1, length, out);
		return;
	}
	if (!columns)
		return;
	head = fitting_start(text, length, (columns - 1) / 3);
	/* Skip from the head's end until what is left fits beside it. */
	kept -= utf8__columns(text, head);
	for (from = head; from < length && kept > columns - 1 - (columns - 1) / 3;) {
		from += utf8__decode(text + from, length - from, &code);
		kept -= character_columns(code);
	}
	/* Do not leave a combining mark on its own behind the ellipsis. */
	while (from < length) {
		size_t taken = utf8__decode(text + from, length - from, &code);

		if (character_columns(code))
			break;
		from += taken;
	}
	fwrite(text, 1, head, out);
	fputs(ELLIPSIS, out);
	fwrite(text + from, 1, length - from, out);
}

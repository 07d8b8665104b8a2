/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Compares an unwind table with what binutils make of the same file: readelf --debug-dump=frames-interp
 * prints a header for each CIE and FDE, one for the columns, and a line for each row. Include after cmocka.h.
 */
#ifndef MEMWATCH_TESTS_READELF_FRAMES_H
#define MEMWATCH_TESTS_READELF_FRAMES_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "unwind/unwind_table.h"

struct frame_cie {
	unsigned long offset;
	bool debug, signal;
	char cfa[32], rbx[32], rbp[32], ra[32];
};

struct frame_lines {
	const struct unwind_table *table;
	VEC(struct frame_cie) cies;
	VEC(uint64_t) edges;  /* where a row may start */
	VEC(uint64_t) ends;   /* where a function ends */
	struct frame_cie cie; /* of what is being read */
	bool in_cie, debug, has_row;
	uint64_t start, end, location; /* of the function; of the row that waits for its successor */
	char cfa[32], rbx[32], rbp[32], ra[32];
	int rbx_column, rbp_column, ra_column;
	size_t rows, wrong;
};

/* "rsp+16" → UNWIND_RSP, 16. Returns false for what a row cannot say. */
static bool frame_register(const char *text, enum unwind_cfa *cfa, long *offset)
{
	static const struct {
		const char *name;
		enum unwind_cfa cfa;
	} known[] = {{"rsp", UNWIND_RSP}, {"rbp", UNWIND_RBP}, {"rbx", UNWIND_RBX}, {"r10", UNWIND_R10}};
	char name[8];

	if (sscanf(text, "%7[a-z0-9]%ld", name, offset) != 2 || *offset % 8 || *offset < -1048576 ||
	    *offset > 1048568)
		return false;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		*cfa = known[i].cfa;
		if (!strcmp(known[i].name, name))
			return true;
	}
	return false;
}

/* "c-24" → 2, as rows have it. Returns false for what a row cannot say. */
static bool frame_saved(const char *text, uint32_t *at)
{
	long saved;

	*at = 0;
	if (!strcmp(text, "u") || !strcmp(text, "s"))
		return true;
	if (sscanf(text, "c%ld", &saved) != 1 || saved % 8 || saved > -16 || saved < -248)
		return false;
	*at = (uint32_t)(-saved / 8 - 1);
	return true;
}

static bool frame_agrees(const struct frame_lines *lines, uint32_t rule)
{
	enum unwind_cfa cfa = UNWIND_CFA(rule), wanted = UNWIND_UNSUPPORTED;
	bool expression = !strcmp(lines->cfa, "exp"), at_rbp = !strcmp(lines->rbp, "exp");
	uint32_t rbp = 0, rbx = 0;
	long offset = 0;

	if (!strcmp(lines->ra, "u"))
		return rule == UNWIND_RULE(UNWIND_END, 0, 0, 0);
	if (lines->cie.signal && expression)
		return rule == UNWIND_RULE(UNWIND_SIGNAL, 0, 0, 0);
	if (!expression && !frame_register(lines->cfa, &wanted, &offset))
		return rule == UNWIND_RULE(UNWIND_UNSUPPORTED, 0, 0, 0);
	if ((!(expression && at_rbp) && !frame_saved(lines->rbp, &rbp)) || strcmp(lines->ra, "c-8"))
		return rule == UNWIND_RULE(UNWIND_UNSUPPORTED, 0, 0, 0);
	if (!frame_saved(lines->rbx, &rbx))
		rbx = UNWIND_RBX_LOST;
	if (cfa == UNWIND_PLT && (rbx || UNWIND_PUSHED_AT(rule) > 15))
		return false;
	if (cfa != UNWIND_UNSUPPORTED &&
	    (UNWIND_RBP_AT(rule) != rbp || (cfa != UNWIND_PLT && UNWIND_RBX_AT(rule) != rbx)))
		return false;
	/* Which expression it is readelf does not print here; handmade ones are tested by themselves. */
	if (expression)
		return cfa == UNWIND_UNSUPPORTED ||
		       (at_rbp ? cfa == UNWIND_DEREF_RBP
			       : cfa == UNWIND_DEREF_RSP || cfa == UNWIND_DEREF_RSP8 || cfa == UNWIND_PLT);
	return rule == UNWIND_RULE(wanted, offset / 8, rbp, rbx) && UNWIND_OFFSET(rule) == offset &&
	       (!rbp || UNWIND_SAVED(rbp) == strtol(lines->rbp + 1, NULL, 10));
}

static void frame_flush(struct frame_lines *lines)
{
	const struct unwind_row *row;

	if (!lines->has_row)
		return;
	lines->has_row = false;
	if (lines->in_cie) {
		struct frame_cie *cie = &lines->cies.items[lines->cies.count - 1];

		memcpy(cie->cfa, lines->cfa, sizeof(cie->cfa));
		memcpy(cie->rbx, lines->rbx, sizeof(cie->rbx));
		memcpy(cie->rbp, lines->rbp, sizeof(cie->rbp));
		memcpy(cie->ra, lines->ra, sizeof(cie->ra));
		return;
	}
	if (lines->location >= lines->end)
		return;
	lines->rows++;
	assert_int_equal(vec_push(&lines->edges, lines->location), 0);
	row = unwind_table__find(lines->table, lines->location);
	if (row && frame_agrees(lines, row->rule))
		return;
	if (!lines->wrong++)
		print_error("at %#" PRIx64
			    ": readelf has CFA %s rbx %s rbp %s ra %s, the table %u %d %u %u\n",
			    lines->location, lines->cfa, lines->rbx, lines->rbp, lines->ra,
			    row ? UNWIND_CFA(row->rule) : 0, row ? UNWIND_OFFSET(row->rule) : 0,
			    row ? UNWIND_RBX_AT(row->rule) : 0, row ? UNWIND_RBP_AT(row->rule) : 0);
}

/* A function's first row is its CIE's, until readelf prints one for the same place. */
static void frame_function(struct frame_lines *lines, unsigned long cie)
{
	for (size_t i = 0; i < lines->cies.count; i++) {
		const struct frame_cie *known = &lines->cies.items[i];

		if (known->offset != cie || known->debug != lines->debug)
			continue;
		lines->cie = *known;
		memcpy(lines->cfa, known->cfa, sizeof(lines->cfa));
		memcpy(lines->rbx, known->rbx, sizeof(lines->rbx));
		memcpy(lines->rbp, known->rbp, sizeof(lines->rbp));
		memcpy(lines->ra, known->ra, sizeof(lines->ra));
		lines->location = lines->start;
		lines->has_row = true;
		lines->in_cie = false;
		assert_int_equal(vec_push(&lines->edges, lines->start), 0);
		assert_int_equal(vec_push(&lines->ends, lines->end), 0);
		return;
	}
	fail_msg("no CIE at %#lx", cie);
}

static void frame_row(struct frame_lines *lines, char *line)
{
	char *place = NULL, *word = strtok_r(line, " \n", &place);
	uint64_t location = strtoull(word, NULL, 16);

	if (location != lines->location)
		frame_flush(lines);
	lines->location = location;
	lines->has_row = true;
	strcpy(lines->rbx, "u");
	strcpy(lines->rbp, "u");
	strcpy(lines->ra, "u");
	for (int column = 0; (word = strtok_r(NULL, " \n", &place)); column++) {
		char *field;

		/* A register has its name behind its number. */
		if (*word == '(') {
			column--;
			continue;
		}
		field = column == 0                   ? lines->cfa
			: column == lines->rbx_column ? lines->rbx
			: column == lines->rbp_column ? lines->rbp
			: column == lines->ra_column  ? lines->ra
						      : NULL;

		if (field)
			snprintf(field, 32, "%s", word);
	}
}

static void frame_columns(struct frame_lines *lines, char *line)
{
	char *place = NULL, *word = strtok_r(line, " \n", &place);

	lines->rbx_column = lines->rbp_column = lines->ra_column = -1;
	for (int column = 0; (word = strtok_r(NULL, " \n", &place)); column++) {
		if (!strcmp(word, "rbx"))
			lines->rbx_column = column;
		if (!strcmp(word, "rbp"))
			lines->rbp_column = column;
		if (!strcmp(word, "ra"))
			lines->ra_column = column;
	}
}

static void frame_line(struct frame_lines *lines, char *line)
{
	struct frame_cie cie = {.debug = lines->debug};
	unsigned long offset;
	char augmentation[16];
	uint64_t start, end;

	if (!strncmp(line, "Contents of", 11)) {
		frame_flush(lines);
		lines->debug = strstr(line, ".debug_frame");
	} else if (sscanf(line, "%lx %*x %*x CIE \"%15[^\"]", &cie.offset, augmentation) == 2 ||
		   (sscanf(line, "%lx %*x %*x CIE", &cie.offset) == 1 && strstr(line, " CIE "))) {
		frame_flush(lines);
		cie.signal = strstr(line, " CIE \"") && strchr(strstr(line, " CIE \""), 'S');
		assert_int_equal(vec_push(&lines->cies, cie), 0);
		lines->in_cie = true;
	} else if (sscanf(line, "%*x %*x %*x FDE cie=%lx pc=%" SCNx64 "..%" SCNx64, &offset, &start, &end) ==
		   3) {
		frame_flush(lines);
		lines->start = start;
		lines->end = end;
		frame_function(lines, offset);
	} else if (strstr(line, "LOC ")) {
		frame_columns(lines, line);
	} else if (strspn(line, "0123456789abcdef") == 16) {
		frame_row(lines, line);
	}
}

static int compare_places(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

/* Compares both ways: each of readelf's rows is in @table, and @table has no other. Returns readelf's rows.
 */
static size_t compare_with_readelf(const struct unwind_table *table, const char *path)
{
	struct frame_lines lines = {.table = table};
	char command[600], line[1024];
	FILE *output;

	snprintf(command, sizeof(command),
		 "LC_ALL=C readelf --debug-dump=frames-interp,no-follow-links '%s' 2>&1", path);
	output = popen(command, "r");
	assert_non_null(output);
	while (fgets(line, sizeof(line), output))
		frame_line(&lines, line);
	assert_int_equal(pclose(output), 0);
	frame_flush(&lines);
	assert_true(lines.rows > 0);
	assert_int_equal(lines.wrong, 0);
	qsort(lines.edges.items, lines.edges.count, sizeof(*lines.edges.items), compare_places);
	qsort(lines.ends.items, lines.ends.count, sizeof(*lines.ends.items), compare_places);
	vec_each (row, table) {
		uint64_t place = table->base + row->pc;
		bool none = row->rule == UNWIND_NONE;

		/* What glibc's contexts return to is none of readelf's. */
		if (UNWIND_CFA(row->rule) == UNWIND_END && row + 1 < table->items + table->count &&
		    row[1].pc == row->pc + 1)
			place++;
		if (!bsearch(&place, none ? lines.ends.items : lines.edges.items,
			     none ? lines.ends.count : lines.edges.count, sizeof(place), compare_places))
			fail_msg("%s: readelf knows no row at %#" PRIx64, path, place);
	}
	vec_free(&lines.cies);
	vec_free(&lines.edges);
	vec_free(&lines.ends);
	return lines.rows;
}

#endif

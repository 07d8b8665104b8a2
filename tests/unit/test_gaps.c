// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What stubs do to the stack pointer is followed in objdump's output; where programs and threads begin is
 * known by nm.
 */
#include <elf.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/vec.h"
#include "unwind/unwind_table.h"

#define DYNAMIC_LINKER "/lib64/ld-linux-x86-64.so.2"

static const char program[] = "#include <pthread.h>\n"
			      "#include <signal.h>\n"
			      "#include <stdlib.h>\n"
			      "#include <string.h>\n"
			      "static void *body(void *p) { return strdup(p); }\n"
			      "int main(int c, char **v) {\n"
			      "	void *(*volatile taken)(size_t) = malloc;\n"
			      "	pthread_t thread;\n"
			      "	pthread_create(&thread, NULL, body, v[0]);\n"
			      "	pthread_join(thread, NULL);\n"
			      "	signal(SIGUSR1, SIG_IGN);\n"
			      "	free(taken(c));\n"
			      "	return malloc(100) != NULL; }\n";

static char directory[] = "/tmp/memwatch-test-XXXXXX";
static char built[64];

static int set_up(void **state)
{
	char path[64];
	FILE *file;

	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(built, sizeof(built), "%s/program", directory);
	snprintf(path, sizeof(path), "%s/program.c", directory);
	file = fopen(path, "w");
	return !file || fputs(program, file) < 0 || fclose(file);
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r '%s'", directory);
	return system(command);
}

/* With @command, which is for %s/program.c. */
static void build(const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "cd '%s' && %s -w -O2 -o program program.c 2>/dev/null", directory,
		 command);
	if (system(line))
		fail_msg("failed: %s", line);
}

static struct image *open_image(const char *path)
{
	struct error error = {0};
	struct image *image;

	if (image__open(path, &image, &error))
		fail_msg("%s", error.text);
	return image;
}

static struct gaps find(const char *path)
{
	struct image *image = open_image(path);
	struct error error = {0};
	struct gaps gaps;

	if (gaps__find(image, &gaps, &error))
		fail_msg("%s", error.text);
	image__put(image);
	for (size_t i = 0; i < gaps.count; i++) {
		assert_true(gaps.items[i].start < gaps.items[i].end);
		assert_true(!i || gaps.items[i - 1].end <= gaps.items[i].start);
	}
	return gaps;
}

static const struct gap *gap_at(const struct gaps *gaps, uint64_t vaddr)
{
	vec_each (gap, gaps) {
		if (vaddr >= gap->start && vaddr < gap->end)
			return gap;
	}
	return NULL;
}

/* How far the frame address is above rsp, by @rule. */
static unsigned distance(uint32_t rule, uint64_t vaddr)
{
	unsigned offset = (unsigned)UNWIND_OFFSET(rule);

	assert_int_equal(UNWIND_RBP_AT(rule), 0);
	if (UNWIND_CFA(rule) == UNWIND_PLT)
		return offset + (vaddr % 16 >= UNWIND_PUSHED_AT(rule) ? 8 : 0);
	assert_int_equal(UNWIND_CFA(rule), UNWIND_RSP);
	assert_int_equal(UNWIND_RBX_AT(rule), 0);
	return offset;
}

/* Follows the pushes: entries are of 16 bytes, or of 8 that push nothing. Returns the number of instructions.
 */
static size_t follow(const struct gaps *gaps, const char *path, const char *section)
{
	unsigned wanted = 8, after = 8;
	char command[256], line[512];
	size_t instructions = 0;
	FILE *output;

	snprintf(command, sizeof(command), "objdump -d --no-show-raw-insn -j %s '%s' 2>/dev/null", section,
		 path);
	output = popen(command, "r");
	assert_non_null(output);
	while (fgets(line, sizeof(line), output)) {
		char operation[16];
		uint64_t vaddr;

		if (sscanf(line, " %" SCNx64 ":\t%15s", &vaddr, operation) != 2)
			continue;
		wanted = vaddr % 16 ? after : 8;
		/* The first entry is gone to after a push. */
		if (!instructions && !strcmp(operation, "push"))
			wanted = 16;
		after = wanted + (strcmp(operation, "push") ? 0 : 8);
		instructions++;
		if (!gap_at(gaps, vaddr))
			fail_msg("%s: no rule at %#" PRIx64, section, vaddr);
		if (distance(gap_at(gaps, vaddr)->rule, vaddr) != wanted)
			fail_msg("%s: not %u at %s", section, wanted, line);
	}
	pclose(output);
	return instructions;
}

static void stubs(void **state)
{
	static const struct {
		const char *command;
		size_t plt, got, sec, iplt; /* how many instructions at least */
	} builds[] = {
		{"gcc -Wl,-z,lazy", 9, 4, 0, 0},
		{"gcc -Wl,-z,now", 9, 4, 0, 0},
		{"gcc -fcf-protection -Wl,-z,ibtplt,-z,lazy", 11, 6, 6, 0},
		{"gcc -fcf-protection -Wl,-z,ibtplt,-z,now", 11, 6, 6, 0},
		{"gcc -static", 20, 0, 0, 0},
		{"gcc -static-pie", 20, 0, 0, 0},
		{"gcc -fuse-ld=gold", 9, 0, 0, 0},
		{"clang -fuse-ld=lld -Wl,-z,lazy", 9, 0, 0, 0},
		{"clang -fuse-ld=lld -Wl,-z,now", 9, 0, 0, 0},
		{"clang -fuse-ld=lld -fcf-protection -Wl,-z,force-ibt,-z,lazy", 11, 0, 6, 0},
		{"clang -fuse-ld=lld -fcf-protection -Wl,-z,force-ibt,-z,now", 11, 0, 6, 0},
		{"clang -fuse-ld=lld -no-pie", 9, 0, 0, 0},
		{"clang -fuse-ld=lld -shared -fPIC", 9, 0, 0, 0},
		{"clang -fuse-ld=lld -static", 0, 0, 0, 20},
		{"clang -fuse-ld=lld -static -Wl,-z,force-ibt", 0, 0, 0, 20},
		{"musl-gcc", 9, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(builds) / sizeof(*builds); i++) {
		struct gaps gaps;

		build(builds[i].command);
		gaps = find(built);
		assert_in_range(follow(&gaps, built, ".plt"), builds[i].plt, 10000);
		assert_in_range(follow(&gaps, built, ".plt.got"), builds[i].got, 10000);
		assert_in_range(follow(&gaps, built, ".plt.sec"), builds[i].sec, 10000);
		assert_in_range(follow(&gaps, built, ".iplt"), builds[i].iplt, 10000);
		gaps__free(&gaps);
	}
}

/* Stubs that call and return are none of those that are known. */
static void retpolines(void **state)
{
	static const char *const commands[] = {"clang -fuse-ld=lld -Wl,-z,retpolineplt,-z,lazy",
					       "clang -fuse-ld=lld -Wl,-z,retpolineplt,-z,now"};

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		struct gaps gaps;

		build(commands[i]);
		gaps = find(built);
		vec_each (gap, &gaps)
			assert_int_equal(UNWIND_CFA(gap->rule), UNWIND_END);
		gaps__free(&gaps);
	}
}

/* The table knows them where the file itself does not. */
static void in_tables(void **state)
{
	struct error error = {0};
	struct unwind_table table;
	struct image *image;
	struct gaps gaps;

	(void)state;
	build("clang -fuse-ld=lld -Wl,-z,lazy");
	gaps = find(built);
	image = open_image(built);
	assert_int_equal(unwind_table__compile(image, &table, &error), 0);
	assert_true(gaps.count >= 3);
	vec_each (gap, &gaps) {
		const struct unwind_row *row = unwind_table__find(&table, gap->start);

		/* The program's own _start has a row that says the same. */
		assert_non_null(row);
		assert_int_equal(row->rule, gap->rule);
	}
	unwind_table__free(&table);
	gaps__free(&gaps);
	image__put(image);
}

static struct unwind_table table_with(const struct image *image, const struct gap *gap)
{
	struct call_frames frames;
	struct error error = {0};
	struct unwind_table table;

	assert_int_equal(call_frames__read(image, &frames, &error), 0);
	gaps__free(&frames.gaps);
	if (gap)
		assert_int_equal(vec_push(&frames.gaps, *gap), 0);
	assert_int_equal(unwind_table__from_frames(image, &frames, &table, &error), 0);
	call_frames__free(&frames);
	return table;
}

static uint32_t rule_at(const struct unwind_table *table, uint64_t vaddr)
{
	const struct unwind_row *row = unwind_table__find(table, vaddr);

	return row ? row->rule : UNWIND_NONE;
}

static void assert_same(const struct unwind_table *table, const struct unwind_table *other)
{
	assert_int_equal(table->count, other->count);
	assert_memory_equal(table->items, other->items, table->count * sizeof(*table->items));
}

/* What a file says of its code wins. */
static void rows_win(void **state)
{
	const uint32_t end = UNWIND_RULE(UNWIND_END, 0, 0, 0), rsp = UNWIND_RULE(UNWIND_RSP, 77, 0, 0);
	struct unwind_table table, filled;
	struct image *image;
	size_t holes = 0;

	(void)state;
	build("gcc -static");
	image = open_image(built);
	table = table_with(image, NULL);
	for (size_t i = 1; i + 1 < table.count && holes < 20; i++) {
		uint64_t start = table.base + table.items[i].pc, after = table.base + table.items[i + 1].pc;

		if (table.items[i].rule != UNWIND_NONE)
			continue;
		holes++;
		/* A beginning ends where there is a row again, and has none before it. */
		filled = table_with(image, &(struct gap){start, after + 100, end});
		assert_int_equal(filled.count, table.count - (rule_at(&table, start - 1) == end) -
						       (rule_at(&table, after) == end));
		assert_int_equal(rule_at(&filled, start), end);
		assert_int_equal(rule_at(&filled, after - 1), end);
		assert_int_equal(rule_at(&filled, after), rule_at(&table, after));
		unwind_table__free(&filled);
		filled = table_with(image, &(struct gap){start - 1, after + 100, end});
		assert_same(&filled, &table);
		unwind_table__free(&filled);
		/* Other rules go on behind it. */
		filled = table_with(image, &(struct gap){start - 1, after + 1, rsp});
		assert_int_equal(rule_at(&filled, start - 1), rule_at(&table, start - 1));
		assert_int_equal(rule_at(&filled, start), rsp);
		assert_int_equal(rule_at(&filled, after), rule_at(&table, after));
		unwind_table__free(&filled);
	}
	assert_int_equal(holes, 20);
	/* Outside all code, or of it. */
	filled = table_with(image, &(struct gap){0x10, 0x20, rsp});
	assert_same(&filled, &table);
	unwind_table__free(&filled);
	filled = table_with(image, &(struct gap){1ull << 40, (1ull << 40) + 16, rsp});
	assert_same(&filled, &table);
	unwind_table__free(&filled);
	unwind_table__free(&table);
	image__put(image);
}

static struct unwind_table compile(const char *path)
{
	struct image *image = open_image(path);
	struct error error = {0};
	struct unwind_table table;

	assert_int_equal(unwind_table__compile(image, &table, &error), 0);
	image__put(image);
	return table;
}

/* _start, _dl_start_user, to the jump to the program. */
static void dynamic_linker(void **state)
{
	struct unwind_table table = compile(DYNAMIC_LINKER);
	struct image *image = open_image(DYNAMIC_LINKER);
	const struct unwind_row *row = unwind_table__find(&table, image->entry);

	(void)state;
	assert_true(gaps__starts_alone(image));
	assert_non_null(row);
	assert_int_equal(row->rule, UNWIND_RULE(UNWIND_END, 0, 0, 0));
	assert_int_equal(row->pc + table.base, image->entry);
	assert_in_range(row[1].pc - row->pc, 40, 128);
	image__put(image);
	unwind_table__free(&table);
}

/* In a library the entry may be anything. */
static void entry_of_library(void **state)
{
	struct image *image;
	struct gaps gaps;

	(void)state;
	build("gcc -shared -fPIC -Wl,-e,main");
	image = open_image(built);
	assert_int_not_equal(image->entry, 0);
	assert_false(gaps__starts_alone(image));
	image__put(image);
	gaps = find(built);
	vec_each (gap, &gaps)
		assert_int_not_equal(UNWIND_CFA(gap->rule), UNWIND_END);
	gaps__free(&gaps);
}

/* 0: there is none. */
static uint64_t value_of(const char *path, const char *symbol)
{
	char command[256];
	uint64_t value = 0;
	FILE *output;

	snprintf(command, sizeof(command), "nm '%s' 2>/dev/null | awk '$3 == \"%s\" {print $1}'", path,
		 symbol);
	output = popen(command, "r");
	assert_non_null(output);
	if (fscanf(output, "%" SCNx64, &value) != 1)
		value = 0;
	pclose(output);
	return value;
}

/* musl says nothing of its code: what calls main, and what a thread begins in. */
static void musl(void **state)
{
	static const char *const commands[] = {"musl-gcc -static", "musl-gcc -static -no-pie -fno-pie"};
	static const char *const begin[] = {"_start", "libc_start_main_stage2", "start", "start_c11"};
	static const char *const others[] = {"__libc_start_main", "pthread_create", "__pthread_exit", "exit",
					     "malloc"};

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		struct unwind_table table;

		build(commands[i]);
		table = compile(built);
		for (size_t j = 0; j < sizeof(begin) / sizeof(*begin); j++) {
			if (!value_of(built, begin[j]))
				fail_msg("no %s", begin[j]);
			assert_int_equal(UNWIND_CFA(rule_at(&table, value_of(built, begin[j]))), UNWIND_END);
			assert_int_equal(UNWIND_CFA(rule_at(&table, value_of(built, begin[j]) + 16)),
					 UNWIND_END);
		}
		/* The child's part of it. */
		assert_int_equal(rule_at(&table, value_of(built, "__clone")), UNWIND_NONE);
		assert_int_equal(UNWIND_CFA(rule_at(&table, value_of(built, "__clone") + 0x2e)), UNWIND_END);
		assert_int_equal(UNWIND_CFA(rule_at(&table, value_of(built, "__restore_rt") - 1)),
				 UNWIND_SIGNAL);
		assert_int_equal(UNWIND_CFA(rule_at(&table, value_of(built, "__restore_rt") + 7)),
				 UNWIND_SIGNAL);
		for (size_t j = 0; j < sizeof(others) / sizeof(*others); j++) {
			if (!value_of(built, others[j]))
				fail_msg("no %s", others[j]);
			assert_int_equal(rule_at(&table, value_of(built, others[j])), UNWIND_NONE);
		}
		unwind_table__free(&table);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stubs),          cmocka_unit_test(retpolines),
		cmocka_unit_test(in_tables),      cmocka_unit_test(rows_win),
		cmocka_unit_test(dynamic_linker), cmocka_unit_test(entry_of_library),
		cmocka_unit_test(musl),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

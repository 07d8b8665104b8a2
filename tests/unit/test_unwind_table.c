// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <ucontext.h>
#include <unistd.h>
#include <cmocka.h>

#include "readelf_frames.h"

static struct unwind_table compile(const char *path)
{
	struct unwind_table table;
	struct error error = {0};
	struct image *image;

	if (image__open(path, &image, &error) || unwind_table__compile(image, &table, &error))
		fail_msg("%s", error.text);
	image__put(image);
	return table;
}

/* What @path itself says: binutils fill no gaps. */
static struct unwind_table compile_without_gaps(const char *path)
{
	struct call_frames frames;
	struct unwind_table table;
	struct error error = {0};
	struct image *image;

	if (image__open(path, &image, &error) || call_frames__read(image, &frames, &error))
		fail_msg("%s", error.text);
	gaps__free(&frames.gaps);
	if (unwind_table__from_frames(image, &frames, &table, &error))
		fail_msg("%s", error.text);
	call_frames__free(&frames);
	image__put(image);
	return table;
}

/* @filled is @table, but where that has no rule. */
static void assert_gaps_filled(const struct unwind_table *filled, const struct unwind_table *table)
{
	const struct unwind_table *both[] = {filled, table};

	for (size_t i = 0; i < 2; i++) {
		vec_each (row, both[i]) {
			uint64_t vaddr = table->base + row->pc;
			const struct unwind_row *now = unwind_table__find(filled, vaddr);
			const struct unwind_row *before = unwind_table__find(table, vaddr);

			if (before && before->rule != UNWIND_NONE)
				assert_int_equal(now->rule, before->rule);
		}
	}
}

/* The table of @path, compared with readelf's. */
static struct unwind_table compile_and_compare(const char *path, size_t *rows)
{
	struct unwind_table table = compile_without_gaps(path), filled = compile(path);

	*rows = compare_with_readelf(&table, path);
	assert_gaps_filled(&filled, &table);
	unwind_table__free(&table);
	return filled;
}

static size_t count_rows(const struct unwind_table *table, enum unwind_cfa cfa)
{
	size_t count = 0;

	vec_each (row, table)
		count += UNWIND_CFA(row->rule) == cfa;
	return count;
}

/* The library as the compiler finds it. */
static void library_path(const char *name, char path[512])
{
	char command[128];
	FILE *output;

	snprintf(command, sizeof(command), "gcc -print-file-name=%s", name);
	output = popen(command, "r");
	assert_non_null(output);
	assert_non_null(fgets(path, 512, output));
	assert_int_equal(pclose(output), 0);
	path[strcspn(path, "\n")] = 0;
}

static void libraries(void **state)
{
	static const char *const names[] = {"libc.so.6", "libstdc++.so.6", "libcrypto.so.3", "libm.so.6",
					    "ld-linux-x86-64.so.2"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct unwind_table table;
		char path[512];
		size_t rows;

		library_path(names[i], path);
		if (path[0] != '/') {
			print_message("%s is not installed\n", names[i]);
			assert_int_not_equal(i, 0);
			continue;
		}
		table = compile_and_compare(path, &rows);
		if (i == 0) {
			/* __restore_rt, and _start's clone and the like. */
			assert_int_equal(count_rows(&table, UNWIND_SIGNAL), 1);
			assert_true(count_rows(&table, UNWIND_END) > 0);
			assert_true(table.count > 1000);
		}
		assert_int_equal(table.unsupported, count_rows(&table, UNWIND_UNSUPPORTED));
		unwind_table__free(&table);
	}
}

static void python(void **state)
{
	size_t rows;
	struct unwind_table table = compile_and_compare("/usr/bin/python3", &rows);

	(void)state;
	assert_true(rows > 10000);
	/* A program linked at a fixed address, or not: rows are counted from its first page. */
	assert_true(table.items[0].pc < 1u << 26);
	unwind_table__free(&table);
}

static const char program[] =
	"#include <alloca.h>\n"
	"#include <unistd.h>\n"
	"typedef double v4 __attribute__((vector_size(32)));\n"
	"__attribute__((noinline)) void use(void *p, void *q) { __asm__ volatile(\"\" : : \"r\"(p), "
	"\"r\"(q)); }\n"
	"__attribute__((noinline)) int both(int n) { v4 x; char *p = alloca(n); use(&x, p); return p[0]; }\n"
	"__attribute__((noinline)) int align(int n) { _Alignas(64) char b[200]; use(b, b); return b[n]; }\n"
	"__attribute__((noinline)) int dynamic(int n) { char *p = alloca(n); use(p, p); return p[1]; }\n"
	"__attribute__((noinline)) int huge(int n) { char b[300000]; use(b, b); return b[n]; }\n"
	"__attribute__((noinline)) int early(int n) { if (n < 3) return 4; _Alignas(64) char b[200]; use(b, "
	"b);\n"
	"	if (b[1]) { use(b, b); return 7; } char *p = alloca(n); use(p, b); return b[n]; }\n"
	"int main(int c, char **v) { return both(c) + align(c) + dynamic(c) + huge(c) + early(c) + getpid(); "
	"}\n";

static void run_command(const char *format, const char *directory)
{
	char command[1024];

	snprintf(command, sizeof(command), format, directory, directory);
	if (system(command))
		fail_msg("failed: %s", command);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static char *make_directory(void)
{
	char *directory = strdup("/tmp/memwatch-test-XXXXXX");

	assert_non_null(directory);
	assert_non_null(mkdtemp(directory));
	return directory;
}

static void remove_directory(char *directory)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", directory);
	assert_int_equal(system(command), 0);
	free(directory);
}

static void compilers(void **state)
{
	static const struct {
		const char *command;
		bool drap;
		unsigned pushed_at; /* where that is known */
	} builds[] = {
		{"gcc -w -O2 -o '%s/program' '%s/program.c'", true, 0},
		{"gcc -w -O2 -Wl,-z,lazy -o '%s/program' '%s/program.c'", true, 11},
		{"gcc -w -O2 -Wl,-z,lazy -Wl,-z,ibtplt -fcf-protection -o '%s/program' '%s/program.c'", true,
		 9},
		{"gcc -w -O0 -no-pie -fno-omit-frame-pointer -o '%s/program' '%s/program.c'", true, 0},
		{"gcc -w -O2 -g -fno-asynchronous-unwind-tables -o '%s/program' '%s/program.c'", true, 0},
		{"gcc -w -O2 -g -gz=zlib -fno-asynchronous-unwind-tables -o '%s/program' '%s/program.c'",
		 true, 0},
		{"clang -w -O2 -o '%s/program' '%s/program.c'", false, 0},
		{"clang -w -O2 -g -gdwarf-4 -fno-asynchronous-unwind-tables -o '%s/program' '%s/program.c'",
		 false, 0},
	};
	char *directory = make_directory();
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/program.c", directory);
	write_file(path, program, strlen(program));
	snprintf(path, sizeof(path), "%s/program", directory);
	for (size_t i = 0; i < sizeof(builds) / sizeof(*builds); i++) {
		struct unwind_table table;
		size_t rows;

		run_command(builds[i].command, directory);
		table = compile_and_compare(path, &rows);
		assert_int_equal(count_rows(&table, UNWIND_DEREF_RBP) > 0, builds[i].drap);
		if (builds[i].pushed_at)
			assert_int_equal(count_rows(&table, UNWIND_PLT), 1);
		vec_each (row, &table) {
			if (builds[i].pushed_at && UNWIND_CFA(row->rule) == UNWIND_PLT)
				assert_int_equal(UNWIND_PUSHED_AT(row->rule), builds[i].pushed_at);
		}
		unwind_table__free(&table);
	}
	remove_directory(directory);
}

/* Without section headers .eh_frame is found by its segment, and the table is the same. */
static void no_section_headers(void **state)
{
	static const char nothing[8];
	struct unwind_table with, without;
	char *directory = make_directory();
	char path[512], copy[128], command[700];
	FILE *file;

	(void)state;
	library_path("libc.so.6", path);
	snprintf(copy, sizeof(copy), "%s/libc.so.6", directory);
	snprintf(command, sizeof(command), "cp '%s' '%s'", path, copy);
	assert_int_equal(system(command), 0);
	file = fopen(copy, "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, offsetof(Elf64_Ehdr, e_shoff), SEEK_SET), 0);
	assert_int_equal(fwrite(nothing, 8, 1, file), 1);
	assert_int_equal(fseek(file, offsetof(Elf64_Ehdr, e_shnum), SEEK_SET), 0);
	assert_int_equal(fwrite(nothing, 4, 1, file), 1);
	fclose(file);
	with = compile(path);
	without = compile(copy);
	assert_int_equal(with.count, without.count);
	assert_memory_equal(with.items, without.items, with.count * sizeof(*with.items));
	unwind_table__free(&with);
	unwind_table__free(&without);
	remove_directory(directory);
}

static ucontext_t context_main, context_other;
static void *context_return;

static void __attribute__((noinline)) context_body(void)
{
	context_return = __builtin_return_address(0);
}

/* A context's first function returns to code that did not call it: there the stack ends. */
static void contexts(void **state)
{
	static char stack[65536];
	const struct unwind_row *row;
	struct unwind_table table;
	Dl_info info;

	(void)state;
	assert_int_equal(getcontext(&context_other), 0);
	context_other.uc_stack.ss_sp = stack;
	context_other.uc_stack.ss_size = sizeof(stack);
	context_other.uc_link = &context_main;
	makecontext(&context_other, context_body, 0);
	assert_int_equal(swapcontext(&context_main, &context_other), 0);
	assert_non_null(context_return);
	assert_int_not_equal(dladdr(context_return, &info), 0);
	table = compile(info.dli_fname);
	row = unwind_table__find(&table, (uintptr_t)context_return - 1 - (uintptr_t)info.dli_fbase);
	assert_non_null(row);
	assert_int_equal(row->rule, UNWIND_RULE(UNWIND_END, 0, 0, 0));
	/* The function itself is one like others. */
	row = unwind_table__find(&table, (uintptr_t)context_return - (uintptr_t)info.dli_fbase);
	assert_int_equal(row->rule, UNWIND_RULE(UNWIND_RSP, 1, 0, 0));
	unwind_table__free(&table);
}

static void vdso(void **state)
{
	const Elf64_Ehdr *header = (const void *)getauxval(AT_SYSINFO_EHDR);
	struct unwind_table table;
	struct error error = {0};
	struct image *image;
	char *directory;
	char path[128];
	size_t size;

	(void)state;
	if (!header)
		skip();
	/* Its section headers are its end. */
	size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
	assert_int_equal(image__from_memory("[vdso]", header, size, &image, &error), 0);
	assert_int_equal(unwind_table__compile(image, &table, &error), 0);
	image__put(image);
	directory = make_directory();
	snprintf(path, sizeof(path), "%s/vdso", directory);
	write_file(path, header, size);
	compare_with_readelf(&table, path);
	remove_directory(directory);
	unwind_table__free(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(libraries),          cmocka_unit_test(python), cmocka_unit_test(compilers),
		cmocka_unit_test(no_section_headers), cmocka_unit_test(vdso),   cmocka_unit_test(contexts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The sites of real files: the C library, two allocators, the C++ library, and programs that gcc builds here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "attach/sites.h"

#define LIBRARIES "/usr/lib/x86_64-linux-gnu/"
#define HEAP      (1u << DOMAIN_HEAP)
#define BOTH      (1u << DOMAIN_HEAP | 1u << DOMAIN_MMAP)

/* A path, its image and its sites; freed together. */
struct found {
	struct image *image;
	struct sites sites;
};

static void find(const char *path, unsigned domains, struct found *found)
{
	struct error error = {""};

	memset(found, 0, sizeof(*found));
	if (image__open(path, &found->image, &error) ||
	    sites__find(found->image, domains, &found->sites, &error))
		fail_msg("%s", error.text);
}

static void drop(struct found *found)
{
	sites__free(&found->sites);
	image__put(found->image);
}

static const struct site *site_of(struct found *found, const char *symbol)
{
	vec_each (site, &found->sites) {
		char list[sizeof(site->aliases) + 2], name[80];

		snprintf(list, sizeof(list), ",%s,", site->aliases);
		snprintf(name, sizeof(name), ",%s,", symbol);
		if (strcmp(site->symbol, symbol) == 0 || strstr(list, name))
			return site;
	}
	return NULL;
}

static bool is_skipped(struct found *found, const char *symbol, const char *why)
{
	vec_each (skipped, &found->sites.skipped) {
		if (strcmp(skipped->symbol, symbol) == 0)
			return strstr(skipped->reason, why) != NULL;
	}
	return false;
}

/* objdump's mnemonic of the instruction that starts at @address, when it decodes from @start on; "" if none
 * does. */
static void objdump_mnemonic(const char *path, uint64_t start, uint64_t address, char *mnemonic)
{
	char command[512], line[512];
	unsigned long long at;
	FILE *output;

	mnemonic[0] = '\0';
	snprintf(command, sizeof(command),
		 "objdump -d --no-show-raw-insn --start-address=%#llx --stop-address=%#llx %s",
		 (unsigned long long)start, (unsigned long long)address + 16, path);
	output = popen(command, "r");
	assert_non_null(output);
	while (fgets(line, sizeof(line), output)) {
		char word[32];

		if (sscanf(line, " %llx: %31s", &at, word) == 2 && at == address)
			strcpy(mnemonic, word);
	}
	assert_int_equal(pclose(output), 0);
}

/* Every site of @path stands where objdump sees an instruction, and is of the sort that its cost says. */
static void check_by_objdump(const char *path, struct found *found)
{
	vec_each (site, &found->sites) {
		bool emulated;
		char mnemonic[32];
		uint64_t offset;

		objdump_mnemonic(path, site->vaddr, site->vaddr + site->offset, mnemonic);
		emulated = !strcmp(mnemonic, "push") || !strcmp(mnemonic, "call") ||
			   !strcmp(mnemonic, "nop") || mnemonic[0] == 'j';
		if (!mnemonic[0] || emulated != (site->cost == SITE_EMULATED))
			fail_msg("%s: %s+%u is '%s' for objdump and %s here", path, site->symbol,
				 site->offset, mnemonic, site_cost__name(site->cost));
		assert_true(image__offset_of(found->image, site->vaddr + site->offset, &offset));
		assert_int_equal(site->file_offset, offset);
		if (sites__wants_return(site->function->kind))
			assert_int_equal(site->sp_adjust, 0);
	}
}

static void check_order(struct found *found)
{
	bool allocating = false;

	vec_each (site, &found->sites) {
		if (sites__wants_return(site->function->kind))
			allocating = true;
		else
			assert_false(allocating);
	}
}

static void the_c_library(void **state)
{
	static const char *const names[] = {"malloc",   "calloc",        "realloc",        "reallocarray",
					    "free",     "cfree",         "posix_memalign", "valloc",
					    "pvalloc",  "aligned_alloc", "mmap",           "mmap64",
					    "memalign", "munmap",        "mremap"};
	const char *path = LIBRARIES "libc.so.6";
	struct found found;

	(void)state;
	find(path, BOTH, &found);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!site_of(&found, names[i]))
			fail_msg("no site for %s", names[i]);
	}
	/* one site an address */
	assert_ptr_equal(site_of(&found, "mmap"), site_of(&found, "mmap64"));
	assert_ptr_equal(site_of(&found, "free"), site_of(&found, "cfree"));
	assert_int_equal(site_of(&found, "free")->cost, SITE_EMULATED);
	assert_int_equal(site_of(&found, "malloc")->cost, SITE_EMULATED);
	check_order(&found);
	check_by_objdump(path, &found);
	drop(&found);

	find(path, 1u << DOMAIN_MMAP, &found);
	assert_non_null(site_of(&found, "mmap"));
	assert_null(site_of(&found, "malloc"));
	drop(&found);
}

static void jemalloc_keeps_what_does_its_own_work(void **state)
{
	const char *path = LIBRARIES "libjemalloc.so.2";
	struct found found;

	(void)state;
	find(path, HEAP, &found);
	assert_non_null(site_of(&found, "_Znwm"));
	assert_non_null(site_of(&found, "_ZnwmRKSt9nothrow_t"));
	assert_non_null(site_of(&found, "_ZdlPvm"));
	assert_non_null(site_of(&found, "mallocx"));
	assert_non_null(site_of(&found, "sdallocx"));
	/* jmp free@plt; jmp _Znwm; call aligned_alloc@plt */
	assert_null(site_of(&found, "_ZdlPv"));
	assert_null(site_of(&found, "_Znam"));
	assert_null(site_of(&found, "_ZnwmSt11align_val_t"));
	assert_true(is_skipped(&found, "_ZdlPv", "hands every call on"));
	vec_each (site, &found.sites)
		assert_int_equal(site->cost, SITE_EMULATED);
	check_order(&found);
	check_by_objdump(path, &found);
	drop(&found);
}

static void tcmalloc_keeps_all(void **state)
{
	const char *path = LIBRARIES "libtcmalloc_minimal.so.4";
	struct found found;

	(void)state;
	find(path, BOTH, &found);
	for (size_t i = 0; i < allocator_function_count; i++) {
		if (allocator_functions[i].cpp && !site_of(&found, allocator_functions[i].symbol))
			fail_msg("no site for %s", allocator_functions[i].symbol);
	}
	assert_int_equal(found.sites.skipped.count, 0);
	assert_ptr_equal(site_of(&found, "free"), site_of(&found, "_ZdlPv"));
	check_order(&found);
	check_by_objdump(path, &found);
	drop(&found);
}

static void the_cpp_library_hands_all_on(void **state)
{
	struct found found;

	(void)state;
	find(LIBRARIES "libstdc++.so.6", BOTH, &found);
	assert_int_equal(found.sites.count, 0);
	/* 8 operators new and 12 delete */
	assert_int_equal(found.sites.skipped.count, 20);
	drop(&found);
}

/* A directory with a program that gcc builds of @source; the caller removes it. */
static void build(const char *source, const char *flags, char *directory, char *program)
{
	char command[512], file[64];
	FILE *stream;

	strcpy(directory, "/tmp/memwatch-test-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(file, sizeof(file), "%s/p.cc", directory);
	sprintf(program, "%s/p", directory);
	stream = fopen(file, "w");
	assert_non_null(stream);
	fputs(source, stream);
	assert_int_equal(fclose(stream), 0);
	snprintf(command, sizeof(command), "g++ -O2 -w %s -o %s %s", flags, program, file);
	if (system(command))
		fail_msg("%s", command);
	unlink(file);
}

static void demolish(const char *directory, const char *program)
{
	unlink(program);
	assert_int_equal(rmdir(directory), 0);
}

static void a_static_program(void **state)
{
	char directory[64], program[64];
	struct found found;

	(void)state;
	build("#include <new>\nint main(int c, char **v) { int *p = new (std::nothrow) int[c]; delete[] p; "
	      "return !p; }",
	      "-static", directory, program);
	find(program, BOTH, &found);
	assert_non_null(site_of(&found, "malloc"));
	assert_non_null(site_of(&found, "free"));
	assert_non_null(site_of(&found, "mmap"));
	assert_null(site_of(&found, "_Znwm"));
	assert_true(is_skipped(&found, "_Znwm", "hands every call on"));
	check_by_objdump(program, &found);
	drop(&found);
	demolish(directory, program);
}

/* Operators that a program replaces: by which way they reach malloc, and whether always. */
static const char own_operators[] =
	"#include <stdlib.h>\n#include <new>\n"
	"static char pool[4096]; static unsigned long used;\n"
	"void *operator new(unsigned long n) { void *p = malloc(n); if (!p) abort(); return p; }\n"
	"void *operator new[](unsigned long n) { if (n < 64 && used + n < 4096) return pool + (used += n);"
	" return malloc(n); }\n"
	"void operator delete(void *p) noexcept { free(p); }\n"
	"void operator delete[](void *p) noexcept { if ((char *)p < pool || (char *)p >= pool + 4096) "
	"free(p); }\n"
	"int main(int c, char **v) { delete new int(c); char *p = new char[c]; delete[] p; return 0; }\n";

static void operators_of_a_program(void **state)
{
	static const char *const ways[] = {
		"",        "-fno-plt",    "-no-pie",       "-fcf-protection=full -fPIE -pie",
		"-static", "-Wl,-z,lazy", "-Wl,-z,now -O0"};
	char directory[64], program[64];

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct found found;

		build(own_operators, ways[i], directory, program);
		find(program, HEAP, &found);
		if (site_of(&found, "_Znwm") || site_of(&found, "_ZdlPv"))
			fail_msg("gcc %s: an operator that only calls malloc or free is probed", ways[i]);
		/* those with a pool of their own */
		if (!site_of(&found, "_Znam") || !site_of(&found, "_ZdaPv"))
			fail_msg("gcc %s: an operator that does its own work is not probed", ways[i]);
		check_by_objdump(program, &found);
		drop(&found);
		demolish(directory, program);
	}
}

static void a_resolver_is_no_allocator(void **state)
{
	char directory[64], program[64];
	struct found found;

	(void)state;
	build("extern \"C\" { static void *mine(unsigned long) { return 0; }\n"
	      "static void *(*pick(void))(unsigned long) { return mine; }\n"
	      "void *valloc(unsigned long) __attribute__((ifunc(\"pick\"))); }\n"
	      "int main() { return valloc(1) != 0; }\n",
	      "-rdynamic", directory, program);
	find(program, HEAP, &found);
	assert_null(site_of(&found, "valloc"));
	assert_true(is_skipped(&found, "valloc", "IFUNC"));
	drop(&found);
	demolish(directory, program);
}

static void a_file_without_any(void **state)
{
	struct found found;

	(void)state;
	find(LIBRARIES "libm.so.6", BOTH, &found);
	assert_int_equal(found.sites.count, 0);
	assert_int_equal(found.sites.skipped.count, 0);
	drop(&found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_c_library),
		cmocka_unit_test(jemalloc_keeps_what_does_its_own_work),
		cmocka_unit_test(tcmalloc_keeps_all),
		cmocka_unit_test(the_cpp_library_hands_all_on),
		cmocka_unit_test(a_static_program),
		cmocka_unit_test(operators_of_a_program),
		cmocka_unit_test(a_resolver_is_no_allocator),
		cmocka_unit_test(a_file_without_any),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

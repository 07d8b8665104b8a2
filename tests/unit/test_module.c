// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Against llvm-symbolizer and addr2line, which share no code with libdw, at every few bytes of programs
 * compiled on the spot.
 */
#include "symbolize/module.h"

#include "symbolize_support.h"

static const char source[] =
	"#include <cstdlib>\n"
	"#define FLAT inline __attribute__((always_inline))\n"
	"namespace ns {\n"
	"struct A { void *p; A(unsigned n); void *get(unsigned n);\n"
	"	template <class T> T *make(unsigned n) { return static_cast<T *>(malloc(sizeof(T) * n)); } "
	"};\n"
	"static FLAT void *inner(unsigned n)\n"
	"{\n"
	"	return malloc(n + 1);\n"
	"}\n"
	"static FLAT void *middle(unsigned n)\n"
	"{\n"
	"	if (n > 3) {\n"
	"		unsigned k = n * 2;\n"
	"		return inner(k);\n"
	"	}\n"
	"	return nullptr;\n"
	"}\n"
	"__attribute__((noinline)) A::A(unsigned n) : p(middle(n)) {}\n"
	"__attribute__((noinline)) void *A::get(unsigned n) { return make<long>(n); }\n"
	"__attribute__((noinline)) static void *alone(int n) { free(middle(n)); return middle(n + 1); }\n"
	"}\n"
	"extern \"C\" __attribute__((noinline)) int plain(int n) { return ns::alone(n) != ns::inner(n); }\n"
	"int main(int argc, char **)\n"
	"{\n"
	"	ns::A a(argc + 5);\n"
	"	auto l = [&](int n) { return ns::middle(n); };\n"
	"	free(l(argc + 4));\n"
	"	return plain(argc) + (a.get(4) == a.p);\n"
	"}\n";

static void compile(const char *directory, const char *compiler, const char *flags)
{
	write_file(directory, "p.cc", source, sizeof(source) - 1);
	run("cd '%s' && rm -rf p && %s -w %s p.cc -o p", directory, compiler, flags);
}

/* "ns::A::get(unsigned int)" → "get": demanglers disagree over spaces, and not all debug formats hold
 * parameters. */
static void bare_name(const char *name, char *bare, size_t length)
{
	size_t end = strcspn(name, "(<["), start;

	if (strncmp(name, "operator()", 10) == 0)
		end = 10;
	start = end;
	while (start > 0 && name[start - 1] != ':' && name[start - 1] != ' ')
		start--;
	snprintf(bare, length, "%.*s", (int)(end - start), name + start);
}

/* Both tools print "function\nfile:line\n" pairs, an empty line after each address. */
static size_t compare_one(FILE *answers, struct module *module, uint64_t vaddr, bool names)
{
	char function[1024], place[1024], wanted[512], got[512];
	const struct symbol_line *lines;
	size_t count, frames = 0;

	lines = module__resolve(module, vaddr, &count);
	while (fgets(function, sizeof(function), answers) && function[0] != '\n') {
		char *colon, *slash;

		assert_non_null(fgets(place, sizeof(place), answers));
		if (frames >= count)
			fail_msg("%#lx: %zu lines, wanted more: %s", (unsigned long)vaddr, count, function);
		function[strcspn(function, "\n")] = '\0';
		colon = strrchr(place, ':');
		*colon = '\0';
		slash = strrchr(place, '/');
		if (strcmp(place, "??") != 0) {
			const char *file = strrchr(lines[frames].file, '/');

			assert_string_equal(file ? file + 1 : lines[frames].file, slash ? slash + 1 : place);
			if (lines[frames].line != (uint32_t)atoi(colon + 1))
				fail_msg("%#lx frame %zu: line %u, wanted %s", (unsigned long)vaddr, frames,
					 lines[frames].line, colon + 1);
		}
		bare_name(function, wanted, sizeof(wanted));
		bare_name(lines[frames].function, got, sizeof(got));
		if (names && strcmp(function, "??") != 0 && strcmp(wanted, got) != 0)
			fail_msg("%#lx frame %zu: %s, wanted %s", (unsigned long)vaddr, frames,
				 lines[frames].function, function);
		frames++;
	}
	assert_int_equal(count, frames);
	return frames;
}

static void ask(const char *directory, const char *tool)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "%s < '%s/addresses' | awk '/^0x/ { if (NR > 1) print \"\"; next } 1; END { print \"\" }' > "
		 "'%s/answers'",
		 tool, directory, directory);
	run("%s", command);
}

/* Every fourth byte of the program's own functions. Returns how many frames were inlined. */
static size_t compare_all(const char *directory, struct module *module, bool by_llvm)
{
	uint64_t vaddrs[4096];
	char path[512], line[512];
	size_t count = 0, frames = 0;
	FILE *file, *answers;

	run("cd '%s' && nm -S --defined-only full | grep -E ' [tT] (main|plain|_ZN2ns.*)$' > functions",
	    directory);
	snprintf(path, sizeof(path), "%s/functions", directory);
	file = fopen(path, "re");
	assert_non_null(file);
	snprintf(path, sizeof(path), "%s/addresses", directory);
	answers = fopen(path, "we");
	assert_non_null(answers);
	while (fgets(line, sizeof(line), file)) {
		unsigned long long start, size;

		assert_int_equal(sscanf(line, "%llx %llx", &start, &size), 2);
		for (uint64_t vaddr = start; vaddr < start + size && count < 4096; vaddr += 4) {
			fprintf(answers, "%#lx\n", (unsigned long)vaddr);
			vaddrs[count++] = vaddr;
		}
	}
	fclose(file);
	fclose(answers);
	assert_true(count > 20);
	ask(directory, by_llvm ? "llvm-symbolizer --output-style=GNU -a -f -i -C --obj=$DIR/full"
			       : "addr2line -a -f -i -C -e $DIR/full");
	snprintf(path, sizeof(path), "%s/answers", directory);
	answers = fopen(path, "re");
	assert_non_null(answers);
	for (size_t i = 0; i < count; i++)
		frames += compare_one(answers, module, vaddrs[i], by_llvm);
	fclose(answers);
	return frames - count;
}

static struct module *open_module(const char *directory, struct string_pool *strings)
{
	struct debug_search search = {.debug_root = directory};
	struct error error = {0};
	struct image *image;
	struct module *module;
	char path[512];

	snprintf(path, sizeof(path), "%s/p", directory);
	if (image__open(path, &image, &error))
		fail_msg("%s", error.text);
	module = module__new(image, &search, strings);
	assert_non_null(module);
	image__put(image);
	return module;
}

static void compilers(void **state)
{
	static const char *const flags[][2] = {
		{"g++", "-O0 -gdwarf-4"},          {"g++", "-O0 -gdwarf-5"},
		{"g++", "-O2 -gdwarf-4"},          {"g++", "-O2 -gdwarf-5 -no-pie"},
		{"g++", "-O2 -gdwarf-5 -gz=zlib"}, {"clang++", "-O0 -gdwarf-5"},
		{"clang++", "-O2 -gdwarf-4"},      {"clang++", "-O2 -gdwarf-5"},
	};
	char *directory = make_directory();

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct string_pool *strings = string_pool__new();
		struct module *module;
		size_t inlined;

		compile(directory, flags[i][0], flags[i][1]);
		run("cp '%s/p' '%s/full'", directory, directory);
		module = open_module(directory, strings);
		inlined = compare_all(directory, module, true);
		assert_true(inlined > 10);
		/* Giving the memory back changes no answer. */
		module__trim(module);
		assert_int_equal(compare_all(directory, module, false), inlined);
		module__free(module);
		string_pool__free(strings);
	}
	remove_directory(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compilers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/debug_file.h"

#include <errno.h>
#include <sys/stat.h>
#include "symbolize/module.h"
#include "symbolize_support.h"

static const char program[] =
	"#include <stdlib.h>\n"
	"struct shared { long a, b; char name[40]; struct shared *next; };\n"
	"struct other { struct shared s[3]; unsigned short flags; double d; };\n"
	"static inline __attribute__((always_inline)) void *shared_inline(struct other *o, int n)\n"
	"{\n"
	"	return realloc(o, n * sizeof(*o));\n"
	"}\n"
	"__attribute__((noinline)) void *target(struct other *o, int n)\n"
	"{\n"
	"	return shared_inline(o, n);\n"
	"}\n"
	"int main(int argc, char **argv)\n"
	"{\n"
	"	(void)argv;\n"
	"	return target(0, argc) == 0;\n"
	"}\n";

static char *prepare(const char *commands)
{
	char *directory = make_directory();

	write_file(directory, "p.c", program, sizeof(program) - 1);
	run("cd '%s' && %s", directory, commands);
	return directory;
}

static struct image *open_image(const char *directory, const char *name)
{
	struct image *image = NULL;
	struct error error = {0};
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (image__open(path, &image, &error))
		fail_msg("%s", error.text);
	return image;
}

/* What the search finds for the program "p", as a name within the directory; NULL: nothing. */
static void expect_found(const char *directory, pid_t pid, const char *wanted)
{
	struct debug_search search = {.debug_root = directory, .pid = pid};
	struct image *image = open_image(directory, "p");
	struct debug_file found = {0};
	int err = debug_file__find(&search, image, &found);
	char path[512];

	if (!wanted) {
		assert_int_equal(err, -ENOENT);
		assert_null(found.image);
	} else {
		assert_int_equal(err, 0);
		snprintf(path, sizeof(path), "%s/%s", directory, wanted);
		assert_string_equal(found.path, path);
		assert_true(debug_file__has_section(found.image, ".debug_info"));
	}
	debug_file__close(&found);
	image__put(image);
}

#define SPLIT                                                                                                \
	"gcc -O1 -g -Wl,--build-id=0x0123456789abcdef p.c -o p && objcopy --only-keep-debug p p.debug && "   \
	"strip -s p"
#define LINK                                                                                                 \
	"gcc -O1 -g -Wl,--build-id=none p.c -o p && objcopy --only-keep-debug p p.debug && strip -s p && "   \
	"objcopy --add-gnu-debuglink=p.debug p"

static void by_build_id(void **state)
{
	char *directory =
		prepare(SPLIT " && mkdir -p .build-id/01 && mv p.debug .build-id/01/23456789abcdef.debug");

	(void)state;
	expect_found(directory, 0, ".build-id/01/23456789abcdef.debug");
	/* Through the root directory of a process, here our own. */
	expect_found(directory, getpid(), ".build-id/01/23456789abcdef.debug");
	remove_directory(directory);
}

static void wrong_build_id(void **state)
{
	char *directory = prepare(SPLIT " && mkdir -p .build-id/01 && "
					"gcc -O1 -g -Wl,--build-id=0x0123456789abcdee p.c "
					"-o .build-id/01/23456789abcdef.debug");

	(void)state;
	expect_found(directory, 0, NULL);
	remove_directory(directory);
}

/* A name that is not a file with debug information: none of these may be waited on or believed. */
static void planted_files(void **state)
{
	char *directory = prepare(SPLIT " && mkdir -p .build-id/01");
	char path[512];

	(void)state;
	snprintf(path, sizeof(path), "%s/.build-id/01/23456789abcdef.debug", directory);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_found(directory, 0, NULL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("23456789abcdef.debug", path), 0);
	expect_found(directory, 0, NULL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/proc/self/fd/0", path), 0);
	expect_found(directory, 0, NULL);
	assert_int_equal(unlink(path), 0);
	run("cd '%s' && head -c 3000 p.debug > '%s'", directory, path);
	expect_found(directory, 0, NULL);
	/* The stripped file itself has the right build id. */
	run("cd '%s' && rm -f '%s' && ln p '%s'", directory, path, path);
	expect_found(directory, 0, NULL);
	remove_directory(directory);
}

static void by_link(void **state)
{
	char *directory = prepare(LINK);

	(void)state;
	expect_found(directory, 0, "p.debug");
	run("cd '%s' && mkdir .debug && mv p.debug .debug", directory);
	expect_found(directory, 0, ".debug/p.debug");
	/* One changed byte, and the checksum does not hold. */
	run("cd '%s' && printf x >> .debug/p.debug", directory);
	expect_found(directory, 0, NULL);
	remove_directory(directory);
}

static void link_below_debug_root(void **state)
{
	char *directory = prepare(LINK " && mkdir -p ./$DIR && mv p.debug ./$DIR/"), wanted[256];

	(void)state;
	snprintf(wanted, sizeof(wanted), "%s/p.debug", directory + 1);
	expect_found(directory, 0, wanted);
	remove_directory(directory);
}

static void embedded(void **state)
{
	char *directory =
		prepare("gcc -O1 p.c -o p && xz -k p && cp p plain && "
			"objcopy --add-section .gnu_debugdata=p.xz plain good && "
			"head -c 900 p.xz > cut && objcopy --add-section .gnu_debugdata=cut plain cut.p && "
			"head -c 200000000 /dev/zero | xz > bomb && "
			"objcopy --add-section .gnu_debugdata=bomb plain bomb.p && "
			"objcopy --add-section .gnu_debugdata=p.c plain text.p");
	static const struct {
		const char *name;
		int err;
	} cases[] = {{"good", 0},
		     {"plain", -ENOENT},
		     {"cut.p", -EBADMSG},
		     {"bomb.p", -EFBIG},
		     {"text.p", -EBADMSG}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct image *image = open_image(directory, cases[i].name), *inner;

		assert_int_equal(debug_file__embedded(image, &inner), cases[i].err);
		if (inner)
			assert_true(debug_file__has_section(inner, ".symtab"));
		image__put(inner);
		image__put(image);
	}
	remove_directory(directory);
}

/* addr2line 2.40 reads alternate files too; the truth here is the source. */
static void alternate(void **state)
{
	char *directory =
		prepare("sed 's/target/other_target/' p.c > q.c && "
			"gcc -O1 -gdwarf-4 p.c -o p && gcc -O1 -gdwarf-4 q.c -o q && "
			"dwz -m common p q 2> dwz.log && readelf -S -W p | grep -q gnu_debugaltlink");

	(void)state;
	for (int with = 1; with >= 0; with--) {
		struct debug_search search = {.debug_root = directory};
		struct string_pool *strings = string_pool__new();
		struct image *image;
		struct module *module;
		const struct symbol_line *lines;
		size_t count;

		if (!with)
			run("rm '%s/common'", directory);
		image = open_image(directory, "p");
		module = module__new(image, &search, strings);
		lines = module__resolve(
			module, ask_address("objdump -d --disassemble=target $DIR/p | grep -m1 realloc"),
			&count);
		assert_int_equal(count, 2);
		assert_int_equal(lines[0].line, 6);
		assert_int_equal(lines[1].line, 10);
		/* Without the file some names are missing; lines stay, and nothing is made up. */
		if (with || lines[0].function[0])
			assert_string_equal(lines[0].function, "shared_inline");
		assert_string_equal(lines[1].function, "target");
		module__free(module);
		image__put(image);
		string_pool__free(strings);
	}
	remove_directory(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_build_id),
		cmocka_unit_test(wrong_build_id),
		cmocka_unit_test(planted_files),
		cmocka_unit_test(by_link),
		cmocka_unit_test(link_below_debug_root),
		cmocka_unit_test(embedded),
		cmocka_unit_test(alternate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

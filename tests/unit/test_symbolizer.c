// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* In live processes, whose truth is the source. */
#include "symbolize/symbolizer.h"

#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "symbolize_support.h"

/* A child that runs @path, stopped where main has told us the address that it is interested in. */
struct child {
	pid_t pid;
	uint64_t address;
};

static struct child start(const char *directory, const char *program)
{
	struct child child;
	unsigned long long address;
	char path[512];
	int pipes[2];
	FILE *said;

	snprintf(path, sizeof(path), "%s/%s", directory, program);
	assert_int_equal(pipe(pipes), 0);
	child.pid = fork();
	assert_true(child.pid >= 0);
	if (child.pid == 0) {
		/* A test that fails leaves nothing running. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(pipes[1], STDOUT_FILENO);
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	close(pipes[1]);
	said = fdopen(pipes[0], "r");
	assert_int_equal(fscanf(said, "%llx", &address), 1);
	fclose(said);
	child.address = address;
	return child;
}

static void stop(struct child child)
{
	kill(child.pid, SIGKILL);
	waitpid(child.pid, NULL, 0);
}

static const char waiter[] = "#include <stdio.h>\n#include <unistd.h>\n"
			     "__attribute__((noinline)) void *where(void)\n"
			     "{\n"
			     "	return __builtin_return_address(0);\n"
			     "}\n"
			     "__attribute__((noinline)) void *tail_free(void)\n"
			     "{\n"
			     "	void *a = where();\n"
			     "	__asm__ volatile(\"\" : : \"r\"(a) : \"memory\");\n"
			     "	return a;\n"
			     "}\n"
			     "int main(void)\n{\n"
			     "	printf(\"%p\\n\", tail_free());\n"
			     "	fflush(stdout);\n	for (;;) pause();\n}\n";

struct fixture {
	char *directory;
	struct symbolizer *symbolizer;
	struct image_cache *images;
	struct symbol_space *space;
	struct child child;
};

static void begin(struct fixture *fixture, const char *preparation)
{
	struct symbolizer_options options = {.no_debuginfod = true};
	struct error error = {0};

	fixture->directory = make_directory();
	options.perf_map_dir = options.debug_root = fixture->directory;
	write_file(fixture->directory, "w.c", waiter, sizeof(waiter) - 1);
	run("cd '%s' && gcc -O1 -g -Wl,--build-id w.c -o w && %s", fixture->directory, preparation);
	fixture->symbolizer = symbolizer__new(&options, NULL);
	fixture->images = image_cache__new();
	fixture->child = start(fixture->directory, "w");
	fixture->space = symbol_space__new(fixture->symbolizer, fixture->child.pid, fixture->images);
	assert_non_null(fixture->space);
	run("cd '%s' && if [ -e after ]; then sh after; fi", fixture->directory);
	if (symbol_space__update(fixture->space, &error))
		fail_msg("%s", error.text);
}

static void end(struct fixture *fixture)
{
	symbol_space__free(fixture->space);
	symbolizer__free(fixture->symbolizer);
	image_cache__free(fixture->images);
	stop(fixture->child);
	remove_directory(fixture->directory);
}

static void expect_waiter(struct fixture *fixture, uint32_t line)
{
	const struct symbol *symbol = symbol_space__resolve(fixture->space, fixture->child.address, true);
	char path[512];

	assert_int_equal(symbol->kind, FRAME_NATIVE);
	assert_int_equal(symbol->address, fixture->child.address);
	assert_string_equal(symbol->lines[0].function, "tail_free");
	assert_string_equal(symbol->lines[0].linkage, "tail_free");
	assert_int_equal(symbol->lines[0].line, line);
	snprintf(path, sizeof(path), "%s/w.c", fixture->directory);
	assert_string_equal(symbol->lines[0].file, line ? path : "");
	snprintf(path, sizeof(path), "%s/w", fixture->directory);
	assert_string_equal(symbol->module, path);
	assert_int_equal(strlen(symbol->build_id), 40);
	assert_ptr_equal(symbol, symbol_space__resolve(fixture->space, fixture->child.address, true));
}

static void live(void **state)
{
	struct fixture fixture;
	char buffer[64];
	const struct symbol *symbol;

	(void)state;
	begin(&fixture, "true");
	/* The process ends before anything is asked. */
	kill(fixture.child.pid, SIGKILL);
	waitpid(fixture.child.pid, NULL, 0);
	expect_waiter(&fixture, 9);
	symbol = symbol_space__resolve(fixture.space, 0x10, false);
	assert_int_equal(symbol->kind, FRAME_UNKNOWN);
	assert_string_equal(symbol->module, "");
	assert_string_equal(symbol__name(symbol, 0, buffer, sizeof(buffer)), "0x10");
	symbol_space__free(fixture.space);
	symbolizer__free(fixture.symbolizer);
	image_cache__free(fixture.images);
	remove_directory(fixture.directory);
}

static void deleted_and_replaced(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, "echo 'rm w && cp /bin/true w' > after");
	expect_waiter(&fixture, 9);
	end(&fixture);
}

static void stripped(void **state)
{
	struct fixture fixture;
	const struct symbol *symbol;
	char name[128], wanted[128];

	(void)state;
	begin(&fixture, "strip -s w");
	symbol = symbol_space__resolve(fixture.space, fixture.child.address, true);
	assert_string_equal(symbol->lines[0].function, "");
	snprintf(wanted, sizeof(wanted), "w+0x%lx", (unsigned long)symbol->module_offset);
	assert_string_equal(symbol__name(symbol, 0, name, sizeof(name)), wanted);
	assert_int_equal(symbol->module_offset & 0xfff, fixture.child.address & 0xfff);
	end(&fixture);
}

static void separate_debug_file(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture,
	      "id=$(readelf -n w | sed -n 's/.*Build ID: //p') && mkdir -p .build-id/${id%${id#??}} && "
	      "objcopy --only-keep-debug w .build-id/${id%${id#??}}/${id#??}.debug && strip -s w");
	expect_waiter(&fixture, 9);
	end(&fixture);
}

static void embedded_symbols(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, "objcopy --strip-debug w mini && xz -k mini && strip -s w && "
			"objcopy --add-section .gnu_debugdata=mini.xz w");
	expect_waiter(&fixture, 0);
	end(&fixture);
}

/*
 * Functions that stand on one another: started is returned to with padding before it, as glibc's
 * __start_context; after_call lies behind a function without a symbol that ends in a call; after_sized behind
 * one with.
 */
static const char assembled[] = "	.text\n"
				"	.p2align 4\n	nop\n	ret\n"
				"	.p2align 4\n"
				"	.globl started\n	.type started, @function\n"
				"started:\n	nop\n	ret\n	.size started, .-started\n"
				"	.p2align 4\n"
				"	call abort@plt\n"
				"	.globl after_call\n	.type after_call, @function\n"
				"after_call:\n	ret\n	.size after_call, .-after_call\n"
				"	.p2align 4\n"
				"	call *abort@GOTPCREL(%rip)\n"
				"	.globl after_far\n	.type after_far, @function\n"
				"after_far:\n	ret\n	.size after_far, .-after_far\n"
				"	.globl after_sized\n	.type after_sized, @function\n"
				"after_sized:\n	nop\n	ret\n	.size after_sized, .-after_sized\n"
				"	.section .note.GNU-stack,\"\",@progbits\n";

static void starts_of_functions(void **state)
{
	static const struct {
		const char *symbol;
		int64_t after;
		bool is_return;
		const char *function;
	} cases[] = {
		{"started", 0, true, "started"},
		{"started", 0, false, "started"},
		{"started", 1, true, "started"},
		{"started", 2, true, "started"},
		{"started", 3, true, ""},
		{"started", -1, true, ""},
		{"started", -1, false, ""},
		{"after_call", 0, true, ""},
		{"after_call", 0, false, "after_call"},
		{"after_call", 1, true, "after_call"},
		{"after_far", 0, true, ""},
		{"after_far", 0, false, "after_far"},
		{"after_sized", 0, true, "after_far"},
		{"after_sized", 0, false, "after_sized"},
	};
	static const char *const debug[] = {"", "-g"};

	(void)state;
	for (size_t i = 0; i < sizeof(debug) / sizeof(debug[0]); i++) {
		char preparation[256];
		struct fixture fixture;
		uint64_t base;

		snprintf(preparation, sizeof(preparation),
			 "printf '%%s' \"$ASSEMBLED\" > a.s && gcc -c %s a.s && gcc -O1 -g w.c a.o -o w",
			 debug[i]);
		assert_int_equal(setenv("ASSEMBLED", assembled, 1), 0);
		begin(&fixture, preparation);
		base = fixture.child.address -
		       symbol_space__resolve(fixture.space, fixture.child.address, true)->module_offset;
		for (size_t j = 0; j < sizeof(cases) / sizeof(cases[0]); j++) {
			const struct symbol *symbol;
			char command[128];
			uint64_t vaddr;

			snprintf(command, sizeof(command), "nm \"$DIR/w\" | grep ' T %s$'", cases[j].symbol);
			vaddr = ask_address(command) + (uint64_t)cases[j].after;
			symbol = symbol_space__resolve(fixture.space, base + vaddr, cases[j].is_return);
			assert_int_equal(symbol->module_offset, vaddr);
			assert_string_equal(symbol->lines[symbol->line_count - 1].function,
					    cases[j].function);
		}
		end(&fixture);
	}
}

static void vdso(void **state)
{
	struct symbolizer *symbolizer = symbolizer__new(NULL, NULL);
	struct image_cache *images = image_cache__new();
	struct symbol_space *space = symbol_space__new(symbolizer, getpid(), images);
	const struct symbol *symbol;
	const Elf64_Ehdr *header = (const void *)getauxval(AT_SYSINFO_EHDR);
	uint64_t offset;
	char *directory = make_directory();

	(void)state;
	assert_int_equal(symbol_space__update(space, NULL), 0);
	/* Only the dynamic linker knows these; nm reads them from a copy of the same memory. */
	write_file(directory, "vdso", header,
		   header->e_shoff + (size_t)header->e_shnum * header->e_shentsize);
	offset = ask_address("nm -D $DIR/vdso | grep ' T __vdso_clock_gettime'");
	symbol = symbol_space__resolve(space, getauxval(AT_SYSINFO_EHDR) + offset, false);
	assert_string_equal(symbol->module, "[vdso]");
	assert_string_equal(symbol->lines[0].function, "__vdso_clock_gettime");
	assert_int_equal(symbol->module_offset, offset);
	symbol_space__free(space);
	symbolizer__free(symbolizer);
	image_cache__free(images);
	remove_directory(directory);
}

/* Code without a file, with names that come later, and then something else in its place. */
static void changing_mappings(void **state)
{
	struct symbolizer_options options = {.no_debuginfod = true};
	char *directory = make_directory(), name[64], text[128], anon[] = "";
	struct mapping mapping = {
		.start = 0x10000, .end = 0x20000, .flags = MAPPING_READ | MAPPING_EXEC, .path = anon};
	struct maps maps = {.items = &mapping, .count = 1, .capacity = 1}, none = {0};
	struct symbolizer *symbolizer;
	struct symbol_space *space;
	const struct symbol *first, *second;

	(void)state;
	options.perf_map_dir = directory;
	symbolizer = symbolizer__new(&options, NULL);
	space = symbol_space__new(symbolizer, getpid(), NULL);
	assert_int_equal(symbol_space__update_from(space, &maps, NULL), 0);
	first = symbol_space__resolve(space, 0x10008, false);
	assert_int_equal(first->kind, FRAME_NATIVE);
	assert_string_equal(first->module, "[anon]");
	snprintf(name, sizeof(name), "perf-%d.map", (int)getpid());
	write_file(directory, name, text, (size_t)sprintf(text, "10000 10 jitted\n"));
	usleep(1010000);
	second = symbol_space__resolve(space, 0x10008, false);
	assert_int_equal(second->kind, FRAME_JIT);
	assert_string_equal(second->module, "[jit]");
	assert_string_equal(second->lines[0].function, "jitted");
	/* The old answer stays readable; the new one stays the same. */
	assert_string_equal(first->module, "[anon]");
	assert_ptr_equal(second, symbol_space__resolve(space, 0x10008, false));
	/* Gone, but still known; then overlapped by data, and so forgotten. */
	assert_int_equal(symbol_space__update_from(space, &none, NULL), 0);
	assert_ptr_equal(second, symbol_space__resolve(space, 0x10008, false));
	mapping.start = 0x18000;
	mapping.flags = MAPPING_READ;
	assert_int_equal(symbol_space__update_from(space, &maps, NULL), 0);
	assert_int_equal(symbol_space__resolve(space, 0x10010, false)->kind, FRAME_UNKNOWN);
	/* Data is no code, but it is known where it is. */
	assert_int_equal(symbol_space__resolve(space, 0x18008, false)->kind, FRAME_UNKNOWN);
	assert_string_equal(symbol_space__resolve(space, 0x18008, false)->module, "[anon]");
	/* A return address at the very end of a function belongs to it. */
	assert_string_equal(symbol_space__resolve(space, 0x10010, true)->lines[0].function, "jitted");
	symbol_space__free(space);
	symbolizer__free(symbolizer);
	remove_directory(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live),
		cmocka_unit_test(deleted_and_replaced),
		cmocka_unit_test(stripped),
		cmocka_unit_test(separate_debug_file),
		cmocka_unit_test(embedded_symbols),
		cmocka_unit_test(starts_of_functions),
		cmocka_unit_test(vdso),
		cmocka_unit_test(changing_mappings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Allocates and stands still in code that comes and goes: of libraries, of children, of its own making
 * (unwind_run.h; "here" after each case).
 *
 * usage: unwind_mappings libraries FIRST SECOND
 *        unwind_mappings children
 *        unwind_mappings generated
 * With "at once" for a further argument there is no "mapped" before new code is called.
 */
#include <dlfcn.h>
#include <err.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "unwind_run.h"

static int at_once;

/* Time for what has been mapped to become known. */
static void mapped(void)
{
	if (!at_once)
		reach("mapped");
}

typedef int through_function(int (*next)(int value), int value);

/* A line for each case: a report has one entry for all stacks of the same lines. */
#define PLAIN(number)                                                                                        \
	static NOINLINE int plain_##number(int value)                                                        \
	{                                                                                                    \
		value = leaf(value + number);                                                                \
		KEEP(value);                                                                                 \
		return value;                                                                                \
	}
PLAIN(0)
PLAIN(1)
PLAIN(2)
PLAIN(3)
PLAIN(4)
static int (*const plains[])(int value) = {plain_0, plain_1, plain_2, plain_3, plain_4};

/* Case after case, in this thread. */
static NOINLINE int stand(const char *name, int number, through_function *through)
{
	struct unwind_case one = {.name = name};
	int value;

	in_main = 1;
	begin_case(&one, number);
	value = through ? through(plains[number], number) : plains[number](number);
	KEEP(value);
	return value;
}

static through_function *load(const char *path, void **library)
{
	void *found;

	*library = dlopen(path, RTLD_NOW);
	found = *library ? dlsym(*library, "library_through") : NULL;
	if (!found)
		errx(1, "%s", dlerror());
	mapped();
	return (through_function *)found;
}

/* What takes the place of a library that is gone. */
static void occupy(void *address)
{
	size_t page = (size_t)address & ~(size_t)4095;

	if (mmap((void *)page, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
	    MAP_FAILED)
		err(1, "mmap");
}

static void libraries(const char *first, const char *second)
{
	void *library, *other;
	through_function *through;

	through = load(first, &library);
	stand("first", 0, through);
	dlclose(library);
	through = load(second, &library);
	stand("second in its place", 1, through);
	dlclose(library);
	occupy((void *)through);
	through = load(first, &library);
	stand("first again", 2, through);
	through = load(second, &other);
	stand("second beside it", 3, through);
	dlclose(library);
	stand("second without it", 4, through);
}

static void wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		errx(1, "child: status %#x", status);
}

static NOINLINE pid_t fork_and_stand(const char *name, int number, int generations)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (generations > 1)
		wait_for(fork_and_stand(name, number, generations - 1));
	else
		stand(name, number, NULL);
	_exit(0);
}

static void spawn_and_stand(char *self, int vforked)
{
	char *arguments[] = {self, "again", at_once ? "at once" : NULL, NULL};
	pid_t pid;

	if (vforked) {
		if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, arguments, environ))
			errx(1, "posix_spawn");
	} else {
		pid = fork();
		if (pid == 0) {
			execv("/proc/self/exe", arguments);
			_exit(1);
		}
	}
	wait_for(pid);
}

/* rbp is a frame pointer; and: it is some number. Called as CODE(next, value), they call next(value). */
static const unsigned char with_pointer[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xf8,
					     0x89, 0xf7, 0xff, 0xd0, 0x5d, 0xc3};
static const unsigned char without_pointer[] = {0x55, 0xbd, 0x77, 0x00, 0x00, 0x00, 0x48, 0x89,
						0xf8, 0x89, 0xf7, 0xff, 0xd0, 0x5d, 0xc3};

static through_function *generate(const unsigned char *code, size_t size)
{
	unsigned char *room = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (room == MAP_FAILED)
		err(1, "mmap");
	memcpy(room, code, size);
	if (mprotect(room, 4096, PROT_READ | PROT_EXEC))
		err(1, "mprotect");
	mapped();
	return (through_function *)(size_t)room;
}

static through_function *generated_function;

static int compare(const void *a, const void *b)
{
	static int done;
	int value = *(const int *)a - *(const int *)b;

	if (!done++)
		value += generated_function(plain_1, value);
	KEEP(value);
	return value;
}

static int sort(int value)
{
	int numbers[] = {3, 2, value};

	qsort(numbers, 3, sizeof(numbers[0]), compare);
	return numbers[0];
}

static int through_twice(int (*next)(int value), int value)
{
	value = generated_function(next == plain_1 ? sort : next, value);
	KEEP(value);
	return value;
}

static NOINLINE void generated(void)
{
	through_function *without = generate(without_pointer, sizeof(without_pointer));

	generated_function = generate(with_pointer, sizeof(with_pointer));
	stand("with", 0, generated_function);
	stand("around libc", 1, through_twice);
	stand("without", 2, without);
}

int main(int argc, char **argv)
{
	at_once = !strcmp(argv[argc - 1], "at once");
	if (argc > 1 && !strcmp(argv[1], "again")) {
		mapped();
		return stand("executed", 3, NULL) < 0;
	}
	reach("ready");
	if (argc > 3 && !strcmp(argv[1], "libraries")) {
		libraries(argv[2], argv[3]);
	} else if (argc > 1 && !strcmp(argv[1], "children")) {
		wait_for(fork_and_stand("forked", 1, 1));
		wait_for(fork_and_stand("forked twice", 2, 2));
		spawn_and_stand(argv[0], 0);
		spawn_and_stand(argv[0], 1);
	} else if (argc > 1 && !strcmp(argv[1], "generated")) {
		generated();
	}
	say("end");
	return 0;
}

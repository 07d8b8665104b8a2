// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * usage: libraries FILE...
 *
 * Loads the libraries, prints "ready", and allocates through each of them in turn. When the code of malloc
 * changes under it, which is when it is probed, it prints the time (CLOCK_MONOTONIC, ns). Ends at the end of
 * its input.
 */
#include <dlfcn.h>
#include <err.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CODE_BYTES 64
#define ROUNDS_MAX 100000

typedef void *allocate_fn(size_t size);

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static allocate_fn *load(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL), *function;

	if (!library)
		errx(1, "%s", dlerror());
	function = dlsym(library, "allocate");
	if (!function)
		errx(1, "%s", dlerror());
	return (allocate_fn *)function;
}

int main(int argc, char **argv)
{
	allocate_fn **functions = calloc(argc, sizeof(*functions));
	const volatile uint8_t *code = dlsym(RTLD_DEFAULT, "malloc");
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	uint8_t before[CODE_BYTES];
	int probed = 0;

	if (!functions || !code)
		errx(1, "no malloc");
	for (int i = 1; i < argc; i++)
		functions[i] = load(argv[i]);
	for (int i = 0; i < CODE_BYTES; i++)
		before[i] = code[i];
	puts("ready");
	fflush(stdout);
	for (unsigned round = 0; poll(&input, 1, 1) == 0; round++) {
		for (int i = 0; !probed && i < CODE_BYTES; i++)
			probed = code[i] != before[i];
		if (probed == 1) {
			printf("%llu\n", (unsigned long long)now_ns());
			fflush(stdout);
			probed = 2;
		}
		if (argc > 1 && round < ROUNDS_MAX)
			functions[1 + round % (argc - 1)](16);
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads code objects of another process: the side of test_code_*.py that is under test.
 *
 * usage: code_driver PID MAJOR MINOR
 *
 * Commands on stdin, a line each; each is answered by one line of fields separated by tabs, of which the
 *first is "ok", or "error" before the errno's name and the message. Texts are in hexadecimal.
 *
 *	code ADDRESS           file, name, qualified name or -, first line, size of the code, identity, line
 *before the first instruction, lines of all instructions: LINExCOUNT,… names ADDRESS          the same
 *without the lines, cheaply look ADDRESS LASTI     of the cache: file, function, line, whether it is gone
 *	find ADDRESS FIELDS CONTENTS    what the cache knows by this identity: file, name
 *	round | string ADDRESS | stats
 *	watch ADDRESS          adds to what bench and hammer read, as code does
 *	hammer SECONDS         reads them without pause: how many were whole, were refused, changed meanwhile,
 *and were those of other than numbered functions; it fails on one that is of two bench SECONDS          of
 *all that "code" has been asked for: reads/s, kernel calls a read, µs to look up with the cache, µs without
 *it
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "python/codes.h"

struct driver {
	const struct python_offsets *offsets;
	struct python_remote remote;
	struct python_codes *codes;
	VEC(uint64_t) asked;
};

static void fail(const char *what)
{
	fprintf(stderr, "code_driver: %s\n", what);
	exit(1);
}

static void print_text(const char *text)
{
	printf("\t");
	if (!text)
		printf("-");
	for (; text && *text; text++)
		printf("%02x", (unsigned char)*text);
}

static void print_error(int err, const struct error *error)
{
	printf("error\t%s\t%s", strerrorname_np(-err), error->text);
}

/* The number that a frame would hold. */
static int64_t lasti_of(const struct driver *driver, int64_t offset)
{
	return driver->offsets->frame.instruction_kind == PYTHON_LASTI_UNITS && offset >= 0 ? offset / 2
											    : offset;
}

/* Walking the table, asking its map and asking the cache must agree: it fails where they do not. */
static int32_t line_at(struct driver *driver, const struct python_code *code,
		       const struct python_line_map *map, int64_t offset)
{
	int32_t line = python_lines__at(&code->lines, offset);
	struct python_place place;
	struct error error;

	if (python_line_map__at(map, offset) != line)
		fail("the map of lines says otherwise");
	if (python_codes__lookup(driver->codes, code->address, lasti_of(driver, offset), &place, &error) < 0)
		fail(error.text);
	if (place.line != line)
		fail("the cache says otherwise");
	return line;
}

static void print_lines(struct driver *driver, const struct python_code *code)
{
	struct python_line_map map = {0};
	int32_t line, last = 0;
	size_t count = 0;

	if (python_line_map__build(&map, &code->lines) < 0)
		fail("no memory");
	printf("\t%d\t", line_at(driver, code, &map, -1));
	for (uint64_t offset = 0; offset < code->lines.code_size; offset += 2, count++) {
		line = line_at(driver, code, &map, (int64_t)offset);
		if (count && line != last) {
			printf("%dx%zu,", last, count);
			count = 0;
		}
		last = line;
	}
	printf("%dx%zu", last, count);
	if (line_at(driver, code, &map, (int64_t)code->lines.code_size) != PYTHON_NO_LINE)
		fail("there is a line behind the code");
	python_line_map__free(&map);
}

static void print_code(struct driver *driver, uint64_t address, bool lines)
{
	struct python_code code;
	struct error error = {0};
	int err = python_code__read(&driver->remote, address, &code, &error);

	if (err < 0) {
		print_error(err, &error);
		return;
	}
	printf("ok");
	print_text(code.file);
	print_text(code.name);
	print_text(code.qualified_name);
	printf("\t%d\t%" PRIu64 "\t%" PRIx64 "\t%" PRIx64, code.lines.first_line, code.lines.code_size,
	       code.identity.fields, code.identity.contents);
	if (lines) {
		if (vec_push(&driver->asked, address) < 0)
			fail("no memory");
		print_lines(driver, &code);
	}
	python_code__free(&code);
}

static void print_look(struct driver *driver, uint64_t address, int64_t lasti)
{
	struct python_place place;
	struct error error = {0};
	int err = python_codes__lookup(driver->codes, address, lasti, &place, &error);

	if (err < 0) {
		print_error(err, &error);
		return;
	}
	printf("ok");
	print_text(place.file);
	print_text(place.function);
	printf("\t%d\t%d", place.line, place.gone);
}

static void print_found(struct driver *driver, uint64_t address, const struct python_identity *identity)
{
	const struct python_code *code = python_codes__find(driver->codes, address, identity);

	if (!code) {
		printf("error\tENOENT\t");
		return;
	}
	printf("ok");
	print_text(code->file);
	print_text(code->name);
}

static void print_string(struct driver *driver, uint64_t address)
{
	char buffer[256], *text;
	struct python_span head = {.address = address, .buffer = buffer, .size = sizeof(buffer)};
	struct error error = {0};
	int err = python_remote__read_spans(&driver->remote, &head, 1, &error);

	if (err == 0)
		err = python_remote__string(&driver->remote, &head, PYTHON_NAME_MAX, &text, &error);
	if (err < 0) {
		print_error(err, &error);
		return;
	}
	printf("ok");
	print_text(text);
	free(text);
}

static void print_stats(struct driver *driver)
{
	struct python_codes_stats stats;

	python_codes__stats(driver->codes, &stats);
	printf("ok\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%zu\t%zu", stats.read, stats.replaced,
	       stats.gone, stats.failed, stats.count, stats.bytes);
}

/* --- How long it takes
 * ----------------------------------------------------------------------------------------- */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static double bench_reads(struct driver *driver, double seconds, double *calls)
{
	double start = now(), passed;
	uint64_t before = driver->remote.calls;
	size_t count = 0;

	do {
		for (size_t i = 0; i < driver->asked.count; i++, count++) {
			struct python_code code;

			if (python_code__read(&driver->remote, driver->asked.items[i], &code, NULL) == 0)
				python_code__free(&code);
		}
		passed = now() - start;
	} while (passed < seconds);
	*calls = (double)(driver->remote.calls - before) / (double)count;
	return (double)count / passed;
}

/* A different instruction of a different code object each time. */
static double bench_lookups(struct driver *driver, double seconds, bool cached)
{
	double start = now(), passed;
	size_t count = 0, step = 7919 % driver->asked.count + 1;

	do {
		for (size_t i = 0, at = 0; i < 10000; i++, count++) {
			const struct python_code *code;
			struct python_place place;
			bool gone;

			at = (at + step) % driver->asked.count;
			if (python_codes__get(driver->codes, driver->asked.items[at], &code, &gone, NULL) < 0)
				fail("a code object is gone");
			if (!cached)
				place.line = python_lines__at(
					&code->lines,
					(int64_t)(count * 2654435761u % (code->lines.code_size + 1)));
			else if (python_codes__lookup(
					 driver->codes, driver->asked.items[at],
					 (int64_t)(count * 2654435761u % (code->lines.code_size + 1)), &place,
					 NULL) < 0)
				fail("a code object is gone");
			__asm__ volatile("" ::"r"(place.line));
		}
		passed = now() - start;
	} while (passed < seconds);
	return passed / (double)count * 1e6;
}

static void bench(struct driver *driver, double seconds)
{
	double calls, reads, cached, walked;

	if (!driver->asked.count)
		fail("nothing to measure with");
	reads = bench_reads(driver, seconds, &calls);
	cached = bench_lookups(driver, seconds, true);
	walked = bench_lookups(driver, seconds, false);
	printf("ok\t%zu\t%.0f\t%.2f\t%.3f\t%.3f", driver->asked.count, reads, calls, cached, walked);
}

/* All parts of a numbered function tell its number: "<churn N>", "churn_N", line N. */
static bool is_whole(const struct python_code *code, bool *numbered)
{
	int file = 0, name = 0;

	*numbered = sscanf(code->file, "<churn %d>", &file) == 1 && strcmp(code->name, "<module>") != 0;
	if (!*numbered && strncmp(code->name, "churn_", 6) != 0)
		return true;
	return sscanf(code->name, "churn_%d", &name) == 1 && file == name &&
	       python_lines__at(&code->lines, 0) == code->lines.first_line &&
	       (!code->qualified_name || !strcmp(code->qualified_name, code->name)) &&
	       code->lines.first_line == name;
}

static void hammer(struct driver *driver, double seconds)
{
	size_t whole = 0, refused = 0, changed = 0, others = 0, torn = 0;
	double start = now();

	while (now() - start < seconds) {
		for (size_t i = 0; i < driver->asked.count; i++) {
			struct python_code code;
			bool numbered;
			int err = python_code__read(&driver->remote, driver->asked.items[i], &code, NULL);

			if (err < 0) {
				refused++;
				changed += err == -EAGAIN;
				continue;
			}
			torn += !is_whole(&code, &numbered);
			whole += numbered;
			others += !numbered;
			python_code__free(&code);
		}
	}
	printf("ok\t%zu\t%zu\t%zu\t%zu\t%zu", whole, refused, changed, others, torn);
}

static void run(struct driver *driver, char *line)
{
	struct python_identity identity;
	uint64_t address;
	int64_t lasti;
	double seconds;

	if (sscanf(line, "code %" SCNx64, &address) == 1)
		print_code(driver, address, true);
	else if (sscanf(line, "names %" SCNx64, &address) == 1)
		print_code(driver, address, false);
	else if (sscanf(line, "look %" SCNx64 " %" SCNd64, &address, &lasti) == 2)
		print_look(driver, address, lasti);
	else if (sscanf(line, "find %" SCNx64 " %" SCNx64 " %" SCNx64, &address, &identity.fields,
			&identity.contents) == 3)
		print_found(driver, address, &identity);
	else if (sscanf(line, "string %" SCNx64, &address) == 1)
		print_string(driver, address);
	else if (sscanf(line, "watch %" SCNx64, &address) == 1)
		printf("%s", vec_push(&driver->asked, address) < 0 ? "error" : "ok");
	else if (sscanf(line, "hammer %lf", &seconds) == 1)
		hammer(driver, seconds);
	else if (sscanf(line, "bench %lf", &seconds) == 1)
		bench(driver, seconds);
	else if (strcmp(line, "stats\n") == 0)
		print_stats(driver);
	else if (strcmp(line, "round\n") == 0 && printf("ok"))
		python_codes__begin_round(driver->codes);
	else
		fail("no such command");
	printf("\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct driver driver = {0};
	char *line = NULL;
	size_t size = 0;

	if (argc != 4)
		fail("usage: code_driver PID MAJOR MINOR");
	driver.offsets = python_offsets__find((uint32_t)PYTHON_VERSION(atoi(argv[2]), atoi(argv[3])));
	if (!driver.offsets)
		fail("this version is not known");
	driver.remote = python_remote__of(atoi(argv[1]), driver.offsets);
	driver.codes = python_codes__new(atoi(argv[1]), driver.offsets);
	if (!driver.codes)
		fail("no memory");
	while (getline(&line, &size, stdin) > 0)
		run(&driver, line);
	free(line);
	vec_free(&driver.asked);
	python_codes__free(driver.codes);
	return 0;
}

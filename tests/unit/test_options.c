// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "abi.h"
#include "commands/options.h"

#define WORDS_MAX 16

/* A command line as a shell would split it: at blanks; '' is an empty word. */
struct line {
	char text[256];
	char *argv[WORDS_MAX + 1];
	int argc;
};

static int parse(struct line *line, const char *text, struct options *options, struct error *error)
{
	char *save = NULL;

	memset(line, 0, sizeof(*line));
	memset(error, 0, sizeof(*error));
	strncpy(line->text, text, sizeof(line->text) - 1);
	line->argv[line->argc++] = (char[]){"memwatch"};
	for (char *word = strtok_r(line->text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		assert_true(line->argc < WORDS_MAX);
		if (!strcmp(word, "''"))
			*word = '\0';
		line->argv[line->argc++] = word;
	}
	return options__parse(line->argc, line->argv, options, error);
}

static void defaults(void **state)
{
	struct options options;
	struct error error;
	struct line line;

	(void)state;
	assert_int_equal(parse(&line, "-p 42", &options, &error), 0);
	assert_int_equal(options.pids.count, 1);
	assert_int_equal(options.pids.items[0], 42);
	assert_null(options.command);
	assert_int_equal(options.interval_ns, 5000000000);
	assert_false(options.interval_given);
	assert_int_equal(options.count, 0);
	assert_int_equal(options.domains, 1u << DOMAIN_HEAP);
	assert_int_equal(options.attach_mode, ATTACH_AUTO);
	assert_int_equal(options.frames, 25);
	assert_int_equal(options.view.frames, 25);
	assert_int_equal(options.view.top, 10);
	assert_int_equal(options.view.group_by, GROUP_LINENO);
	assert_false(options.follow || options.json || options.quiet || options.fail_on_leak ||
		     options.allow_seccomp || options.most_recent_first || options.no_debuginfod);
	assert_null(options.output);
	assert_string_equal(error.text, "");
	options__free(&options);
}

static void everything(void **state)
{
	struct options options;
	struct error error;
	struct line line;

	(void)state;
	assert_int_equal(
		parse(&line, "-fvvq -p 1,4194304 -p 7 --domains=heap,mmap --json 250ms 3", &options, &error),
		0);
	assert_int_equal(options.pids.count, 3);
	assert_int_equal(options.pids.items[1], 4194304);
	assert_int_equal(options.pids.items[2], 7);
	assert_int_equal(options.domains, 1u << DOMAIN_HEAP | 1u << DOMAIN_MMAP);
	assert_int_equal(options.verbose, 2);
	assert_true(options.follow && options.quiet && options.json && options.interval_given);
	assert_int_equal(options.interval_ns, 250000000);
	assert_int_equal(options.count, 3);
	options__free(&options);

	assert_int_equal(parse(&line, "-g traceback -n 0 --frames 0 --cumulative --all-frames -o out -p 1",
			       &options, &error),
			 0);
	assert_int_equal(options.view.group_by, GROUP_TRACEBACK);
	assert_int_equal(options.view.top, 0);
	assert_int_equal(options.view.frames, 0);
	assert_true(options.view.cumulative && options.view.all_frames);
	assert_string_equal(options.output, "out");
	options__free(&options);

	assert_int_equal(
		parse(&line,
		      "--max-live 1 --max-stacks 16777216 --ring-size 2M --older 1m --min-size 4K -p 1",
		      &options, &error),
		0);
	assert_int_equal(options.max_live, 1);
	assert_int_equal(options.max_stacks, 1 << 24);
	assert_int_equal(options.ring_size, 2 << 20);
	assert_int_equal(options.older_ns, 60000000000);
	assert_int_equal(options.view.min_size, 4096);
	options__free(&options);

	assert_int_equal(parse(&line, "--include a* --include b --exclude c --skip x* --skip y -p 1",
			       &options, &error),
			 0);
	assert_int_equal(options.view.include_count, 2);
	assert_string_equal(options.view.include[0], "a*");
	assert_string_equal(options.view.include[1], "b");
	assert_int_equal(options.view.exclude_count, 1);
	assert_string_equal(options.skip.items[1], "y");
	options__free(&options);
}

static void command(void **state)
{
	struct options options;
	struct error error;
	struct line line;

	(void)state;
	/* What follows -- is the program's, whatever it looks like. */
	assert_int_equal(parse(&line, "--fail-on-leak=64K --attach-mode perf 2 -- prog -p 5 -- --json",
			       &options, &error),
			 0);
	assert_ptr_equal(options.command, line.argv + 6);
	assert_string_equal(options.command[0], "prog");
	assert_string_equal(options.command[4], "--json");
	assert_null(options.command[5]);
	assert_int_equal(options.pids.count, 0);
	assert_false(options.json);
	assert_true(options.fail_on_leak);
	assert_int_equal(options.fail_size, 65536);
	assert_int_equal(options.attach_mode, ATTACH_PERF);
	assert_int_equal(options.interval_ns, 2000000000);
	options__free(&options);
	assert_int_equal(parse(&line, "--fail-on-leak -- prog", &options, &error), 0);
	assert_true(options.fail_on_leak);
	assert_int_equal(options.fail_size, 0);
	options__free(&options);
}

/* Every one is refused, in one line that has this in it. */
static void refused(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{"", "-p PID"},
		{"5", "-p PID"},
		{"-p 1 --", "after --"},
		{"--", "after --"},
		{"-p 1 -- prog", "exclude each other"},
		{"-p", "-p"},
		{"-p ''", "process id"},
		{"-p ,", "process id"},
		{"-p 0", "0"},
		{"-p -1", "-1"},
		{"-p 4194305", "4194305"},
		{"-p 99999999999999999999", "99999999999999999999"},
		{"-p 12x", "12x"},
		{"-p 1,2,1", "twice"},
		{"-p 1 -p 1", "twice"},
		{"-p 1 0", "INTERVAL"},
		{"-p 1 9ms", "INTERVAL"},
		{"-p 1 366d", "INTERVAL"},
		{"-p 1 soon", "INTERVAL"},
		{"-p 1 -5", "-5"},
		{"-p 1 5 0", "COUNT"},
		{"-p 1 5 -1", "-1"},
		{"-p 1 5 4294967296", "COUNT"},
		{"-p 1 5 many", "many"},
		{"-p 1 5 3 1", "unexpected argument '1'"},
		{"-p 1 --domains stack", "stack"},
		{"-p 1 --domains ''", "--domains"},
		{"-p 1 --attach-mode fast", "fast"},
		{"-p 1 -g colour", "colour"},
		{"-p 1 -g ''", ""},
		{"-p 1 -n x", "--top"},
		{"-p 1 -n -1", "--top"},
		{"-p 1 --frames 128", "--frames"},
		{"-p 1 --max-live 0", "--max-live"},
		{"-p 1 --max-live 1073741825", "--max-live"},
		{"-p 1 --max-stacks 16777217", "--max-stacks"},
		{"-p 1 --ring-size big", "big"},
		{"-p 1 --min-size -1", "-1"},
		{"-p 1 --older 1y", "1y"},
		{"-p 1 --include ''", "glob"},
		{"-p 1 --exclude ''", "glob"},
		{"-p 1 --skip ''", "glob"},
		{"-p 1 -o ''", "-o"},
		{"-p 1 --fail-on-leak", "-- CMD"},
		{"--fail-on-leak=much -- prog", "much"},
		{"-p 1 --colour", "--colour"},
		{"-p 1 -z", "-z"},
		{"-p 1 --json=yes", "--json"},
		{"-p 1 --older", "--older"},
		{"-p 1 --max", "--max"}, /* of which there are several */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct options options;
		struct error error;
		struct line line;
		int err = parse(&line, rows[i].text, &options, &error);

		options__free(&options);
		if (err != -EINVAL || !error.text[0] || strchr(error.text, '\n') ||
		    !strstr(error.text, rows[i].says))
			fail_msg("'%s': %d, %s", rows[i].text, err, error.text);
	}
}

/* An error's text is one line, whatever the words were. */
static void hostile_words(void **state)
{
	static const char *const words[] = {"a\nb", "\033[2J", "%s%n", "\xff\xfe"};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		static const char *const names[] = {"-p", "-g", "--domains", "--older", "--attach-mode",
						    "-n"};

		for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
			char *argv[] = {(char[]){"memwatch"}, strdup(names[j]), strdup(words[i]), NULL};
			struct options options;
			struct error error = {0};

			assert_int_equal(options__parse(3, argv, &options, &error), -EINVAL);
			if (!error.text[0] || strchr(error.text, '\n'))
				fail_msg("%s: %s", names[j], error.text);
			options__free(&options);
			free(argv[1]);
			free(argv[2]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults), cmocka_unit_test(everything),    cmocka_unit_test(command),
		cmocka_unit_test(refused),  cmocka_unit_test(hostile_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "commands/options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "abi.h"
#include "base/units.h"

enum {
	KEY_ATTACH_MODE = 256,
	KEY_ALLOW_SECCOMP,
	KEY_DOMAINS,
	KEY_EXACT,
	KEY_MAX_LIVE,
	KEY_MAX_STACKS,
	KEY_RING_SIZE,
	KEY_INCLUDE,
	KEY_EXCLUDE,
	KEY_SKIP,
	KEY_NO_SKIP,
	KEY_ALL_FRAMES,
	KEY_CUMULATIVE,
	KEY_OLDER,
	KEY_MIN_SIZE,
	KEY_FRAMES,
	KEY_MOST_RECENT_FIRST,
	KEY_NO_DEBUGINFOD,
	KEY_JSON,
	KEY_FAIL_ON_LEAK,
};

static const char doc[] =
	"Says which lines of a running program hold its memory and which make it grow.\n\n"
	"The program need not have been built, started or configured for it. Every INTERVAL (5 s) memwatch "
	"prints how the "
	"outstanding bytes of each line changed, until COUNT reports or Ctrl-C.\v"
	"Examples:\n"
	"  sudo memwatch -p 4242                      diffs every 5 seconds\n"
	"  sudo memwatch -p 4242 -g traceback 10 6    six reports with whole stacks, 10 s apart\n"
	"  sudo memwatch -p 4242 --older 1m           only blocks that have lived for a minute: likely "
	"leaks\n"
	"  sudo memwatch -- ./server --port 80        from its first instruction; what is left at exit\n"
	"  sudo memwatch --fail-on-leak=64K -- ./test exit status 3 if more than 64 KiB are left\n"
	"  sudo memwatch -p 4242 --json -o log.jsonl  one JSON object a report\n"
	"  sudo memwatch mark -p 4242 request         from another terminal: a report since the last mark\n"
	"  memwatch sites /lib/x86_64-linux-gnu/libc.so.6\n\n"
	"Sizes take K, M, G; times ms, s, m, h. Other commands: memwatch sites --help, memwatch mark "
	"--help.\n"
	"Exit status: 0 done; 1 memwatch could not do it; 2 usage; 3 a --fail condition held; with -- CMD, "
	"CMD's own.";

static const struct argp_option argp_options[] = {
	{NULL, 0, NULL, 0, "What to watch:", 1},
	{"pid", 'p', "PID[,PID...]", 0, "Watch these processes", 1},
	{"follow", 'f', NULL, 0,
	 "Watch the children that they fork, too. Every process that maps the same libraries then passes the "
	 "probes",
	 1},
	{"domains", KEY_DOMAINS, "LIST", 0,
	 "heap (default), mmap (mappings that the program makes itself), or heap,mmap", 1},
	{"older", KEY_OLDER, "AGE", 0, "Report only blocks that have been outstanding for AGE", 1},
	{NULL, 0, NULL, 0, "What to show:", 2},
	{"group-by", 'g', "KEY", 0, "lineno (default), filename, function, module, type or traceback", 2},
	{"top", 'n', "N", 0, "Show the N entries that changed most (default 10; 0: all)", 2},
	{"frames", KEY_FRAMES, "N", 0,
	 "Show and group by at most N frames of a traceback (default 25; 0: all)", 2},
	{"cumulative", KEY_CUMULATIVE, NULL, 0,
	 "Count a block at every frame of its stack, not only where it was allocated", 2},
	{"include", KEY_INCLUDE, "GLOB", 0, "Only blocks whose file or module matches; may be repeated", 2},
	{"exclude", KEY_EXCLUDE, "GLOB", 0, "No blocks whose file or module matches; may be repeated", 2},
	{"all-frames", KEY_ALL_FRAMES, NULL, 0, "Filters look at all frames of a stack", 2},
	{"skip", KEY_SKIP, "GLOB", 0,
	 "Functions that are allocators themselves (xmalloc): name their callers; may be repeated", 2},
	{"no-skip", KEY_NO_SKIP, NULL, 0, "Skip no function, not even malloc and operator new", 2},
	{"min-size", KEY_MIN_SIZE, "SIZE", 0, "Sum up entries below SIZE in one line", 2},
	{"most-recent-first", KEY_MOST_RECENT_FIRST, NULL, 0, "Print tracebacks from the allocation outwards",
	 2},
	{NULL, 0, NULL, 0, "Output:", 3},
	{"json", KEY_JSON, NULL, 0, "One JSON object a report, a line each (memwatch.diff/1)", 3},
	{"output", 'o', "FILE", 0,
	 "Write reports to FILE (else to standard output; with -- CMD to standard error)", 3},
	{"verbose", 'v', NULL, 0, "Say how it is done; -vv: more", 3},
	{"quiet", 'q', NULL, 0, "Only statistics: no header, no projected cost", 3},
	{"fail-on-leak", KEY_FAIL_ON_LEAK, "SIZE", OPTION_ARG_OPTIONAL,
	 "With -- CMD: exit with 3 if more than SIZE (0) bytes are outstanding at its end", 3},
	{NULL, 0, NULL, 0, "How:", 4},
	{"exact", KEY_EXACT, NULL, 0, "Record every event (the default)", 4},
	{"attach-mode", KEY_ATTACH_MODE, "MODE", 0,
	 "auto (default), session, multi or perf: how probes are set", 4},
	{"max-live", KEY_MAX_LIVE, "N", 0, "Room for N live blocks", 4},
	{"max-stacks", KEY_MAX_STACKS, "N", 0, "Room for N different stacks (default 262144)", 4},
	{"ring-size", KEY_RING_SIZE, "SIZE", 0, "Buffer for mapping and process events (default 1M)", 4},
	{"allow-seccomp", KEY_ALLOW_SECCOMP, NULL, 0,
	 "Probe a process under seccomp although this kernel may kill it for that", 4},
	{"no-debuginfod", KEY_NO_DEBUGINFOD, NULL, 0, "Never ask debuginfod servers for debug information",
	 4},
	{NULL, 0, NULL, 0, "Help:", 5},
	{"help", '?', NULL, 0, "Show this", 5},
	{"version", 'V', NULL, 0, "Show the version", 5},
	{0},
};

struct parsing {
	struct options *options;
	struct error *error;
	int positions;        /* INTERVAL and COUNT seen so far */
	int err;              /* 1: answered, nothing left to do */
	const char *rejected; /* the word that argp stopped at */
};

static int parse_pids(struct options *options, char *list, struct error *error)
{
	char *save = NULL;
	uint64_t pid;
	int err;

	for (char *item = strtok_r(list, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		err = units__parse_count(item, "process id", 1, 4194304, &pid, error);
		if (err)
			return err;
		vec_each (seen, &options->pids) {
			if (*seen == (pid_t)pid)
				return error__set(error, EINVAL, "process %d is named twice", (int)pid);
		}
		if (vec_push(&options->pids, (pid_t)pid))
			return error__set(error, ENOMEM, "out of memory");
	}
	return options->pids.count ? 0 : error__set(error, EINVAL, "-p needs a process id");
}

static int parse_domains(struct options *options, char *list, struct error *error)
{
	char *save = NULL;

	options->domains = 0;
	for (char *item = strtok_r(list, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		if (!strcmp(item, "heap"))
			options->domains |= 1u << DOMAIN_HEAP;
		else if (!strcmp(item, "mmap"))
			options->domains |= 1u << DOMAIN_MMAP;
		else
			return error__set(error, EINVAL, "unknown domain '%s': use heap, mmap or heap,mmap",
					  item);
	}
	return options->domains ? 0 : error__set(error, EINVAL, "--domains needs heap, mmap or heap,mmap");
}

static int push_glob(void *vector, const char *glob, struct error *error)
{
	VEC(const char *) *globs = vector;

	if (!*glob)
		return error__set(error, EINVAL, "an empty glob matches nothing");
	return vec_push(globs, glob) ? error__set(error, ENOMEM, "out of memory") : 0;
}

static int parse_position(struct parsing *parsing, const char *arg)
{
	struct options *options = parsing->options;

	switch (parsing->positions++) {
	case 0:
		if (units__parse_time(arg, &options->interval_ns, parsing->error))
			return error__prefix(parsing->error, -EINVAL, "INTERVAL");
		options->interval_given = true;
		if (options->interval_ns < 10 * 1000000ull ||
		    options->interval_ns > 365ull * 86400 * 1000000000)
			return error__set(parsing->error, EINVAL,
					  "INTERVAL '%s' is not between 10ms and a year", arg);
		return 0;
	case 1:
		return units__parse_count(arg, "COUNT", 1, UINT32_MAX, &options->count, parsing->error);
	default:
		return error__set(parsing->error, EINVAL,
				  "unexpected argument '%s': after INTERVAL and COUNT nothing follows (a "
				  "program to start "
				  "comes after --)",
				  arg);
	}
}

/* Options with a size or number. */
static int parse_number(int key, const char *arg, struct options *options, struct error *error)
{
	uint64_t number = 0;
	int err;

	switch (key) {
	case 'n':
		err = units__parse_count(arg, "--top", 0, UINT32_MAX, &number, error);
		options->view.top = number;
		return err;
	case KEY_FRAMES:
		err = units__parse_count(arg, "--frames", 0, STACK_FRAMES_MAX, &number, error);
		options->frames = number;
		return err;
	case KEY_MAX_LIVE:
		return units__parse_count(arg, "--max-live", 1, 1u << 30, &options->max_live, error);
	case KEY_MAX_STACKS:
		return units__parse_count(arg, "--max-stacks", 1, 1u << 24, &options->max_stacks, error);
	case KEY_RING_SIZE:
		return units__parse_size(arg, &options->ring_size, error);
	case KEY_MIN_SIZE:
		return units__parse_size(arg, &options->view.min_size, error);
	case KEY_OLDER:
		return units__parse_time(arg, &options->older_ns, error);
	case KEY_FAIL_ON_LEAK:
		options->fail_on_leak = true;
		return arg ? units__parse_size(arg, &options->fail_size, error) : 0;
	default:
		return 1;
	}
}

static int parse_flag(int key, struct options *options)
{
	switch (key) {
	case 'f':
		options->follow = true;
		return 0;
	case 'v':
		options->verbose++;
		return 0;
	case 'q':
		options->quiet = true;
		return 0;
	case KEY_JSON:
		options->json = true;
		return 0;
	case KEY_EXACT:
		return 0;
	case KEY_ALLOW_SECCOMP:
		options->allow_seccomp = true;
		return 0;
	case KEY_NO_SKIP:
		options->no_skip = true;
		return 0;
	case KEY_NO_DEBUGINFOD:
		options->no_debuginfod = true;
		return 0;
	case KEY_MOST_RECENT_FIRST:
		options->most_recent_first = true;
		return 0;
	case KEY_CUMULATIVE:
		options->view.cumulative = true;
		return 0;
	case KEY_ALL_FRAMES:
		options->view.all_frames = true;
		return 0;
	default:
		return 1;
	}
}

static int parse_word(int key, char *arg, struct parsing *parsing)
{
	struct options *options = parsing->options;
	struct error *error = parsing->error;

	switch (key) {
	case 'p':
		return parse_pids(options, arg, error);
	case 'g':
		return group_by__parse(arg, &options->view.group_by, error);
	case 'o':
		options->output = arg;
		return *arg ? 0 : error__set(error, EINVAL, "-o needs a file name");
	case KEY_DOMAINS:
		return parse_domains(options, arg, error);
	case KEY_ATTACH_MODE:
		return attach_mode__parse(arg, &options->attach_mode, error);
	case KEY_INCLUDE:
		return push_glob(&options->include, arg, error);
	case KEY_EXCLUDE:
		return push_glob(&options->exclude, arg, error);
	case KEY_SKIP:
		return push_glob(&options->skip, arg, error);
	case ARGP_KEY_ARG:
		return parse_position(parsing, arg);
	default:
		return 1;
	}
}

/* argp would print help only where it also prints errors, and exit. */
static int answer(int key, const struct argp_state *state)
{
	char name[] = "memwatch";

	if (key == '?')
		argp_help(state->root_argp, stdout, ARGP_HELP_LONG | ARGP_HELP_DOC | ARGP_HELP_USAGE, name);
	else
		puts("memwatch " MEMWATCH_VERSION);
	return 1;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct parsing *parsing = state->input;
	int err;

	if (key == ARGP_KEY_ERROR && state->next > 0 && state->next <= state->argc)
		parsing->rejected = state->argv[state->next - 1];
	if (key == '?' || key == 'V') {
		parsing->err = answer(key, state);
		return ECANCELED;
	}
	err = parse_flag(key, parsing->options);
	if (err == 1)
		err = parse_number(key, arg, parsing->options, parsing->error);
	if (err == 1)
		err = parse_word(key, arg, parsing);
	if (err == 1)
		return ARGP_ERR_UNKNOWN;
	if (err)
		parsing->err = err;
	return err ? EINVAL : 0;
}

/* The program to start begins after the first "--", which argp would otherwise take for itself. */
static int split_command(int *argc, char **argv, struct options *options, struct error *error)
{
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--"))
			continue;
		if (i + 1 == *argc)
			return error__set(error, EINVAL, "nothing to start after --");
		options->command = argv + i + 1;
		*argc = i;
		return 0;
	}
	return 0;
}

static int check(struct options *options, struct error *error)
{
	if (!options->pids.count && !options->command)
		return error__set(error, EINVAL,
				  "say what to watch: -p PID, or -- CMD (memwatch --help shows examples)");
	if (options->pids.count && options->command)
		return error__set(error, EINVAL, "-p and -- CMD exclude each other");
	if (options->fail_on_leak && !options->command)
		return error__set(error, EINVAL,
				  "--fail-on-leak judges a program at its end: it needs -- CMD");
	options->view.frames = options->frames;
	options->view.include = options->include.items;
	options->view.include_count = options->include.count;
	options->view.exclude = options->exclude.items;
	options->view.exclude_count = options->exclude.count;
	return 0;
}

int options__parse(int argc, char **argv, struct options *options, struct error *error)
{
	static const struct argp parser = {
		argp_options, parse_option, "[INTERVAL [COUNT]]\n[-- CMD [ARG...]]", doc, NULL, NULL, NULL};
	struct parsing parsing = {.options = options, .error = error};
	int err;

	memset(options, 0, sizeof(*options));
	options->interval_ns = 5000000000ull;
	options->domains = 1u << DOMAIN_HEAP;
	options->frames = 25;
	options->view.top = 10;
	err = split_command(&argc, argv, options, error);
	if (err)
		return err;
	if (argp_parse(&parser, argc, argv, ARGP_NO_EXIT | ARGP_NO_ERRS | ARGP_NO_HELP | ARGP_IN_ORDER, NULL,
		       &parsing)) {
		if (parsing.err == 1)
			return 1;
		if (!parsing.err)
			error__set(error, EINVAL,
				   "'%s' is no option, or lacks its value (memwatch --help lists them)",
				   parsing.rejected ? parsing.rejected : "");
		return -EINVAL;
	}
	return check(options, error);
}

void options__free(struct options *options)
{
	vec_free(&options->pids);
	vec_free(&options->include);
	vec_free(&options->exclude);
	vec_free(&options->skip);
}

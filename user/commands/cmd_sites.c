// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "commands/cmd_sites.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include "base/units.h"
#include "commands/sites_table.h"
#include "target/maps.h"
#include "target/process.h"

enum { KEY_DOMAINS = 0x100, KEY_JSON, KEY_HELP, KEY_USAGE };

struct options {
	pid_t pid; /* 0: files are looked at */
	unsigned domains;
	bool json, verbose;
	unsigned help; /* flags of argp_help(), 0: none wanted */
	VEC(char *) files;
	const char *rejected; /* the word that argp stopped at */
	struct error *error;
};

static const struct argp_option option_table[] = {
	{"pid", 'p', "PID", 0, "Look at the files that process PID has mapped", 0},
	{"domains", KEY_DOMAINS, "LIST", 0, "Functions of: heap, mmap (default: both, heap,mmap)", 0},
	{"json", KEY_JSON, NULL, 0, "One JSON object a line for each site", 0},
	{"verbose", 'v', NULL, 0, "Also show what is left out, and what the costs mean", 0},
	{"help", KEY_HELP, NULL, 0, "Show this help", -1},
	{"usage", KEY_USAGE, NULL, 0, "Show a short summary", -1},
	{0},
};

static const char doc[] = "Show which instructions memwatch would probe, why these, and what a hit costs.\v"
			  "Examples:\n"
			  "  memwatch sites -p 4242               all that the process has mapped\n"
			  "  memwatch sites /lib/x86_64-linux-gnu/libc.so.6\n"
			  "  memwatch sites -v --domains heap ./server      a program linked statically\n"
			  "  memwatch sites --json -p 4242 | jq -r .symbol\n";

static int parse_domains(const char *text, unsigned *domains, struct error *error)
{
	static const struct {
		const char *name;
		enum domain domain;
	} names[] = {{"heap", DOMAIN_HEAP}, {"mmap", DOMAIN_MMAP}};

	*domains = 0;
	while (true) {
		size_t length = strcspn(text, ","), i, count = sizeof(names) / sizeof(names[0]);

		for (i = 0; i < count; i++) {
			if (strlen(names[i].name) == length && memcmp(names[i].name, text, length) == 0)
				break;
		}
		if (i == count)
			return error__set(error, EINVAL,
					  "there is no domain '%.*s': use heap, mmap or heap,mmap",
					  (int)length, text);
		*domains |= 1u << names[i].domain;
		if (!text[length])
			return 0;
		text += length + 1;
	}
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct options *options = state->input;
	uint64_t pid;
	int err;

	switch (key) {
	case 'p':
		err = units__parse_count(argument, "a process id", 1, INT_MAX, &pid, options->error);
		options->pid = err ? 0 : (pid_t)pid;
		return err ? EINVAL : 0;
	case KEY_DOMAINS:
		return -parse_domains(argument, &options->domains, options->error);
	case KEY_JSON:
		options->json = true;
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case KEY_HELP:
		options->help = ARGP_HELP_STD_HELP & ~(unsigned)(ARGP_HELP_EXIT_OK | ARGP_HELP_EXIT_ERR);
		return 0;
	case KEY_USAGE:
		options->help = ARGP_HELP_USAGE;
		return 0;
	case ARGP_KEY_ARG:
		return -vec_push(&options->files, argument);
	case ARGP_KEY_ERROR:
		if (state->next > 0 && state->next <= state->argc)
			options->rejected = state->argv[state->next - 1];
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = option_table,
	.parser = parse_option,
	.args_doc = "-p PID\nFILE...",
	.doc = doc,
};

/* argp says nothing and never exits by itself, so that there is one line for the user, and main() prints it.
 */
static int parse(int argc, char **argv, struct options *options)
{
	struct error *error = options->error;
	error_t err =
		argp_parse(&argp, argc, argv, ARGP_NO_ERRS | ARGP_NO_EXIT | ARGP_NO_HELP, NULL, options);

	if (err == ENOMEM)
		return error__set(error, ENOMEM, "out of memory");
	if (err && (!error || error->text[0]))
		return -EINVAL;
	if (err)
		return error__set(error, EINVAL,
				  "'%s' is no option of memwatch sites, or lacks its value: see --help",
				  options->rejected ? options->rejected : "");
	if (options->help)
		return 0;
	if (options->pid && options->files.count)
		return error__set(error, EINVAL, "either -p PID or files, not both");
	if (!options->pid && !options->files.count)
		return error__set(error, EINVAL, "nothing to look at: give -p PID or files, or see --help");
	return 0;
}

/* What a failure on one of many files leaves: the others are still worth showing. */
struct survey {
	const struct options *options;
	struct site_lists *lists;
	unsigned looked_at;
	unsigned unreadable;
	struct error first; /* of the unreadable ones */
};

static int add_image(struct survey *survey, const struct image *image, struct error *error)
{
	struct site_list list = {.module = strdup(image->path)};
	int err;

	if (!list.module)
		return error__set(error, ENOMEM, "out of memory");
	err = sites__find(image, survey->options->domains, &list.sites, error);
	if (!err && (list.sites.count || list.sites.skipped.count))
		err = vec_push(survey->lists, list);
	if (err || !(list.sites.count || list.sites.skipped.count)) {
		free(list.module);
		sites__free(&list.sites);
	}
	if (!err)
		survey->looked_at++;
	return err;
}

static int look_at_files(struct survey *survey, struct error *error)
{
	int err = 0;

	for (size_t i = 0; !err && i < survey->options->files.count; i++) {
		struct image *image = NULL;

		err = image__open(survey->options->files.items[i], &image, error);
		if (!err)
			err = add_image(survey, image, error);
		image__put(image);
	}
	return err;
}

/* A file that cannot be read is told of only if nothing else is found, or with -v: /dev files can be mapped,
 * too. */
static int look_at_mapping(struct survey *survey, const struct mapping *mapping)
{
	struct image *image = NULL;
	struct error error = {""};
	int err = image__open_mapping(survey->options->pid, mapping, &image, &error);

	if (!err)
		err = add_image(survey, image, &error);
	image__put(image);
	if (!err || err == -ENOMEM)
		return err;
	if (!survey->unreadable++)
		survey->first = error;
	return 0;
}

static int look_at_process(struct survey *survey, struct error *error)
{
	struct process process;
	struct maps maps = {0};
	int err = process__read(survey->options->pid, &process, error);

	if (!err)
		err = process__check(&process, error);
	if (!err)
		err = maps__read(survey->options->pid, &maps, error);
	for (size_t i = 0; !err && i < maps.count; i++) {
		const struct mapping *mapping = &maps.items[i];

		if (!(mapping->flags & MAPPING_EXEC) || !mapping->inode ||
		    maps__has_earlier_code(&maps, mapping))
			continue;
		err = look_at_mapping(survey, mapping);
		if (err)
			error__set(error, -err, "out of memory");
	}
	maps__free(&maps);
	return err;
}

static int complain_of_nothing(const struct survey *survey, struct error *error)
{
	const char *plural = survey->looked_at == 1 ? "" : "s";

	if (survey->lists->count) {
		const struct site_list *list = &survey->lists->items[0];
		const struct site_skip *skipped = &list->sites.skipped.items[0];

		return error__set(error, ENOENT,
				  "nothing to probe: %s of %s and its like are left out, as: %s",
				  skipped->symbol, list->module, skipped->reason);
	}
	if (survey->unreadable)
		return error__set(
			error, ENOENT,
			"no allocator function in the %u file%s looked at, and %u could not be read (%s)",
			survey->looked_at, plural, survey->unreadable, survey->first.text);
	return error__set(
		error, ENOENT,
		"no allocator function: looked in the symbols of %u file%s for malloc, free and %zu more "
		"names; a program that brings its own allocator must keep its symbols (not be stripped)",
		survey->looked_at, plural, allocator_function_count - 2);
}

static int show(const struct survey *survey, FILE *out, struct error *error)
{
	int err = 0;

	if (survey->options->json)
		err = site_lists__print_json(survey->lists, out);
	else
		site_lists__print(survey->lists, survey->options->verbose, out);
	if (err)
		return error__set(error, -err, "out of memory");
	if (survey->options->verbose && !survey->options->json && survey->unreadable)
		fprintf(out, "%u mapped files could not be read, the first: %s\n", survey->unreadable,
			survey->first.text);
	errno = 0;
	if (fflush(out) || ferror(out))
		return error__set(error, errno ? errno : EIO, "cannot write the list: %s",
				  strerror(errno ? errno : EIO));
	return 0;
}

int cmd_sites__run(int argc, char **argv, FILE *out, struct error *error)
{
	struct options options = {.domains = 1u << DOMAIN_HEAP | 1u << DOMAIN_MMAP, .error = error};
	struct site_lists lists = {0};
	struct survey survey = {.options = &options, .lists = &lists};
	size_t found = 0;
	int err;

	if (error)
		error->text[0] = '\0';
	err = parse(argc, argv, &options);
	if (!err && options.help) {
		argp_help(&argp, out, options.help, (char *)"memwatch sites");
		goto out;
	}
	if (!err)
		err = options.pid ? look_at_process(&survey, error) : look_at_files(&survey, error);
	vec_each (list, &lists)
		found += list->sites.count;
	if (!err && found)
		err = show(&survey, out, error);
	else if (!err)
		err = complain_of_nothing(&survey, error);
out:
	site_lists__free(&lists);
	vec_free(&options.files);
	return err;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "commands/cmd_mark.h"

#include <argp.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include "base/units.h"
#include "session/control.h"

static const char doc[] = "Makes the memwatch that watches PID print a report since the previous mark: what "
			  "one request costs.\v"
			  "Examples:\n"
			  "  memwatch mark -p 4242 before      the first mark reports since memwatch began\n"
			  "  curl -s localhost:8080/report\n"
			  "  memwatch mark -p 4242 after       what that request left behind";

static const struct argp_option argp_options[] = {
	{"pid", 'p', "PID", 0, "The watched process", 1},
	{"help", '?', NULL, 0, "Show this", 2},
	{0},
};

struct marking {
	uint64_t pid;
	const char *name;
	bool help;
	const char *rejected; /* the word that argp stopped at */
	struct error *error;
	int err;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct marking *marking = state->input;

	switch (key) {
	case 'p':
		marking->err =
			units__parse_count(arg, "process id", 1, 4194304, &marking->pid, marking->error);
		break;
	case '?':
		marking->help = true;
		return ECANCELED;
	case ARGP_KEY_ARG:
		if (marking->name)
			marking->err = error__set(marking->error, EINVAL,
						  "one mark has one name: what is '%s'?", arg);
		else if (!*arg || strlen(arg) > MARK_NAME_MAX)
			marking->err = error__set(marking->error, EINVAL, "a mark's name has 1 to %d bytes",
						  MARK_NAME_MAX);
		marking->name = arg;
		break;
	case ARGP_KEY_ERROR:
		if (state->next > 0 && state->next <= state->argc)
			marking->rejected = state->argv[state->next - 1];
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return marking->err ? EINVAL : 0;
}

int cmd_mark__run(int argc, char **argv, FILE *out, struct error *error)
{
	static const struct argp parser = {argp_options, parse_option, "-p PID [NAME]", doc, NULL,
					   NULL,         NULL};
	struct marking marking = {.error = error};
	char name[] = "memwatch mark";

	if (argp_parse(&parser, argc, argv, ARGP_NO_EXIT | ARGP_NO_ERRS | ARGP_NO_HELP, NULL, &marking)) {
		if (marking.help) {
			argp_help(&parser, out, ARGP_HELP_LONG | ARGP_HELP_DOC | ARGP_HELP_USAGE, name);
			return 0;
		}
		if (marking.err)
			return -EINVAL;
		return error__set(error, EINVAL,
				  "'%s' is no option of memwatch mark, or lacks its value: see --help",
				  marking.rejected ? marking.rejected : "");
	}
	if (!marking.pid)
		return error__set(error, EINVAL, "say whose memwatch: memwatch mark -p PID NAME");
	return control__send_mark(marking.pid, marking.name ? marking.name : "mark", error);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Wiring: which command, its exit status, and the one place that prints errors. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "commands/cmd_mark.h"
#include "commands/cmd_sites.h"
#include "commands/cmd_watch.h"
#include "commands/options.h"

enum {
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv, FILE *out, struct error *error);
} commands[] = {
	{"sites", cmd_sites__run},
	{"mark", cmd_mark__run},
};

static int watch(int argc, char **argv, struct error *error, int *usage)
{
	struct options options;
	int err;

	err = options__parse(argc, argv, &options, error);
	*usage = err < 0;
	if (!err)
		err = cmd_watch__run(&options, error);
	else if (err > 0)
		err = 0;
	options__free(&options);
	return err;
}

int main(int argc, char **argv)
{
	const struct command *command = NULL;
	struct error error = {""};
	int result, usage = 0;

	for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(argv[1], commands[i].name))
			command = &commands[i];
	}
	if (command) {
		result = command->run(argc - 1, argv + 1, stdout, &error);
		usage = result == -EINVAL;
	} else {
		result = watch(argc, argv, &error, &usage);
	}
	if (result >= 0)
		return result;
	fprintf(stderr, "memwatch: %s\n", *error.text ? error.text : strerror(-result));
	return usage ? EXIT_USAGE : EXIT_FAILED;
}

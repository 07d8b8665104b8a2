/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* memwatch sites: what would be probed, where, and what each hit costs. */
#ifndef MEMWATCH_COMMANDS_CMD_SITES_H
#define MEMWATCH_COMMANDS_CMD_SITES_H

#include <stdio.h>
#include "base/error.h"

/*
 * Runs the command; argv[0] is its name, "sites". The listing, and --help and --usage, go to @out (borrowed).
 * Never exits. Returns 0, or a negative errno with @error filled: -EINVAL alone means that it was called
 * wrongly (exit status 2), everything else that it could not be done (1).
 */
int cmd_sites__run(int argc, char **argv, FILE *out, struct error *error);

#endif

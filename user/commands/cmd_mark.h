/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MEMWATCH_COMMANDS_CMD_MARK_H
#define MEMWATCH_COMMANDS_CMD_MARK_H

#include <stdio.h>
#include "base/error.h"

/* `memwatch mark -p PID [NAME]`. Returns 0 or a negative errno (-EINVAL: usage). */
int cmd_mark__run(int argc, char **argv, FILE *out, struct error *error);

#endif

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MEMWATCH_COMMANDS_CMD_WATCH_H
#define MEMWATCH_COMMANDS_CMD_WATCH_H

#include "base/error.h"
#include "commands/options.h"

/*
 * `memwatch -p PID …` and `memwatch -- CMD …`: watches until it is told to stop or the target ends. Returns
 * the exit status (0, CMD's own, or 3 where --fail-on-leak held), or a negative errno with @error.
 */
int cmd_watch__run(const struct options *options, struct error *error);

#endif

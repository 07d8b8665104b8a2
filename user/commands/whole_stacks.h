/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef MEMWATCH_COMMANDS_WHOLE_STACKS_H
#define MEMWATCH_COMMANDS_WHOLE_STACKS_H

#include "base/log.h"
#include "session/watched.h"

/*
 * Says how many of an account's allocations have stacks that reach to where their thread began, and for how
 * many others each of the reasons holds; as they were at the last refresh. Nothing where there are no
 * allocations.
 */
void whole_stacks__say(const struct log *log, const struct watched *watched);

#endif

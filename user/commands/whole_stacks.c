// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "commands/whole_stacks.h"

#include <inttypes.h>

/* As they are counted: see losses.h. */
static const struct {
	uint32_t flag;
	const char *loss;
} reasons[] = {
	{STACK_UNREADABLE, "stack_unreadable"}, {STACK_TRUNCATED, "stack_truncated"},
	{STACK_NO_RULE, "stack_no_rule"},       {STACK_UNSUPPORTED, "stack_unsupported"},
	{STACK_NO_MAPPING, "stack_no_mapping"}, {STACK_SHORTENED, "stack_shortened"},
};

static int64_t allocations_with(const struct watched *watched, uint32_t flag)
{
	int64_t count = 0;

	vec_each (sample, &watched->profile->samples) {
		if (sample->flags & flag)
			count += sample->values[VALUE_ALLOC_OBJECTS];
	}
	return count;
}

void whole_stacks__say(const struct log *log, const struct watched *watched)
{
	int64_t whole = allocations_with(watched, STACK_COMPLETE), all = 0, early;
	const struct process *process = &watched->process;

	vec_each (sample, &watched->profile->samples)
		all += sample->values[VALUE_ALLOC_OBJECTS];
	if (!all)
		return;
	log__say(log, 1, "%s (pid %d): %" PRId64 " of %" PRId64 " allocations have whole stacks, %.3f %%",
		 process->comm, process->pid, whole, all, 100.0 * whole / all);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		early = allocations_with(watched, reasons[i].flag);
		if (early)
			log__say(log, 1, "%s (pid %d): %" PRId64 " end early, %s", process->comm,
				 process->pid, early, reasons[i].loss);
	}
}

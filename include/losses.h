/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The reasons for which something was not recorded: the one list of them, for both sides of the kernel
 * border. LOSS(enumerator, json key, what it means, what the user can do about it)
 *
 * A counter holds events and, where the size was known, bytes. Every report prints those that are not zero.
 */
#ifndef MEMWATCH_LOSSES_H
#define MEMWATCH_LOSSES_H

#define LOSSES(LOSS)                                                                                         \
	LOSS(LIVE_FULL, "live_full", "blocks not recorded: the table of live blocks is full",                \
	     "raise --max-live")                                                                             \
	LOSS(NOT_PUT_BACK, "not_put_back",                                                                   \
	     "live blocks forgotten: a realloc of theirs failed and there was no room to put them back",     \
	     "raise --max-live")                                                                             \
	LOSS(STACKS_FULL, "stacks_full", "blocks not recorded: the table of stacks is full",                 \
	     "raise --max-stacks")                                                                           \
	LOSS(NO_MEMORY, "no_memory", "blocks not recorded: the kernel had no memory for a map entry",        \
	     "free memory on this machine")                                                                  \
	LOSS(MISSED_RETURN, "missed_return",                                                                 \
	     "allocations whose end was not seen: the thread died, jumped out of the allocator, or the "     \
	     "kernel "                                                                                       \
	     "missed the return",                                                                            \
	     "nothing; a few are normal when threads are killed")                                            \
	LOSS(MISSED_FREE, "missed_free", "blocks replaced at their address although no free was seen",       \
	     "check `memwatch sites` for an allocator that was not found")                                   \
	LOSS(STACK_COLLISION, "stack_collision",                                                             \
	     "blocks not recorded: their stack's hash was taken by other stacks",                            \
	     "nothing; report it if it persists")                                                            \
	LOSS(STACK_UNREADABLE, "stack_unreadable",                                                           \
	     "stacks that end early: a frame's memory could not be read",                                    \
	     "nothing; the innermost caller is right all the same")                                          \
	LOSS(STACK_TRUNCATED, "stack_truncated", "stacks deeper than the limit, cut at their outer end",     \
	     "nothing; the innermost frames are right")                                                      \
	LOSS(STACK_NO_RULE, "stack_no_rule",                                                                 \
	     "stacks that end early: code with neither unwind tables nor frame pointers",                    \
	     "nothing; the frames up to there are right")                                                    \
	LOSS(STACK_UNSUPPORTED, "stack_unsupported",                                                         \
	     "stacks that end early: code with an unwind rule that is too unusual to be followed",           \
	     "nothing; the frames up to there are right")                                                    \
	LOSS(STACK_NO_MAPPING, "stack_no_mapping",                                                           \
	     "stacks that end early: code that had been mapped a moment before",                             \
	     "nothing; it is known by now")                                                                  \
	LOSS(STACK_SHORTENED, "stack_shortened",                                                             \
	     "stacks cut to their innermost frames: the table of stacks is nearly full",                     \
	     "raise --max-stacks; lines and figures are right")                                              \
	LOSS(PYTHON_FRAMES, "python_frames",                                                                 \
	     "stacks whose Python frames could not be read: the interpreter's own stand in their place",     \
	     "nothing; the native frames are right")                                                         \
	LOSS(PYTHON_CODES, "python_codes",                                                                   \
	     "stacks with Python frames that have no name: there was no room for their code objects",        \
	     "nothing; report it if it persists")                                                            \
	LOSS(THROWING, "throwing",                                                                           \
	     "operator new calls not recorded: they asked for more than the machine has, and could throw, "  \
	     "which no "                                                                                     \
	     "probed return survives",                                                                       \
	     "nothing; such calls fail as a rule")                                                           \
	LOSS(RESULT_UNREADABLE, "result_unreadable", "blocks not recorded: their address could not be read", \
	     "nothing; the page that posix_memalign wrote to was gone")                                      \
	LOSS(THREAD_STATE, "thread_state",                                                                   \
	     "calls not recorded: the kernel had no memory for a thread's state",                            \
	     "free memory on this machine")                                                                  \
	LOSS(RING_FULL, "ring_full", "mapping events not recorded: the event buffer was full",               \
	     "watch fewer processes, or raise --ring-size")                                                  \
	LOSS(ACCOUNTS_FULL, "accounts_full", "processes not watched: the table of processes is full",        \
	     "watch fewer processes")

enum loss {
#define LOSS_ENUM(name, key, meaning, advice) LOSS_##name,
	LOSSES(LOSS_ENUM)
#undef LOSS_ENUM
		LOSS_COUNT
};

#endif

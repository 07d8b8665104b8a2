// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Stacks, and where each is kept. A stack's entry is found by a hash of its frames and is its own only if the
 * frames are the same; where another stack has the hash, the next salt is tried.
 */
#include "memwatch.h"

#define SALTS 4

/*
 * Whether an entry of a table holds @b. Global functions, since the verifier checks those once; one for each
 * table, since it wants to know how much there is to read.
 */
#define SAME_FRAMES(n)                                                                                       \
	int capture__same_##n(struct stack_##n *a, struct stack_value *b);                                   \
	__noinline int capture__same_##n(struct stack_##n *a, struct stack_value *b)                         \
	{                                                                                                    \
		__u32 i, count;                                                                              \
                                                                                                             \
		if (!a || !b || a->nframes != b->nframes || a->flags != b->flags)                            \
			return 0;                                                                            \
		count = a->nframes;                                                                          \
		for (i = 0; i < n; i++) {                                                                    \
			if (i >= count)                                                                      \
				break;                                                                       \
			if (a->frames[i] != b->frames[i])                                                    \
				return 0;                                                                    \
		}                                                                                            \
		return 1;                                                                                    \
	}
SAME_FRAMES(22)
SAME_FRAMES(54)
SAME_FRAMES(118)
SAME_FRAMES(127)

/* An unused entry of totals; 0: there is none. */
static __u32 take_index(void)
{
	__u32 index = 0;

	if (!bpf_map_pop_elem(&free_totals, &index))
		return index;
	if (next_total >= max_totals)
		return 0;
	index = __sync_fetch_and_add(&next_total, 1);
	return index < max_totals ? index : 0;
}

/* Each stack that ends early counts once, however many blocks it has. */
static void count_short(__u32 flags)
{
	if (flags & STACK_TRUNCATED)
		count_loss(LOSS_STACK_TRUNCATED, 0);
	if (flags & STACK_UNREADABLE)
		count_loss(LOSS_STACK_UNREADABLE, 0);
	if (flags & STACK_UNSUPPORTED)
		count_loss(LOSS_STACK_UNSUPPORTED, 0);
	if (flags & STACK_NO_MAPPING)
		count_loss(LOSS_STACK_NO_MAPPING, 0);
	if (flags & STACK_NO_RULE)
		count_loss(LOSS_STACK_NO_RULE, 0);
	if (flags & STACK_SHORTENED)
		count_loss(LOSS_STACK_SHORTENED, 0);
	if (flags & STACK_CODES_FULL)
		count_loss(LOSS_PYTHON_CODES, 0);
	if (flags & STACK_NO_PYTHON)
		count_loss(LOSS_PYTHON_FRAMES, 0);
}

static long look_up(struct stack_key *key, struct stack_value *stack)
{
	struct stack_118 *found_118;
	struct stack_127 *found_127;
	struct stack_22 *found_22;
	struct stack_54 *found_54;

	switch (key->size_class) {
	case STACK_CLASS_22:
		found_22 = bpf_map_lookup_elem(&stacks_22, key);
		return !found_22 ? 0 : capture__same_22(found_22, stack) ? (long)found_22->total : -1;
	case STACK_CLASS_54:
		found_54 = bpf_map_lookup_elem(&stacks_54, key);
		return !found_54 ? 0 : capture__same_54(found_54, stack) ? (long)found_54->total : -1;
	case STACK_CLASS_118:
		found_118 = bpf_map_lookup_elem(&stacks_118, key);
		return !found_118 ? 0 : capture__same_118(found_118, stack) ? (long)found_118->total : -1;
	default:
		found_127 = bpf_map_lookup_elem(&stacks_127, key);
		return !found_127 ? 0 : capture__same_127(found_127, stack) ? (long)found_127->total : -1;
	}
}

static long store(struct stack_key *key, struct stack_value *stack)
{
	switch (key->size_class) {
	case STACK_CLASS_22:
		return bpf_map_update_elem(&stacks_22, key, stack, BPF_NOEXIST);
	case STACK_CLASS_54:
		return bpf_map_update_elem(&stacks_54, key, stack, BPF_NOEXIST);
	case STACK_CLASS_118:
		return bpf_map_update_elem(&stacks_118, key, stack, BPF_NOEXIST);
	default:
		return bpf_map_update_elem(&stacks_127, key, stack, BPF_NOEXIST);
	}
}

#define TOO_LONG -3

/* How many frames a new stack may have, by the room that is left; @core: those that name its line. */
static __u32 frames_allowed(__u32 core)
{
	__u32 used = used_totals;

	if (used < max_totals - max_totals / 4)
		return STACK_FRAMES_MAX;
	return used < max_totals - max_totals / 8 ? STACK_FRAMES_SHORT : core;
}

/*
 * A new stack's entry; -1 and counted where there is no room, -2 where another thread was first, TOO_LONG
 * where there is only room for shorter ones.
 */
static long insert(struct stack_key *key, struct stack_value *stack, __u64 bytes, __u32 core)
{
	struct total *total;
	__u32 index;
	long err;

	if (stack->nframes > frames_allowed(core))
		return TOO_LONG;
	index = take_index();
	total = bpf_map_lookup_elem(&totals, &index);
	if (!index || !total) {
		count_loss(LOSS_STACKS_FULL, bytes);
		return -1;
	}
	stack->total = index;
	err = store(key, stack);
	if (err) {
		bpf_map_push_elem(&free_totals, &index, 0);
		if (err == -17) /* EEXIST */
			return -2;
		count_loss(err == -7 ? LOSS_STACKS_FULL : LOSS_NO_MEMORY, bytes); /* E2BIG */
		return -1;
	}
	count_short(stack->flags);
	__sync_fetch_and_add(&used_totals, 1);
	total->key = *key;
	total->ready = 1;
	return index;
}

/* The total of @key's stack, made if it is new; -1 where it could not be recorded. */
static long find_or_insert(struct stack_key *key, struct stack_value *stack, __u64 bytes, __u32 core)
{
	__u32 salt;
	long index;

	for (salt = 0; salt < SALTS; salt++) {
		key->salt = salt;
		index = look_up(key, stack);
		if (!index) {
			index = insert(key, stack, bytes, core);
			if (index != -2)
				return index;
			index = look_up(key, stack);
			if (!index)
				break;
		}
		if (index > 0)
			return index;
	}
	count_loss(LOSS_STACK_COLLISION, bytes);
	return -1;
}

/* The innermost @count frames, and their hash. How the stack ended further out does not matter any more. */
static void shorten(struct thread *thread, struct stack_value *stack, __u32 count)
{
	__u32 i;

	stack->nframes = count;
	stack->flags = (stack->flags & (STACK_CODES_FULL | STACK_NO_PYTHON)) | STACK_SHORTENED;
	thread->hash = 0;
	for (i = 0; i < STACK_FRAMES_SHORT && i < count; i++)
		thread->hash = unwind__mix(thread->hash, stack->frames[i]);
}

static __u8 size_class(__u32 frames)
{
	if (frames <= 22)
		return STACK_CLASS_22;
	if (frames <= 54)
		return STACK_CLASS_54;
	return frames <= 118 ? STACK_CLASS_118 : STACK_CLASS_127;
}

__hidden long capture__total(struct registers *regs, struct thread *thread, __u32 domain, __u64 bytes)
{
	__u32 current = thread->current & 1;
	struct stack_value *stack = &thread->stacks[current], *last = &thread->stacks[!current];
	struct stack_key key = {};
	long index = -1;
	int i;

	thread->begin.ip = regs->rip;
	thread->begin.sp = regs->rsp;
	thread->begin.fp = regs->rbp;
	thread->begin.bx = regs->rbx;
	unwind__walk(thread);
	if (thread->last_domain == domain && last->total &&
	    capture__same_127((struct stack_127 *)last, stack))
		return last->total;
	key.account = thread->account;
	key.domain = domain;
	stack->total = 0;
	for (i = 0; i < 3; i++) {
		key.hash = thread->hash;
		key.size_class = size_class(stack->nframes);
		index = find_or_insert(&key, stack, bytes, thread->walk.core);
		if (index != TOO_LONG)
			break;
		shorten(thread, stack,
			stack->nframes > STACK_FRAMES_SHORT ? STACK_FRAMES_SHORT : thread->walk.core);
	}
	if (index < 0)
		return -1;
	stack->total = index;
	thread->last_domain = domain;
	thread->current = !current;
	return index;
}

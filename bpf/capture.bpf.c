// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Stacks, and where each is kept. A stack's entry is found by a hash of its frames and is its own only if the
 * frames are the same; where another stack has the hash, the next salt is tried.
 */
#include "memwatch.h"

int capture__same_frames(struct stack_value *a, struct stack_value *b);

#define SALTS 4

__noinline int capture__same_frames(struct stack_value *a, struct stack_value *b)
{
	__u32 i, count;

	if (!a || !b || a->nframes != b->nframes || a->flags != b->flags)
		return 0;
	count = a->nframes;
	for (i = 0; i < STACK_FRAMES_MAX; i++) {
		if (i >= count)
			break;
		if (a->frames[i] != b->frames[i])
			return 0;
	}
	return 1;
}

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
}

/* A new stack's entry; -1 and counted where there is no room, -2 where another thread was first. */
static long insert(struct stack_key *key, struct stack_value *stack, __u64 bytes)
{
	__u32 index = take_index();
	struct total *total = bpf_map_lookup_elem(&totals, &index);
	long err;

	if (!index || !total) {
		count_loss(LOSS_STACKS_FULL, bytes);
		return -1;
	}
	stack->total = index;
	err = bpf_map_update_elem(&stacks, key, stack, BPF_NOEXIST);
	if (err) {
		bpf_map_push_elem(&free_totals, &index, 0);
		if (err == -17) /* EEXIST */
			return -2;
		count_loss(err == -7 ? LOSS_STACKS_FULL : LOSS_NO_MEMORY, bytes); /* E2BIG */
		return -1;
	}
	count_short(stack->flags);
	total->key = *key;
	total->ready = 1;
	return index;
}

/* The total of @key's stack, made if it is new; -1 where it could not be recorded. */
static long find_or_insert(struct stack_key *key, struct stack_value *stack, __u64 bytes)
{
	struct stack_value *found;
	__u32 salt;
	long index;

	for (salt = 0; salt < SALTS; salt++) {
		key->salt = salt;
		found = bpf_map_lookup_elem(&stacks, key);
		if (!found) {
			index = insert(key, stack, bytes);
			if (index != -2)
				return index;
			found = bpf_map_lookup_elem(&stacks, key);
			if (!found)
				break;
		}
		if (capture__same_frames(found, stack))
			return found->total;
	}
	count_loss(LOSS_STACK_COLLISION, bytes);
	return -1;
}

__hidden long capture__total(struct registers *regs, struct thread *thread, __u32 domain, __u64 bytes)
{
	__u32 current = thread->current & 1;
	struct stack_value *stack = &thread->stacks[current], *last = &thread->stacks[!current];
	struct stack_key key = {};
	long index;

	thread->walk.ip = regs->rip;
	thread->walk.sp = regs->rsp;
	thread->walk.fp = regs->rbp;
	if (thread->last_domain == domain && last->total && unwind__unchanged(thread))
		return last->total;
	unwind__walk(thread);
	if (thread->last_domain == domain && last->total && capture__same_frames(last, stack))
		return last->total;
	key.hash = thread->hash;
	key.account = thread->account;
	key.domain = domain;
	stack->total = 0;
	index = find_or_insert(&key, stack, bytes);
	if (index < 0)
		return -1;
	stack->total = index;
	thread->last_domain = domain;
	thread->current = !current;
	return index;
}

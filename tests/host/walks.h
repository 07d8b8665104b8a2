/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Walks over recorded stacks. Include after cmocka.h's prerequisites, once a test program. */
#ifndef MEMWATCH_HOST_WALKS_H
#define MEMWATCH_HOST_WALKS_H

#include "machine.h"
#include "recording.h"

#include <cmocka.h>

#define SPACE 1u
#define FLAGS                                                                                                \
	(STACK_TRUNCATED | STACK_UNREADABLE | STACK_COMPLETE | STACK_NO_RULE | STACK_UNSUPPORTED |           \
	 STACK_NO_MAPPING)

static struct recordings recordings;
static struct thread *walker;
static __u32 generation;
static __u64 seed;

static __u64 random_word(void)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) << 42 ^ (seed >> 21);
}

static size_t random_below(size_t bound)
{
	return random_word() % bound;
}

/* The space of the walks to come: a copy, under a generation of its own. */
static struct unwind_space *new_space(const struct recording *recording)
{
	__u32 key = SPACE;
	struct unwind_space *space;

	bpf_map_update_elem(&spaces, &key, &recording->space, BPF_ANY);
	space = bpf_map_lookup_elem(&spaces, &key);
	space->generation = ++generation;
	return space;
}

/* From frame @from of what is recorded. */
static const struct stack_value *walk(struct recording *recording, size_t from)
{
	const struct recorded_frame *frame = &recording->frames.items[from];

	fake.memory = &recording->memory;
	fake.reads = fake.loops = 0;
	fake.events.count = 0;
	walker->space = SPACE;
	walker->begin.ip = frame->pc;
	walker->begin.sp = frame->sp;
	walker->begin.fp = frame->bp;
	walker->begin.bx = frame->bx;
	unwind__walk(walker);
	return &walker->stacks[walker->current & 1];
}

/* What gdb says; false where that is not known. */
static bool find_truth(const struct recording *recording, size_t from, struct stack_value *truth)
{
	size_t rest = recording->frames.count - from;

	memset(truth, 0, sizeof(*truth));
	if (recording->frames.items[from].kind == RECORDED_INTERRUPTED ||
	    (!recording->whole && rest <= STACK_FRAMES_MAX))
		return false;
	truth->flags = rest > STACK_FRAMES_MAX ? STACK_TRUNCATED : STACK_COMPLETE;
	truth->nframes = rest > STACK_FRAMES_MAX ? STACK_FRAMES_MAX : rest;
	for (size_t i = 0; i < truth->nframes; i++) {
		const struct recorded_frame *frame = &recording->frames.items[from + i];

		truth->frames[i] = frame->pc | (frame->kind == RECORDED_CALL ? 0 : FRAME_EXACT);
	}
	return true;
}

/* How many frames, from the innermost on, are the same. */
static size_t same_frames(const struct stack_value *a, const struct stack_value *b)
{
	size_t i = 0;

	while (i < a->nframes && i < b->nframes && a->frames[i] == b->frames[i])
		i++;
	return i;
}

static bool is_equal(const struct stack_value *stack, const struct stack_value *truth)
{
	return stack->nframes == truth->nframes && stack->flags == truth->flags &&
	       same_frames(stack, truth) == stack->nframes;
}

static void show(const char *who, const struct stack_value *stack)
{
	print_error("  %s: %u frames, flags %u:", who, stack->nframes, stack->flags);
	for (size_t i = 0; i < stack->nframes; i++)
		print_error(" %llx", stack->frames[i]);
	print_error("\n");
}

static void differ(const struct recording *recording, size_t from, const char *what,
		   const struct stack_value *stack, const struct stack_value *truth)
{
	print_error("%s from frame %zu, %s\n", recording->name, from, what);
	show("gdb ", truth);
	show("walk", stack);
	fail();
}

/* What is true of every walk, whatever it walks over. */
static void assert_sound_stack(const struct stack_value *stack, __u64 pc)
{
	assert_in_range(stack->nframes, 1, STACK_FRAMES_MAX);
	assert_int_equal(stack->frames[0] & ~FRAME_EXACT, pc);
	assert_int_not_equal(stack->flags, 0);
	assert_int_equal(stack->flags & ~FLAGS, 0);
	/* What a signal has interrupted may be anywhere. */
	for (size_t i = 1; i < stack->nframes; i++) {
		if (!(stack->frames[i] & FRAME_EXACT))
			assert_in_range(stack->frames[i], 4096, USER_LIMIT - 1);
	}
	assert_in_range(fake.loops, 1, STACK_FRAMES_MAX);
	/* A frame takes three words, and each may have to be read once more, alone. */
	assert_in_range(fake.reads, 0, STACK_FRAMES_MAX * 8);
}

/* Nothing depends on what an earlier walk has left behind: where a word cannot be read, no other stands in
 * for it. */
static const struct stack_value *sound_walk(struct recording *recording, size_t from)
{
	const struct recorded_frame *frame = &recording->frames.items[from];
	const struct stack_value *stack;
	struct stack_value before;

	memset(walker->window, 0, sizeof(walker->window));
	stack = walk(recording, from);
	assert_sound_stack(stack, frame->pc);
	memcpy(&before, stack, sizeof(before));
	for (int i = 0; i < WINDOW_WORDS; i++)
		walker->window[i] = i % 2 ? frame->pc : frame->sp + i * 8;
	stack = walk(recording, from);
	if (!is_equal(stack, &before))
		differ(recording, from, "after another walk", stack, &before);
	return stack;
}

static int load_all(void **state)
{
	(void)state;
	recordings__load(&recordings, RECORDINGS);
	return 0;
}

static int free_all(void **state)
{
	(void)state;
	recordings__free(&recordings);
	return 0;
}

static struct machine_process *process;
static struct machine_thread *machine;

static int begin(void **state)
{
	(void)state;
	fake__start(NULL);
	recordings__install(&recordings);
	process = machine__process(4242, MACHINE_SESSION);
	machine = machine__thread(process, 4242, 100);
	machine__switch(machine);
	walker = calloc(1, sizeof(*walker));
	assert_non_null(walker);
	generation = 0;
	seed = 1;
	return 0;
}

static int end(void **state)
{
	(void)state;
	free(walker);
	free(machine);
	machine__free(process);
	fake__stop();
	return 0;
}

#endif

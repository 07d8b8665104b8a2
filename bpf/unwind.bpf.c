// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A stack, frame by frame: from a frame's registers to its caller's, by the row of the unwind table that
 * holds its code, or by the frame pointer where a file has no row for it. unwind_rules.bpf.c finds the rows.
 */
#include "memwatch.h"

#define STEPS_MAX                                                                                            \
	(STACK_FRAMES_MAX * 3) /* a Python frame may take three: one begins its run, one is not shown */
#define ENDS                                                                                                 \
	(STACK_TRUNCATED | STACK_UNREADABLE | STACK_COMPLETE | STACK_NO_RULE | STACK_UNSUPPORTED |           \
	 STACK_NO_MAPPING)
#define RETURNS_MAX 64 /* MAX_URETPROBE_DEPTH, include/linux/uprobes.h */

/* uc_mcontext.gregs in the ucontext that rsp points at in a signal frame
 * (arch/x86/include/uapi/asm/sigcontext.h). */
#define UCONTEXT_R10 56
#define UCONTEXT_RBP 120
#define UCONTEXT_RBX 128
#define UCONTEXT_RSP 160
#define UCONTEXT_RIP 168

/*
 * The word at @address. Stacks are read by windows, since a read of 512 bytes costs hardly more than one of
 * 8; where not all of a window is to be had, the word is read alone.
 */
static __always_inline int read_word(struct thread *thread, __u64 address, __u64 *word)
{
	struct walk *walk = &thread->walk;
	__u64 at = address - walk->window;

	if (at > (WINDOW_WORDS - 1) * 8 && !(address & 7)) {
		if (bpf_probe_read_user(thread->window, sizeof(thread->window), (void *)address)) {
			walk->window = NO_WINDOW;
		} else {
			walk->window = address;
			at = 0;
		}
	}
	if (at <= (WINDOW_WORDS - 1) * 8 && !(at & 7) && walk->window != NO_WINDOW) {
		*word = thread->window[at / 8 & (WINDOW_WORDS - 1)];
		return 0;
	}
	if (!bpf_probe_read_user(word, sizeof(*word), (void *)address))
		return 0;
	walk->flags |= STACK_UNREADABLE;
	return -1;
}

/* A frame whose registers are all in memory. 1: the stack goes on. */
static __always_inline int step_signal(struct thread *thread)
{
	struct walk *walk = &thread->walk;
	__u64 ucontext = walk->sp;

	if (read_word(thread, ucontext + UCONTEXT_RBP, &walk->fp) ||
	    read_word(thread, ucontext + UCONTEXT_RIP, &walk->ip) ||
	    read_word(thread, ucontext + UCONTEXT_RSP, &walk->sp))
		return 0;
	walk->bx_place = ucontext + UCONTEXT_RBX;
	walk->r10_place = ucontext + UCONTEXT_R10;
	walk->exact = 1; /* it was interrupted before this instruction, not called from the one before */
	return 1;
}

/* *(@address + @offset), or 0. */
static __always_inline __u64 word_at(struct thread *thread, __u64 address, __s64 offset)
{
	__u64 word = 0;

	return read_word(thread, address + offset, &word) ? 0 : word;
}

/* A register that is needed so seldom that only the place where it was saved is kept. 0: it is not known. */
static __always_inline __u64 saved_register(struct thread *thread, __u64 place)
{
	if (place)
		return word_at(thread, place, 0);
	thread->walk.flags |= STACK_UNSUPPORTED;
	return 0;
}

/* The canonical frame address; 0 where it cannot be told. */
static __always_inline __u64 find_cfa(struct thread *thread, __u32 rule)
{
	struct walk *walk = &thread->walk;
	__s64 offset = UNWIND_OFFSET(rule);
	__u64 word;

	switch (UNWIND_CFA(rule)) {
	case UNWIND_RSP:
		return walk->sp + offset;
	case UNWIND_RBP:
		return walk->fp + offset;
	case UNWIND_RBX:
		word = walk->bx_place == IN_REGISTER ? thread->begin.bx
						     : saved_register(thread, walk->bx_place);
		return word ? word + offset : 0;
	case UNWIND_R10:
		word = saved_register(thread, walk->r10_place);
		return word ? word + offset : 0;
	case UNWIND_DEREF_RBP:
		return word_at(thread, walk->fp, offset);
	case UNWIND_DEREF_RSP:
		return word_at(thread, walk->sp, offset);
	case UNWIND_DEREF_RSP8:
		word = word_at(thread, walk->sp, offset);
		return word ? word + 8 : 0;
	case UNWIND_PLT:
		return walk->sp + offset + ((walk->ip & 15) >= UNWIND_PUSHED_AT(rule) ? 8 : 0);
	default:
		walk->flags |= STACK_UNSUPPORTED;
		return 0;
	}
}

/*
 * A return probe, whoever set it, has put the kernel's trampoline in the place of the return address. The
 * kernel keeps the true one (struct return_instance, kernel/events/uprobes.c).
 */
static __always_inline void find_true_return(struct walk *walk, __u64 place)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct return_instance *instance = BPF_CORE_READ(task, utask, return_instances);
	int i;

	for (i = 0; i < RETURNS_MAX && instance; i++) {
		if (BPF_CORE_READ(instance, stack) == place) {
			walk->ip = BPF_CORE_READ(instance, orig_ret_vaddr);
			return;
		}
		instance = BPF_CORE_READ(instance, next);
	}
}

/*
 * From the frame's CFA to its caller, whose rbp is saved at CFA − 8 (@rbp_at + 1), if @rbp_at is not 0.
 * 1: the stack goes on.
 */
static __always_inline int step_to(struct thread *thread, __u64 cfa, __u32 rbp_at)
{
	struct walk *walk = &thread->walk;

	if (!cfa || cfa & 7) {
		if (!(walk->flags & (STACK_UNREADABLE | STACK_UNSUPPORTED)))
			walk->flags |= STACK_NO_RULE;
		return 0;
	}
	/* The lower one first: the window begins there. */
	if ((rbp_at && read_word(thread, cfa + UNWIND_SAVED(rbp_at), &walk->fp)) ||
	    read_word(thread, cfa - 8, &walk->ip))
		return 0;
	if (walk->ip == walk->trampoline && walk->ip)
		find_true_return(walk, cfa - 8);
	walk->sp = cfa;
	walk->exact = 0;
	if (walk->ip >= 4096 && walk->ip < USER_LIMIT)
		return 1;
	walk->flags |= walk->ip ? STACK_NO_RULE : STACK_COMPLETE;
	return 0;
}

/* With a realigned stack the caller's rbp is where rbp points. */
static __always_inline int step_realigned(struct thread *thread, __u32 rule)
{
	__u64 cfa = find_cfa(thread, rule);

	if (cfa && read_word(thread, thread->walk.fp, &thread->walk.fp))
		return 0;
	return step_to(thread, cfa, 0);
}

static __always_inline int step_by_row(struct thread *thread, __u32 rule)
{
	struct walk *walk = &thread->walk;
	__u32 rbx_at = UNWIND_CFA(rule) == UNWIND_PLT ? 0 : UNWIND_RBX_AT(rule);
	__u64 cfa = find_cfa(thread, rule);
	int goes_on = step_to(thread, cfa, UNWIND_RBP_AT(rule));

	if (rbx_at)
		walk->bx_place = rbx_at == UNWIND_RBX_LOST ? 0 : cfa + UNWIND_SAVED(rbx_at);
	walk->r10_place = 0; /* no call preserves it */
	return goes_on;
}

/* By the frame pointer, for code that has no row: a JIT's, or written by hand. */
static __always_inline int step_by_pointer(struct thread *thread)
{
	struct walk *walk = &thread->walk;

	walk->bx_place = 0;
	walk->r10_place = 0;
	if (walk->fp < walk->sp || walk->fp - walk->sp >= STACK_SPAN_MAX || walk->fp & 7) {
		walk->flags |= STACK_NO_RULE;
		return 0;
	}
	if (step_to(thread, walk->fp + 16, 1))
		return 1;
	/* 0 for a return address is no end of a stack: rbp may have pointed at anything. */
	if (walk->flags & STACK_COMPLETE)
		walk->flags ^= STACK_COMPLETE | STACK_NO_RULE;
	return 0;
}

/* From what was found lately, or by search. */
static __always_inline __u64 find_rule(struct thread *thread, __u64 address)
{
	__u64 tag = UNWIND_RULE_TAG(address, thread->walk.generation), second;
	struct unwind_cached *cached = unwind__cached(tag);

	if (!cached)
		return 0;
	second = *(volatile __u64 *)&cached->second;
	if ((*(volatile __u64 *)&cached->first ^ UNWIND_RULE_CHECK(second)) == tag && thread->walk.generation)
		return second;
	return unwind__search(thread, address);
}

/* Puts the caller's frame in thread->walk. 1: there is one; 0: the stack ends here, walk.flags says why. */
static __always_inline int step(struct thread *thread, __u64 found)
{
	__u32 rule = found;

	switch (UNWIND_CFA(rule)) {
	case UNWIND_NONE:
		if (!found) {
			thread->walk.flags |= STACK_NO_MAPPING;
			return 0;
		}
		return step_by_pointer(thread);
	case UNWIND_END:
		thread->walk.flags |= STACK_COMPLETE;
		return 0;
	case UNWIND_SIGNAL:
		return step_signal(thread);
	case UNWIND_DEREF_RBP:
		if (UNWIND_RBX_AT(rule))
			thread->walk.bx_place = 0;
		thread->walk.r10_place = 0;
		return step_realigned(thread, rule);
	default:
		return step_by_row(thread, rule);
	}
}

struct stacking {
	struct thread *thread;
};

/* A Python frame; the first of a run takes the place of the evaluation frame that runs it. */
static __always_inline long next_python(struct thread *thread, struct stack_value *stack)
{
	int run = python__step(thread);
	__u64 frame = thread->walk.python_word;
	__u32 place;

	if (run == PYTHON_UNREADABLE) {
		thread->walk.flags |= STACK_NO_PYTHON;
		thread->walk.python_frame = 0; /* which frames are the next run's cannot be told */
	}
	if (!thread->walk.python_frame || (run != PYTHON_GOES_ON && !thread->walk.python_left))
		thread->walk.python_run = PYTHON_NOT_BEGUN;
	if (!frame)
		return thread->walk.python_left && !thread->walk.python_frame;
	place = stack->nframes - thread->walk.python_first;
	barrier_var(place);
	if (place >= STACK_FRAMES_MAX) {
		thread->walk.flags |= STACK_TRUNCATED;
		return 1;
	}
	/* The evaluation frame is none of the stack's: its many places would make one stack many. */
	thread->hash =
		unwind__mix(thread->walk.python_first ? thread->walk.hash_before : thread->hash, frame);
	thread->walk.python_first = 0;
	if (!thread->walk.core)
		thread->walk.core = place < STACK_FRAMES_SHORT ? place + 1 : STACK_FRAMES_SHORT;
	stack->frames[place] = frame;
	stack->nframes = place + 1;
	return thread->walk.python_left && !thread->walk.python_frame;
}

/*
 * No native frame is left. Python frames may be: where the stack could not be followed, or had more of them
 * than evaluation frames could be told (≤ 3.10: generators that an exception is thrown through). They are
 * true. 1: none is.
 */
static __always_inline long end_natively(struct walk *walk)
{
	if (!walk->python_begun || !walk->python_frame)
		return 1;
	walk->python_run = PYTHON_GOES_ON;
	walk->python_left = 1;
	walk->python_first = 0;
	return 0;
}

/* The native frame at ip is Python's evaluation function. 1: it is to be gone through. */
static __always_inline int begin_python(struct thread *thread)
{
	struct walk *walk = &thread->walk;

	walk->python_done = 1;
	if (!walk->python_begun) {
		walk->python_begun = 1;
		walk->python_frame = python__begin(thread);
		if (!walk->python_frame)
			walk->flags |= STACK_NO_PYTHON;
	}
	if (!walk->python_frame)
		return 0;
	walk->python_run = PYTHON_GOES_ON;
	walk->python_first = 1;
	return 1;
}

static __always_inline __u64 find_here(struct thread *thread)
{
	__u64 address = thread->walk.ip - !thread->walk.exact;

	return address < USER_LIMIT ? find_rule(thread, address) : 0; /* a signal may come anywhere */
}

static long next_frame(__u32 i, struct stacking *stacking)
{
	struct thread *thread = stacking->thread;
	struct stack_value *stack = &thread->stacks[thread->current & 1];
	__u32 count = stack->nframes, before = count - 1;
	__u64 found, frame;

	(void)i;
	if (thread->walk.python_run == PYTHON_GOES_ON)
		return next_python(thread, stack);
	found = find_here(thread);
	if (found & RULE_PYTHON && !thread->walk.python_done && begin_python(thread))
		return 0;
	thread->walk.python_done = 0;
	if (!step(thread, found))
		return end_natively(&thread->walk);
	if (count >= STACK_FRAMES_MAX) {
		thread->walk.flags |= STACK_TRUNCATED;
		return 1;
	}
	frame = thread->walk.ip;
	if (thread->walk.exact) {
		/* The frame before was a signal's: code that begins where the handler returns to. */
		barrier_var(before); /* Linux 6.1 follows a bound, but not "not 0" */
		if (before < STACK_FRAMES_MAX)
			stack->frames[before] |= FRAME_EXACT;
		frame |= FRAME_EXACT;
	}
	stack->frames[count] = frame;
	stack->nframes = count + 1;
	thread->walk.hash_before = thread->hash;
	thread->hash = unwind__mix(thread->hash, frame);
	return 0;
}

static __always_inline void walk_once(struct thread *thread)
{
	struct stack_value *stack = &thread->stacks[thread->current & 1];
	struct stacking stacking = {.thread = thread};
	struct walk *walk = &thread->walk;

	walk->ip = thread->begin.ip;
	walk->sp = thread->begin.sp;
	walk->fp = thread->begin.fp;
	walk->bx_place = IN_REGISTER;
	walk->r10_place = 0;
	walk->exact = 0;
	walk->flags = 0;
	walk->window = NO_WINDOW;
	walk->python_run = PYTHON_NOT_BEGUN;
	walk->python_begun = 0;
	walk->python_done = 0;
	walk->python_left = 0;
	walk->python_frame = 0;
	walk->generation = unwind__generation(thread);
	walk->hash_before = 0;
	walk->core = 0;
	thread->hash = unwind__mix(0, walk->ip);
	stack->frames[0] = walk->ip;
	stack->nframes = 1;
	bpf_loop(STEPS_MAX, next_frame, &stacking, 0);
	/* Python's frames go on, or those that are not shown took all steps. */
	if (walk->python_run == PYTHON_GOES_ON || !(walk->flags & ENDS))
		walk->flags |= STACK_TRUNCATED;
	/* There is one reason: what came first. */
	if (walk->flags & STACK_TRUNCATED)
		walk->flags &= walk->flags & (ENDS ^ STACK_COMPLETE ^ STACK_TRUNCATED) ? ~STACK_TRUNCATED
										       : ~STACK_COMPLETE;
	stack->flags = walk->flags;
	if (!walk->core)
		walk->core = STACK_FRAMES_CORE;
}

/*
 * The caller itself is always right: the instruction pointer after the return is its own.
 *
 * Not static: the verifier checks a global function once, not at every call.
 */
__noinline int unwind__walk(struct thread *thread)
{
	if (!thread)
		return 0;
	thread->walk.trampoline = trampoline_address();
	walk_once(thread);
	if (!(thread->walk.flags & STACK_NO_MAPPING))
		return 0;
	if (thread__renew_space(thread))
		walk_once(thread);
	if (thread->walk.flags & STACK_NO_MAPPING)
		unwind__ask(thread);
	return 0;
}

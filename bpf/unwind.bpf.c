// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One step of a stack: from a frame's registers to its caller's, by the row of the unwind table that holds
 * its code, or by the frame pointer where no table does.
 */
#include "memwatch.h"

__u32 unwind__search_mappings(struct unwind_space *space, __u64 address);
__u32 unwind__search_rows(struct unwind_page *page, __u32 low, __u32 high, __u32 pc);

#define RETURNS_MAX 64 /* MAX_URETPROBE_DEPTH, include/linux/uprobes.h */

/* uc_mcontext.gregs in the ucontext that rsp points at in a signal frame
 * (arch/x86/include/uapi/asm/sigcontext.h). */
#define UCONTEXT_RBP 120
#define UCONTEXT_RBX 128
#define UCONTEXT_RSP 160
#define UCONTEXT_RIP 168

static __always_inline int read_word(struct thread *thread, __u64 address, __u64 *word)
{
	if (!bpf_probe_read_user(word, sizeof(*word), (void *)address))
		return 0;
	thread->walk.flags |= STACK_UNREADABLE;
	return -1;
}

/* The saved frame pointer and the return address, side by side as they mostly are. */
static __always_inline int read_both(struct thread *thread, __u64 address)
{
	__u64 words[2];

	if (bpf_probe_read_user(words, sizeof(words), (void *)address)) {
		thread->walk.flags |= STACK_UNREADABLE;
		return -1;
	}
	thread->walk.fp = words[0];
	thread->walk.ip = words[1];
	return 0;
}

/*
 * The searches are global functions, which the verifier checks once and by themselves: each can go some
 * hundred ways, and the ways of one would be multiplied by those of the other.
 */

/* How many mappings end at or before @address: the number of the one that can hold it. */
__noinline __u32 unwind__search_mappings(struct unwind_space *space, __u64 address)
{
	__u32 place = 0, step;

	if (!space)
		return 0;
	for (step = UNWIND_MAPPINGS_MAX / 2; step; step /= 2) {
		__u32 next = place + step;

		if (next <= space->count &&
		    space->mappings[(next - 1) & (UNWIND_MAPPINGS_MAX - 1)].end <= address)
			place = next;
	}
	return place;
}

/* The rule of the last of rows @low … @high of a page that begins at or before @pc. */
__noinline __u32 unwind__search_rows(struct unwind_page *page, __u32 low, __u32 high, __u32 pc)
{
	__u32 step;

	if (!page)
		return UNWIND_NONE;
	for (step = UNWIND_PAGE_ROWS / 2; step; step /= 2) {
		__u32 next = low + step;

		if (next <= high && page->words[next * 2 & (UNWIND_PAGE_WORDS - 1)] <= pc)
			low = next;
	}
	return page->words[(low * 2 + 1) & (UNWIND_PAGE_WORDS - 1)];
}

static __always_inline struct unwind_mapping *find_mapping(struct unwind_space *space, __u64 address)
{
	__u32 place = unwind__search_mappings(space, address);

	if (place >= space->count || place >= UNWIND_MAPPINGS_MAX || space->mappings[place].start > address)
		return NULL;
	return &space->mappings[place];
}

/* The rows that can hold @pc: from the last one that begins before its 4 KiB to the last that begins before
 * the next. */
static __always_inline int find_range(void *pages, struct unwind_header *header, __u32 pc, __u32 *low,
				      __u32 *high)
{
	__u32 entry = pc >> UNWIND_PC_SHIFT, page, at;
	struct unwind_page *index;

	if (entry + 1 >= header->index_count)
		return -1;
	page = 1 + entry / UNWIND_INDEX_STEP;
	at = entry & (UNWIND_INDEX_STEP - 1);
	index = bpf_map_lookup_elem(pages, &page);
	if (!index)
		return -1;
	*low = index->words[at];
	*high = index->words[at + 1];
	return 0;
}

/* The rule for @pc of an image; UNWIND_NONE where there is none. */
static __always_inline __u32 find_rule(__u32 image, __u32 pc)
{
	void *pages = bpf_map_lookup_elem(&unwind_images, &image);
	__u32 zero = 0, low, high, number;
	struct unwind_header *header;
	struct unwind_page *page;

	if (!pages)
		return UNWIND_NONE;
	header = bpf_map_lookup_elem(pages, &zero);
	if (!header || find_range(pages, header, pc, &low, &high))
		return UNWIND_NONE;
	number = 1 + header->index_pages + high / UNWIND_PAGE_ROWS;
	page = bpf_map_lookup_elem(pages, &number);
	if (!page)
		return UNWIND_NONE;
	if (low / UNWIND_PAGE_ROWS != high / UNWIND_PAGE_ROWS) {
		/* The range crosses pages: in the last one, or in the one before (4 KiB of code have fewer
		 * rows than that). */
		if (page->words[0] <= pc) {
			low = high & ~(UNWIND_PAGE_ROWS - 1);
		} else {
			high = (high & ~(UNWIND_PAGE_ROWS - 1)) - 1;
			number--;
			page = bpf_map_lookup_elem(pages, &number);
			if (!page)
				return UNWIND_NONE;
			if (low / UNWIND_PAGE_ROWS != high / UNWIND_PAGE_ROWS)
				low = high & ~(UNWIND_PAGE_ROWS - 1);
		}
	}
	return unwind__search_rows(page, low & (UNWIND_PAGE_ROWS - 1), high & (UNWIND_PAGE_ROWS - 1), pc);
}

/* A frame whose registers are all in memory. 1: the stack goes on. */
static __always_inline int step_signal(struct thread *thread)
{
	struct walk *walk = &thread->walk;
	__u64 ucontext = walk->sp;

	if (read_word(thread, ucontext + UCONTEXT_RIP, &walk->ip) ||
	    read_word(thread, ucontext + UCONTEXT_RSP, &walk->sp) ||
	    read_word(thread, ucontext + UCONTEXT_RBP, &walk->fp))
		return 0;
	walk->exact = 1; /* it was interrupted before this instruction, not called from the one before */
	return 1;
}

/* The canonical frame address; 0 where it cannot be told. */
static __always_inline __u64 find_cfa(struct thread *thread, __u32 rule)
{
	struct walk *walk = &thread->walk;
	__s64 offset = UNWIND_OFFSET(rule);
	__u64 word = 0;

	switch (UNWIND_CFA(rule)) {
	case UNWIND_RSP:
		return walk->sp + offset;
	case UNWIND_RBP:
		return walk->fp + offset;
	case UNWIND_DEREF_RBP:
		return read_word(thread, walk->fp + offset, &word) ? 0 : word;
	case UNWIND_DEREF_RSP:
		return read_word(thread, walk->sp + offset, &word) ? 0 : word;
	case UNWIND_PLT:
		return walk->sp + offset + ((walk->ip & 15) >= 11 ? 8 : 0);
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
	struct return_instance *instance;
	int i;

	if (walk->ip != BPF_CORE_READ(task, mm, uprobes_state.xol_area, vaddr))
		return;
	instance = BPF_CORE_READ(task, utask, return_instances);
	for (i = 0; i < RETURNS_MAX && instance; i++) {
		if (BPF_CORE_READ(instance, stack) == place) {
			walk->ip = BPF_CORE_READ(instance, orig_ret_vaddr);
			return;
		}
		instance = BPF_CORE_READ(instance, next);
	}
}

/* From the frame's CFA to its caller. 1: the stack goes on. */
static __always_inline int step_to(struct thread *thread, __u64 cfa, __s32 saved_fp)
{
	struct walk *walk = &thread->walk;

	if (!cfa || cfa <= walk->sp || cfa & 7) {
		if (!(walk->flags & (STACK_UNREADABLE | STACK_UNSUPPORTED)))
			walk->flags |= STACK_NO_RULE;
		return 0;
	}
	if (saved_fp == -16 ? read_both(thread, cfa - 16)
			    : read_word(thread, cfa - 8, &walk->ip) ||
				      (saved_fp && read_word(thread, cfa + saved_fp, &walk->fp)))
		return 0;
	walk->place = cfa - 8;
	walk->fp_place = saved_fp ? cfa + saved_fp : 0;
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

	if (!cfa || read_word(thread, thread->walk.fp, &thread->walk.fp) || !step_to(thread, cfa, 0))
		return 0;
	thread->walk.place = 0; /* more has been read than a memo holds */
	return 1;
}

/* By the frame pointer, for code that has no table: a JIT's, or written by hand. */
static __always_inline int step_by_pointer(struct thread *thread)
{
	struct walk *walk = &thread->walk;

	if (walk->fp < walk->sp || walk->fp - walk->sp >= STACK_SPAN_MAX || walk->fp & 7) {
		walk->flags |= STACK_NO_RULE;
		return 0;
	}
	return step_to(thread, walk->fp + 16, -16);
}

/* Puts the caller's frame in thread->walk. 1: there is one; 0: the stack ends here, walk.flags says why. */
static __always_inline int step(struct thread *thread)
{
	struct unwind_space *space;
	struct unwind_mapping *mapping;
	__u64 address;
	__u32 rule = UNWIND_NONE;

	address = thread->walk.ip - !thread->walk.exact;
	space = bpf_map_lookup_elem(&spaces, &thread->space);
	mapping = space ? find_mapping(space, address) : NULL;
	if (!mapping && thread__renew_space(thread)) {
		space = bpf_map_lookup_elem(&spaces, &thread->space);
		mapping = space ? find_mapping(space, address) : NULL;
	}
	if (mapping)
		rule = find_rule(mapping->image, mapping->pc + (__u32)(address - mapping->start));
	switch (UNWIND_CFA(rule)) {
	case UNWIND_NONE:
		/* Code without a row in a file with rows, and no frame pointer (psABI 3.4.1): where a process
		 * begins. */
		if (mapping && mapping->image && !thread->walk.fp) {
			thread->walk.flags |= STACK_COMPLETE;
			return 0;
		}
		if (step_by_pointer(thread))
			return 1;
		if (!space)
			thread->walk.flags &=
				~STACK_NO_RULE; /* nothing is known of the process: no more was to be had */
		else if (!mapping && thread->walk.flags & STACK_NO_RULE)
			thread->walk.flags = (thread->walk.flags & ~STACK_NO_RULE) | STACK_NO_MAPPING;
		return 0;
	case UNWIND_END:
		thread->walk.flags |= STACK_COMPLETE;
		return 0;
	case UNWIND_SIGNAL:
		return step_signal(thread);
	case UNWIND_DEREF_RBP:
		return step_realigned(thread, rule);
	default:
		if (!step_to(thread, find_cfa(thread, rule), UNWIND_SAVED(rule)))
			return 0;
		if (UNWIND_CFA(rule) == UNWIND_DEREF_RSP)
			thread->walk.place = 0;
		return 1;
	}
}

static __u64 mix(__u64 hash, __u64 frame)
{
	hash = (hash ^ frame) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 29);
}

struct stacking {
	struct thread *thread;
};

/* Notes a step, or that this stack cannot be noted. */
static __always_inline void note(struct memo *memo, struct walk *walk, __u32 step)
{
	if (step >= MEMO_FRAMES || !walk->place || memo->count != step) {
		memo->count = 0;
		return;
	}
	memo->places[step] = walk->place;
	memo->fp_places[step] = walk->fp_place;
	memo->fps[step] = walk->fp;
	memo->count = step + 1;
}

/*
 * Whether a walk from these registers would be the one before over again: what a walk finds depends on the
 * registers that it begins with and the words that it reads, and all of those are the same. Costs a read a
 * frame and no search.
 */
__noinline int unwind__unchanged(struct thread *thread)
{
	struct stack_value *stack;
	struct memo *memo;
	__u64 words[2];
	__u32 i;

	if (!thread)
		return 0;
	stack = &thread->stacks[!(thread->current & 1)];
	memo = &thread->memos[!(thread->current & 1)];
	if (!memo->count || memo->count + 1 != stack->nframes || !(stack->flags & STACK_COMPLETE) ||
	    memo->ip != thread->walk.ip || memo->sp != thread->walk.sp || memo->fp != thread->walk.fp)
		return 0;
	for (i = 0; i < MEMO_FRAMES; i++) {
		__u64 place = memo->places[i], fp_place = memo->fp_places[i];

		if (i >= memo->count)
			break;
		if (fp_place == place - 8) {
			if (bpf_probe_read_user(words, sizeof(words), (void *)fp_place) ||
			    words[0] != memo->fps[i])
				return 0;
		} else {
			if (bpf_probe_read_user(&words[1], sizeof(words[1]), (void *)place))
				return 0;
			if (fp_place && (bpf_probe_read_user(&words[0], sizeof(words[0]), (void *)fp_place) ||
					 words[0] != memo->fps[i]))
				return 0;
		}
		if (words[1] != stack->frames[i + 1])
			return 0;
	}
	return 1;
}

static long next_frame(__u32 i, struct stacking *stacking)
{
	struct thread *thread = stacking->thread;
	struct stack_value *stack = &thread->stacks[thread->current & 1];
	__u32 count = stack->nframes;
	__u64 frame;

	thread->walk.place = 0;
	if (!step(thread))
		return 1;
	note(&thread->memos[thread->current & 1], &thread->walk, i);
	if (count >= STACK_FRAMES_MAX) {
		thread->walk.flags |= STACK_TRUNCATED;
		return 1;
	}
	frame = thread->walk.ip;
	if (thread->walk.exact) {
		/* The frame before was a signal's: code that begins where the handler returns to. */
		if (count)
			stack->frames[count - 1] |= FRAME_EXACT;
		frame |= FRAME_EXACT;
	}
	stack->frames[count] = frame;
	stack->nframes = count + 1;
	thread->hash = mix(thread->hash, frame);
	return 0;
}

/*
 * The caller itself is always right: the instruction pointer after the return is its own.
 *
 * Not static: the verifier checks a global function once, not at every call.
 */
__noinline int unwind__walk(struct thread *thread)
{
	struct stacking stacking = {.thread = thread};
	struct stack_value *stack;
	struct memo *memo;

	if (!thread)
		return 0;
	memo = &thread->memos[thread->current & 1];
	memo->ip = thread->walk.ip;
	memo->sp = thread->walk.sp;
	memo->fp = thread->walk.fp;
	memo->count = 0;
	stack = &thread->stacks[thread->current & 1];
	thread->walk.exact = 0;
	thread->walk.flags = 0;
	thread->hash = mix(0, thread->walk.ip);
	stack->frames[0] = thread->walk.ip;
	stack->nframes = 1;
	bpf_loop(STACK_FRAMES_MAX, next_frame, &stacking, 0);
	stack->flags = thread->walk.flags;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Python's frames: those that a native evaluation frame runs take its place in the stack. Everything is read
 * from the process as it stands in the middle of an allocation; nothing of it is believed but for what it is
 * compared with.
 */
#include "memwatch.h"

int python__step(struct thread *thread);
__u32 python__code_id(struct thread *thread, __u64 address, __u64 identity);

static __always_inline struct python_layout *find_layout(struct thread *thread)
{
	__u32 slot = thread->walk.python;

	return slot ? bpf_map_lookup_elem(&pythons, &slot) : NULL;
}

static __always_inline __u64 word(struct thread *thread, __u64 address)
{
	__u64 value = 0;

	(void)thread;
	return bpf_probe_read_user(&value, sizeof(value), (void *)address) ? 0 : value;
}

/* A state is the thread's own if it says so: pthread_self() is the fs base. */
static __always_inline int is_own(struct thread *thread, struct python_layout *layout, __u64 state,
				  __u64 base)
{
	return state && word(thread, state + layout->thread_id) == base;
}

/* What pthread_getspecific would give. */
static __always_inline __u64 state_by_key(struct thread *thread, struct python_layout *layout, __u64 base)
{
	__u32 key = layout->key;

	if (layout->key_type == PYTHON_STATE_MUSL)
		return word(thread, word(thread, base + layout->key_first) + key * 8ull);
	if (layout->key_type != PYTHON_STATE_GLIBC)
		return 0;
	if (key < 32)
		return word(thread, base + layout->key_first + key * 16ull + 8);
	return word(thread, word(thread, base + layout->key_second + key / 32 * 8ull) + key % 32 * 16ull + 8);
}

/*
 * 3.11: a frame says that it is the first of its native frame, but generators that an exception is thrown
 * through are linked in and have none, whatever they say. So it is where the next run begins that ends one.
 */
static __always_inline int find_next_run(struct thread *thread, struct python_layout *layout, __u64 cframe)
{
	thread->walk.python_cframe = 0;
	thread->walk.python_next = 0;
	if (bpf_probe_read_user(&thread->walk.python_cframe, 8, (void *)(cframe + layout->cframe_previous)))
		return -1;
	cframe = thread->walk.python_cframe +
		 layout->cframe_frame; /* the outermost has no frame, but is there */
	return bpf_probe_read_user(&thread->walk.python_next, 8, (void *)cframe);
}

/*
 * The innermost Python frame of the thread; 0: it has none, or none that can be found. The state of the
 * thread that holds the GIL is looked at first, which is this one nearly always; it is right for
 * subinterpreters, too.
 */
__hidden __u64 python__begin(struct thread *thread)
{
	struct python_layout *layout = find_layout(thread);
	__u64 base, state = 0, cframe;

	if (!layout)
		return 0;
	base = fs_base();
	if (layout->current)
		state = word(thread, layout->current);
	if (!is_own(thread, layout, state, base)) {
		state = state_by_key(thread, layout, base);
		if (!is_own(thread, layout, state, base))
			return 0;
	}
	if (layout->thread_frame != PYTHON_NO_FIELD)
		return word(thread, state + layout->thread_frame);
	cframe = word(thread, state + layout->thread_cframe);
	if (layout->cframe_previous && find_next_run(thread, layout, cframe))
		return 0;
	return cframe ? word(thread, cframe + layout->cframe_frame) : 0;
}

static __always_inline __u64 word_of(__u64 *words, __u32 offset, __u32 mask)
{
	return words[offset / 8 & mask];
}

static __always_inline __u32 number_of(__u64 *words, __u32 offset, __u32 mask)
{
	return word_of(words, offset, mask) >> (offset & 4) * 8;
}

#define FRAME_WORDS (PYTHON_FRAME_BYTES / 8 - 1)
#define CODE_WORDS  (PYTHON_CODE_BYTES / 8 - 1)

/* The number of a code object, which user space is told of when it gets it. 0: there is no room. */
__noinline __u32 python__code_id(struct thread *thread, __u64 address, __u64 identity)
{
	struct code_key key = {};
	struct event *event;
	__u32 *known, id;

	if (!thread)
		return 0;
	key.address = address;
	key.identity = identity;
	key.account = thread->account;
	known = bpf_map_lookup_elem(&codes, &key);
	if (known)
		return *known;
	id = __sync_fetch_and_add(&next_code, 1);
	if (bpf_map_update_elem(&codes, &key, &id, BPF_NOEXIST)) {
		known = bpf_map_lookup_elem(&codes, &key); /* another thread was first */
		if (known)
			return *known;
		thread->walk.flags |= STACK_CODES_FULL;
		return 0;
	}
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		thread->walk.flags |= STACK_CODES_FULL;
		bpf_map_delete_elem(&codes, &key);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->type = EVENT_CODE;
	event->account = thread->account;
	event->other = id;
	event->time_ns = bpf_ktime_get_ns();
	event->arg[0] = address;
	event->arg[1] = identity;
	bpf_ringbuf_submit(event, 0);
	return id;
}

/* Reads a struct's beginning, of which user space has said how much is needed. */
static __always_inline int read_head(void *to, __u32 bytes, __u32 room, __u64 from)
{
	barrier_var(bytes); /* what is compared is what is passed on */
	return bytes > room || bpf_probe_read_user(to, bytes, (void *)from);
}

/* In bytes from the code's first instruction, as user/python/lines.h has it. */
static __always_inline __s64 instruction_of(struct thread *thread, struct python_layout *layout, __u64 code)
{
	__u32 at = layout->instruction;

	switch (layout->counting) {
	case PYTHON_COUNTS_BYTES:
		return (__s32)number_of(thread->python_frame, at, FRAME_WORDS);
	case PYTHON_COUNTS_UNITS:
		return (__s64)(__s32)number_of(thread->python_frame, at, FRAME_WORDS) * 2;
	default:
		return word_of(thread->python_frame, at, FRAME_WORDS) - code - layout->instructions;
	}
}

/* What tracebacks leave out: a frame that has not begun, or that the interpreter has pushed for itself. */
static __always_inline int is_incomplete(struct thread *thread, struct python_layout *layout, __u8 owner,
					 __s64 instruction)
{
	if (layout->first_traceable == PYTHON_NO_FIELD || owner == layout->owner_generator)
		return 0;
	return instruction < (__s32)number_of(thread->python_code, layout->first_traceable, CODE_WORDS) * 2ll;
}

static __always_inline __u64 contents(struct thread *thread, struct python_layout *layout)
{
	__u64 name = word_of(thread->python_code, layout->name, CODE_WORDS);
	__u64 table = word_of(thread->python_code, layout->line_table, CODE_WORDS);
	__u64 words[PYTHON_BYTES_WORDS] = {};

	/* The whole object has 33 bytes at least; what is behind a short one is its padding, or another's. */
	if (bpf_probe_read_user(words, sizeof(words), (void *)(table + PYTHON_BYTES_SIZE)))
		return 0;
	if (words[0] < 16)
		words[2] = words[3] = 0;
	return PYTHON_CONTENTS(word(thread, name + PYTHON_STR_HASH), words);
}

/*
 * One Python frame: reads thread->walk.python_frame and moves that to its caller. Returns how the run of
 * frames goes on; thread->walk.python_word is the frame as a stack has it, or 0 for one that is not shown.
 */
__noinline int python__step(struct thread *thread)
{
	struct python_layout *layout;
	__u64 code, identity;
	int last = 1;
	__s64 at;
	__u8 owner = 0;
	__u32 id;

	if (!thread)
		return PYTHON_RUN_ENDS;
	layout = find_layout(thread);
	thread->walk.python_word = 0;
	if (!layout || read_head(thread->python_frame, layout->frame_bytes, PYTHON_FRAME_BYTES,
				 thread->walk.python_frame))
		return PYTHON_UNREADABLE;
	thread->walk.python_frame = word_of(thread->python_frame, layout->previous, FRAME_WORDS);
	if (layout->owner != PYTHON_NO_FIELD)
		owner = word_of(thread->python_frame, layout->owner, FRAME_WORDS) >> (layout->owner & 7) * 8;
	if (layout->owner_native != PYTHON_NO_FIELD) {
		if (owner >= layout->owner_native)
			return PYTHON_RUN_ENDS; /* it only marks where a native evaluation frame begins */
		last = 0;
	} else if (layout->cframe_previous) {
		last = thread->walk.python_frame == thread->walk.python_next;
		if (last && thread->walk.python_frame &&
		    find_next_run(thread, layout, thread->walk.python_cframe)) {
			thread->walk.flags |= STACK_NO_PYTHON;
			thread->walk.python_frame = 0;
		}
	} else if (layout->is_entry != PYTHON_NO_FIELD) {
		last = word_of(thread->python_frame, layout->is_entry, FRAME_WORDS) >>
			       (layout->is_entry & 7) * 8 &
		       0xff;
	} /* else each has a native frame of its own */
	code = word_of(thread->python_frame, layout->code, FRAME_WORDS) & layout->code_mask;
	if (read_head(thread->python_code, layout->code_bytes, PYTHON_CODE_BYTES, code))
		return PYTHON_UNREADABLE;
	at = instruction_of(thread, layout, code);
	if (is_incomplete(thread, layout, owner, at))
		return last ? PYTHON_RUN_ENDS : PYTHON_GOES_ON;
	identity = PYTHON_IDENTITY(word_of(thread->python_code, layout->filename, CODE_WORDS),
				   word_of(thread->python_code, layout->name, CODE_WORDS),
				   word_of(thread->python_code, layout->line_table, CODE_WORDS),
				   number_of(thread->python_code, layout->first_line, CODE_WORDS));
	identity += contents(thread, layout);
	id = python__code_id(thread, code, identity);
	if (at < -PYTHON_BEFORE || at > PYTHON_INSTRUCTION - PYTHON_BEFORE)
		at = PYTHON_INSTRUCTION - PYTHON_BEFORE;
	thread->walk.python_word = PYTHON_FRAME(id, at + PYTHON_BEFORE);
	return last ? PYTHON_RUN_ENDS : PYTHON_GOES_ON;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "made_python.h"

#include <ctype.h>

#define EVAL_START  0x500000ull
#define EVAL_END    0x501000ull
#define COLD_START  0x4f0000ull /* compilers put the rarely used part elsewhere */
#define COLD_END    0x4f0200ull
#define NATIVE      0x401000ull
#define CFRAME_SIZE 24
#define RECORDS     256
#define NATIVES_MAX ((STACK_BYTES - RECORDS) / 16)
#define NONE        PYTHON_NO_FIELD

__u64 made_python__frame(size_t number)
{
	return MADE_FRAMES + number * MADE_FRAME_BYTES;
}

__u64 made_python__code(char letter)
{
	return MADE_CODES + (__u64)(toupper(letter) - 'A') * MADE_CODE_BYTES;
}

void made_python__put(struct made_python *made, __u64 address, __u32 offset, __u64 value, size_t bytes)
{
	if (fake_memory__write(&made->process->memory, address + offset, &value, bytes))
		abort();
}

bool made_python__is_single(const struct made_python *made)
{
	return made->layout->is_entry == NONE && made->layout->owner_native == NONE;
}

static void put_codes(struct made_python *made)
{
	const struct python_layout *layout = made->layout;

	for (char letter = 'A'; letter <= 'Z'; letter++) {
		__u64 code = made_python__code(letter), text = 0x71000000ull + (__u64)letter * 64;

		made_python__put(made, code, layout->filename, text, 8);
		made_python__put(made, code, layout->name, text + 16, 8);
		made_python__put(made, code, layout->line_table, text + 32, 8);
		made_python__put(made, code, layout->first_line, letter * 10u, 4);
		if (layout->first_traceable != NONE)
			made_python__put(made, code, layout->first_traceable, MADE_TRACEABLE, 4);
	}
}

void made_python__set_state(struct made_python *made, enum made_way way, __u64 state)
{
	struct python_layout *layout = made->layout;
	__u32 key = layout->key;
	__u64 at = 0;

	if (way == MADE_CURRENT)
		at = layout->current;
	else if (way == MADE_KEY_LOW)
		at = MADE_FS_BASE + layout->key_first + key * 16 + 8;
	else if (way == MADE_KEY_HIGH)
		at = MADE_HEAP + 8 + key % 32 * 16;
	else
		at = MADE_HEAP + key * 8;
	fake_memory__put(&made->process->memory, at, state);
}

static void make_way(struct made_python *made, enum made_way way)
{
	static const __u32 keys[] = {5, 31, 7 * 32 + 3, 4};
	struct fake_memory *memory = &made->process->memory;
	struct python_layout *layout = made->layout;

	layout->key_type = way == MADE_MUSL ? PYTHON_STATE_MUSL : PYTHON_STATE_GLIBC;
	layout->key = keys[way];
	layout->key_first = way == MADE_MUSL ? 0x80 : 0x310;
	layout->key_second = 0x510;
	if (way == MADE_CURRENT)
		layout->current = MADE_RUNTIME + 576;
	if (way == MADE_KEY_HIGH) /* specific[key / 32] */
		fake_memory__put(memory, MADE_FS_BASE + layout->key_second + layout->key / 32 * 8, MADE_HEAP);
	if (way == MADE_MUSL) /* tsd */
		fake_memory__put(memory, MADE_FS_BASE + layout->key_first, MADE_HEAP);
	made_python__set_state(made, way, MADE_STATE);
	made_python__put(made, MADE_STATE, layout->thread_id, MADE_FS_BASE, 8);
	made_python__put(made, MADE_OTHERS, layout->thread_id, MADE_FS_BASE + 0x1000, 8);
	if (layout->thread_frame == NONE)
		made_python__put(made, MADE_STATE, layout->thread_cframe, MADE_CFRAMES, 8);
}

void made_python__changed(struct made_python *made)
{
	static __u32 generation = 1000;
	struct unwind_space *space = bpf_map_lookup_elem(&spaces, &made->walker->space);

	space->generation = ++generation;
}

struct made_python *made_python__new(const struct made_version *version, enum made_way way)
{
	struct made_python *made = calloc(1, sizeof(*made));
	struct unwind_space *space;

	fake__start(NULL);
	made->process = machine__process(4242, MACHINE_SESSION);
	made->machine = machine__thread(made->process, 4242, 100);
	made->machine->task.thread.fsbase = MADE_FS_BASE;
	made->account = machine__watch(4242);
	machine__switch(made->machine);
	fake_memory__add(&made->process->memory, MADE_HEAP, MADE_HEAP_BYTES);
	fake_memory__add(&made->process->memory, MADE_RUNTIME, 4096);
	fake_memory__add(&made->process->memory, MADE_FS_BASE, 4096);
	made->walker = calloc(1, sizeof(*made->walker));
	made->walker->account = made->walker->space = made->account;
	space = bpf_map_lookup_elem(&spaces, &made->account);
	space->python = MADE_SLOT;
	made->layout = (struct python_layout *)fake.pythons.values + MADE_SLOT;
	*made->layout = version->layout;
	made->layout->range_count = 2;
	made->layout->ranges[0].start = EVAL_START;
	made->layout->ranges[0].end = EVAL_END;
	made->layout->ranges[1].start = COLD_START;
	made->layout->ranges[1].end = COLD_END;
	put_codes(made);
	make_way(made, way);
	return made;
}

void made_python__free(struct made_python *made)
{
	free(made->walker);
	free(made->machine);
	machine__free(made->process);
	free(made);
	fake__stop();
}

/* The value of a frame's instruction field; @at in bytes. */
static __u64 instruction(const struct python_layout *layout, char letter, __s32 at)
{
	if (layout->counting == PYTHON_IS_ADDRESS)
		return made_python__code(letter) + layout->instructions + at;
	return (__u32)(layout->counting == PYTHON_COUNTS_UNITS ? at / 2 : at);
}

static __u64 add_frame(struct made_python *made, char letter, bool is_generator)
{
	const struct python_layout *layout = made->layout;
	__u64 frame = made_python__frame(made->frame_count);
	__s32 at = isupper(letter) ? MADE_TRACEABLE * 2 + (__s32)(made->frame_count * 2)
		   : is_generator  ? 0
				   : -2;

	if (frame + MADE_FRAME_BYTES > MADE_CFRAMES || made->shown_count == MADE_SHOWN_MAX)
		abort();
	made->frame_count++;
	/* A reference may be tagged. */
	made_python__put(made, frame, layout->code, made_python__code(letter) | (~layout->code_mask & 1), 8);
	made_python__put(made, frame, layout->instruction, instruction(layout, letter, at),
			 layout->counting == PYTHON_IS_ADDRESS ? 8 : 4);
	if (layout->owner != NONE)
		made_python__put(made, frame, layout->owner, is_generator, 1);
	if (layout->is_entry != NONE)
		made_python__put(made, frame, layout->is_entry, is_generator, 1); /* it may lie */
	if (isupper(letter) || is_generator || layout->first_traceable == NONE)
		made->shown_at[made->shown_count++] = at;
	return frame;
}

/* Where the native frame whose run begins at @first keeps it; 0: it is the outermost, and no evaluation
 * frame. */
static void add_cframe(struct made_python *made, __u64 first)
{
	const struct python_layout *layout = made->layout;
	__u64 cframe = MADE_CFRAMES + made->cframe_count++ * CFRAME_SIZE;

	if (cframe + CFRAME_SIZE > MADE_HEAP + MADE_HEAP_BYTES)
		abort();
	made_python__put(made, cframe, layout->cframe_frame, first, 8);
	made_python__put(made, cframe, layout->cframe_previous, first ? cframe + CFRAME_SIZE : 0, 8);
}

/* The run of frames that begins at @text; where it ends. @link: where the address of its first goes. */
static const char *add_run(struct made_python *made, const char *text, __u64 *link)
{
	const struct python_layout *layout = made->layout;
	__u64 frame = 0;

	if (layout->cframe_previous)
		add_cframe(made, made_python__frame(made->frame_count));
	for (; *text != ']'; text++) {
		bool is_generator = text[1] == '*';

		frame = add_frame(made, *text, is_generator);
		fake_memory__put(&made->process->memory, *link, frame);
		*link = frame + layout->previous;
		text += is_generator;
	}
	if (layout->is_entry != NONE)
		made_python__put(made, frame, layout->is_entry, 1, 1);
	if (layout->owner_native != NONE) {
		frame = add_frame(made, 'Z', false);
		made->shown_count--;
		made_python__put(made, frame, layout->owner, layout->owner_native + (made->frame_count & 1),
				 1);
		fake_memory__put(&made->process->memory, *link, frame);
		*link = frame + layout->previous;
	}
	return text;
}

/* A return address into the evaluation function: also one right after its last instruction. */
static __u64 evaluation(size_t number)
{
	switch (number % 4) {
	case 0:
		return EVAL_START + 1 + number % 0xfff;
	case 1:
		return EVAL_END;
	case 2:
		return COLD_START + 1;
	default:
		return COLD_END;
	}
}

void made_python__stack(struct made_python *made, const char *written)
{
	const struct python_layout *layout = made->layout;
	__u64 *natives = calloc(NATIVES_MAX, sizeof(*natives)), link,
	      records = made->machine->stack + RECORDS;
	size_t count = 0;

	made->frame_count = made->shown_count = made->cframe_count = 0;
	link = layout->thread_frame != NONE ? MADE_STATE + layout->thread_frame
					    : MADE_CFRAMES + layout->cframe_frame;
	fake_memory__put(&made->process->memory, link, 0);
	for (; *written; written++) {
		if (count == NATIVES_MAX)
			abort();
		if (*written == '[') {
			natives[count] = evaluation(count);
			written = add_run(made, written + 1, &link);
		} else {
			natives[count] = *written == '<' ? EVAL_START : NATIVE + (*written - 'a') * 256ull;
		}
		count++;
	}
	fake_memory__put(&made->process->memory, link, 0);
	if (layout->cframe_previous)
		add_cframe(made, 0);
	for (size_t i = 0; i + 1 < count; i++) {
		fake_memory__put(&made->process->memory, records + i * 16,
				 i + 2 < count ? records + (i + 1) * 16 : 0);
		fake_memory__put(&made->process->memory, records + i * 16 + 8, natives[i + 1]);
	}
	made->walker->begin =
		(struct walk_begin){.ip = natives[0], .sp = records, .fp = count > 1 ? records : 0};
	free(natives);
}

void made_python__cut(struct made_python *made, size_t count, __u64 fp)
{
	fake_memory__put(&made->process->memory, made->machine->stack + RECORDS + (count - 2) * 16, fp);
}

/* What an earlier walk has left behind is nothing to this one. */
const struct stack_value *made_python__walk(struct made_python *made)
{
	struct thread *walker = made->walker;

	machine__switch(made->machine);
	fake.reads = fake.loops = 0;
	memset(&walker->walk, 0xa5, sizeof(walker->walk));
	memset(walker->stacks, 0xa5, sizeof(walker->stacks));
	memset(walker->window, 0xa5, sizeof(walker->window));
	memset(walker->python_frame, 0xa5, sizeof(walker->python_frame));
	memset(walker->python_code, 0xa5, sizeof(walker->python_code));
	unwind__walk(walker);
	return &walker->stacks[walker->current & 1];
}

static char letter_of(__u64 frame)
{
	if (frame & FRAME_IS_PYTHON) {
		vec_each (event, &fake.events) {
			if (event->type == EVENT_CODE && event->other == PYTHON_FRAME_ID(frame))
				return (char)('A' + (event->arg[0] - MADE_CODES) / MADE_CODE_BYTES);
		}
		return PYTHON_FRAME_ID(frame) ? '!' : '?';
	}
	if (frame == EVAL_START)
		return '<';
	if ((frame > EVAL_START && frame <= EVAL_END) || (frame > COLD_START && frame <= COLD_END))
		return '#';
	return frame >= NATIVE && frame < NATIVE + 26 * 256 ? (char)('a' + (frame - NATIVE) / 256) : '!';
}

char *made_python__write(const struct stack_value *stack, char text[STACK_FRAMES_MAX + 1])
{
	for (size_t i = 0; i < stack->nframes; i++)
		text[i] = letter_of(stack->frames[i]);
	text[stack->nframes] = '\0';
	return text;
}

void made_python__expect(const char *written, bool is_single, char *expected)
{
	char *run;

	for (; *written; written++) {
		if (*written != '[') {
			*expected++ = *written;
			continue;
		}
		for (run = expected, written++; *written != ']'; written++) {
			if (isupper(*written) || written[1] == '*' || is_single)
				*expected++ = (char)toupper(*written);
			written += written[1] == '*';
		}
		if (expected == run)
			*expected++ = '#';
	}
	*expected = '\0';
}

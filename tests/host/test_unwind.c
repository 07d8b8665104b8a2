// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Recorded stacks are walked as gdb walked them, and with reads that fail and words that are wrong as far as
 * those allow. */
#include "walks.h"

#include "unwind/unwind_table.h"

/* Whether these many frames are the same; a signal's trampoline at the end may be one of whose other side
 * nothing is known. */
static bool agrees(const struct stack_value *stack, const struct stack_value *truth, size_t count)
{
	size_t same = same_frames(stack, truth);

	return same >= count || (same + 1 == count && count <= stack->nframes && count <= truth->nframes &&
				 (stack->frames[same] | FRAME_EXACT) == (truth->frames[same] | FRAME_EXACT));
}

static bool is_prefix(const struct stack_value *stack, const struct stack_value *truth)
{
	return agrees(stack, truth, stack->nframes);
}

/* From every frame outwards; first by search, then by what has been found before. */
static void equal_to_gdbs(void **state)
{
	size_t walks = 0, frames = 0, truncated = 0, signals = 0;

	(void)state;
	vec_each (recording, &recordings.all) {
		new_space(recording);
		for (int pass = 0; pass < 2; pass++) {
			for (size_t from = 0; from < recording->frames.count; from++) {
				const struct stack_value *stack;
				struct stack_value truth;

				if (!find_truth(recording, from, &truth))
					continue;
				stack = walk(recording, from);
				assert_sound_stack(stack, recording->frames.items[from].pc);
				if (!is_equal(stack, &truth))
					differ(recording, from, pass ? "again" : "at first", stack, &truth);
				walks++;
				frames += stack->nframes;
				truncated += stack->flags == STACK_TRUNCATED;
				signals += recording->frames.items[from].kind == RECORDED_SIGNAL;
			}
		}
	}
	print_message("%zu walks of %zu frames\n", walks, frames);
	assert_true(walks > 1000 && frames > walks && truncated && signals);
	assert_int_equal(fake__losses(), 0);
}

/* What the kernel side finds at an address is what the table says. */
static void assert_rule(const struct recorded_image *image, __u32 pc)
{
	__u64 start = 0x10000000, found, wanted = RULE_MAPPING;
	const struct unwind_row *row = unwind_table__find(&image->table, image->table.base + pc);
	struct recording recording = {.space = {.count = 1}};

	recording.space.mappings[0] = (struct unwind_mapping){start, start + (1ull << 32), 0, image->first};
	if (row)
		wanted |= row->rule;
	new_space(&recording);
	walker->space = SPACE;
	found = unwind__search(walker, start + pc);
	if (found != wanted)
		fail_msg("%s: at %#x there is %#llx, not %#llx", image->path, pc, found, wanted);
}

static void rules_found(void **state)
{
	size_t checked = 0;

	(void)state;
	vec_each (image, &recordings.images) {
		size_t step = image->table.count / 3000 + 1;

		if (!image->table.count)
			continue;
		for (size_t row = 0; row < image->table.count; row += 1 + random_below(step)) {
			__u32 pc = image->table.items[row].pc;

			assert_rule(image, pc);
			if (pc)
				assert_rule(image, pc - 1);
			if (row + 1 < image->table.count)
				assert_rule(image, pc + random_below(image->table.items[row + 1].pc - pc));
			checked++;
		}
	}
	assert_true(checked > 10000);
}

/* The k-th read of a walk, and those after it or not, fail. False: the walk was the true one all the same. */
static bool fail_read(struct recording *recording, size_t from, unsigned k, bool rest,
		      const struct stack_value *truth)
{
	const struct stack_value *stack;

	fake.fail_rest = rest;
	fake.fail_read = k;
	stack = walk(recording, from);
	fake.fail_read = 0;
	assert_sound_stack(stack, recording->frames.items[from].pc);
	/* Where it was a window that could not be read, the word may be. */
	if (!rest && is_equal(stack, truth))
		return false;
	if (stack->flags != STACK_UNREADABLE || !is_prefix(stack, truth))
		differ(recording, from, "with a read that failed", stack, truth);
	return true;
}

static void reads_that_fail(void **state)
{
	size_t cases = 0, failed = 0;

	(void)state;
	vec_each (recording, &recordings.all) {
		new_space(recording);
		for (size_t from = 0; from < recording->frames.count; from += 1 + from / 8) {
			struct stack_value truth;
			unsigned reads;

			if (!find_truth(recording, from, &truth))
				continue;
			walk(recording, from);
			reads = fake.reads;
			for (unsigned k = 1; k <= reads; k++, cases++) {
				failed += fail_read(recording, from, k, false, &truth);
				assert_true(fail_read(recording, from, k, true, &truth));
			}
		}
	}
	print_message("%zu reads, %zu of them missed\n", cases, failed);
	assert_true(cases > 1000 && failed > 10 && cases - failed > 100);
}

/* A stack of which only so much can be read: every frame whose words lie below is found. */
static void memory_that_ends(void **state)
{
	size_t cases = 0, complete = 0;

	(void)state;
	vec_each (recording, &recordings.all) {
		struct fake_region *region = &recording->memory.regions.items[0];
		__u64 whole = region->size;
		struct stack_value truth;

		if (!find_truth(recording, 0, &truth) || recording->memory.regions.count > 1)
			continue;
		new_space(recording);
		for (size_t i = 0; i < recording->frames.count && i <= STACK_FRAMES_MAX; i++) {
			const struct stack_value *stack;

			/* Where frame i begins: the return address into it is below. */
			region->size = recording->frames.items[i].sp - region->start;
			stack = walk(recording, 0);
			region->size = whole;
			cases++;
			if (is_equal(stack, &truth) && i + 1 >= truth.nframes)
				complete++;
			else if (stack->flags != STACK_UNREADABLE || !is_prefix(stack, &truth) ||
				 stack->nframes != i + 1)
				differ(recording, i, "of a stack that ends there", stack, &truth);
		}
	}
	print_message("%zu cases, %zu complete\n", cases, complete);
	assert_true(cases > 500 && complete > 50);
}

/* --- words that are wrong --- */

#define LOG_ROOM 4096

static struct {
	__u64 start, end;
	unsigned known; /* frames found before it was read */
} read_log[LOG_ROOM];
static size_t logged;

static void log_read(__u64 address, __u32 size)
{
	assert_true(logged < LOG_ROOM);
	read_log[logged].start = address;
	read_log[logged].end = address + size;
	read_log[logged++].known = walker->stacks[walker->current & 1].nframes;
}

/* How many frames of a walk do not depend on the word at @address. */
static unsigned known_before(__u64 address, unsigned all)
{
	for (size_t i = 0; i < logged; i++) {
		if (address + 8 > read_log[i].start && address < read_log[i].end)
			return read_log[i].known;
	}
	return all;
}

static __u64 random_lie(const struct recording *recording)
{
	const struct recorded_frame *frame = &recording->frames.items[random_below(recording->frames.count)];

	switch (random_below(8)) {
	case 0:
		return random_word();
	case 1:
		return 0;
	case 2:
		return frame->sp + 8 * random_below(64);
	case 3:
		return frame->pc + random_below(32);
	case 4:
		return frame->sp - 8 * random_below(64) + random_below(8);
	case 5:
		return ~0ull - random_below(4096);
	case 6:
		return (1ull << 63) + random_below(600);
	default:
		return USER_LIMIT - random_below(4096);
	}
}

/*
 * Words of the stack that are something else: the frames that had been found before the first of them was
 * read are found all the same, and where none of them is read the walk is.
 */
static void wrong_words(void **state)
{
	size_t unchanged = 0, changed = 0;

	(void)state;
	for (unsigned round = 0; round < 6000; round++) {
		struct recording *recording = &recordings.all.items[random_below(recordings.all.count)];
		struct fake_region *region =
			&recording->memory.regions.items[random_below(recording->memory.regions.count)];
		size_t span = region->size < 4096 ? region->size : 4096, count = 1 + random_below(3);
		struct stack_value truth;
		const struct stack_value *stack;
		unsigned char *saved;
		unsigned known;

		if (!find_truth(recording, 0, &truth))
			continue;
		if (round % 2)
			new_space(recording);
		else
			new_space(recording)->generation = 0; /* nothing is remembered */
		logged = 0;
		fake.on_read = log_read;
		walk(recording, 0);
		fake.on_read = NULL;
		saved = malloc(region->size);
		memcpy(saved, region->bytes, region->size);
		known = truth.nframes;
		while (count--) {
			size_t at = random_below(span / 8) * 8;
			__u64 lie = random_lie(recording);
			unsigned before = known_before(region->start + at, truth.nframes);

			if (!memcmp(region->bytes + at, &lie, 8))
				continue;
			memcpy(region->bytes + at, &lie, 8);
			known = before < known ? before : known;
		}
		stack = sound_walk(recording, 0);
		memcpy(region->bytes, saved, region->size);
		free(saved);
		if (!agrees(stack, &truth, known))
			differ(recording, 0, "with wrong words further out", stack, &truth);
		if (known == truth.nframes && is_equal(stack, &truth))
			unchanged++;
		else
			changed++;
	}
	print_message("%zu as before, %zu others\n", unchanged, changed);
	assert_true(unchanged > 100 && changed > 1000);
}

/* Registers that are wrong from the beginning. */
static void wrong_registers(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 4000; round++) {
		struct recording *recording = &recordings.all.items[random_below(recordings.all.count)];
		struct recorded_frame *first = &recording->frames.items[0], saved = *first;
		unsigned which = 1 + random_below(15);

		new_space(recording);
		first->pc = which & 1 ? random_lie(recording) : saved.pc;
		first->sp = which & 2 ? random_lie(recording) : saved.sp;
		first->bp = which & 4 ? random_lie(recording) : saved.bp;
		first->bx = which & 8 ? random_lie(recording) : saved.bx;
		/* frames[0] is the return address that the kernel has run to: an address of the user's. */
		first->pc &= USER_LIMIT - 1;
		sound_walk(recording, 0);
		*first = saved;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(equal_to_gdbs, begin, end),
		cmocka_unit_test_setup_teardown(rules_found, begin, end),
		cmocka_unit_test_setup_teardown(reads_that_fail, begin, end),
		cmocka_unit_test_setup_teardown(memory_that_ends, begin, end),
		cmocka_unit_test_setup_teardown(wrong_words, begin, end),
		cmocka_unit_test_setup_teardown(wrong_registers, begin, end),
	};

	return cmocka_run_group_tests(tests, load_all, free_all);
}

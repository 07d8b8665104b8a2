// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Recorded stacks are walked by tables and mappings that are not what they should be, and by rules that were
 * found before: what is wrong there may end a stack anywhere, and nothing else.
 */
#include "walks.h"

#include <stddef.h>

static struct recording *some_recording(void)
{
	return &recordings.all.items[random_below(recordings.all.count)];
}

/* --- tables --- */

static const struct recorded_image *some_image(const struct recording *recording)
{
	for (int tries = 0; tries < 1000; tries++) {
		__u32 first = recording->space.mappings[random_below(recording->space.count)].image;

		vec_each (image, &recordings.images) {
			if (first && image->first == first)
				return image;
		}
	}
	fail_msg("%s: no image", recording->name);
	return NULL;
}

/* A page that the walk's tables have, most often one that lookups come by. */
static __u32 some_page(const struct recorded_image *image)
{
	if (random_below(4) == 0)
		return image->first;
	return image->first + random_below(image->page_count);
}

static __u32 wild_number(void)
{
	switch (random_below(5)) {
	case 0:
		return random_word();
	case 1:
		return ~0u - random_below(4);
	case 2:
		return random_below(4);
	case 3:
		return 1u << random_below(32);
	default:
		return random_below(100000);
	}
}

static void put_back(const struct recorded_image *image)
{
	for (__u32 i = 0; i < image->page_count; i++)
		memcpy(fake_page(image->first + i), &image->pages[i], sizeof(struct unwind_page));
}

static void wild_header(const struct recorded_image *image)
{
	struct unwind_header *header = (struct unwind_header *)fake_page(image->first);
	__u32 *fields[] = {&header->row_count, &header->index_pages, &header->index_count};

	for (unsigned i = 0; i < 1 + random_below(3); i++)
		*fields[random_below(3)] = wild_number();
}

/* Entries of the index, rows' places, and rules that may be any bits. */
static void wild_words(const struct recorded_image *image)
{
	unsigned count = 1 + random_below(3000);

	while (count--) {
		struct unwind_page *page = fake_page(some_page(image));

		page->words[random_below(UNWIND_PAGE_WORDS)] = wild_number();
	}
}

/* Every rule of the image is another, chosen among those that there can be. */
static void other_rules(const struct recorded_image *image)
{
	const struct unwind_header *header = (const void *)&image->pages[0];

	for (__u32 row = 0; row < image->table.count; row++) {
		struct unwind_page *page =
			fake_page(image->first + 1 + header->index_pages + row / UNWIND_PAGE_ROWS);
		__u32 offset = random_below(3) ? random_below(64) : random_word();
		__u32 rule = UNWIND_RULE(random_below(16), offset, random_below(32), random_below(32));

		page->words[row % UNWIND_PAGE_ROWS * 2 + 1] = rule;
	}
}

static void wild_tables(void **state)
{
	static void (*const ways[])(const struct recorded_image *image) = {wild_header, wild_words,
									   other_rules};
	size_t same = 0, others = 0;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		struct recording *recording = some_recording();
		const struct recorded_image *image = some_image(recording);
		const struct stack_value *stack;
		struct stack_value truth;

		/* Large tables take long to spoil as a whole. */
		if (!find_truth(recording, 0, &truth) || (round % 3 == 2 && image->table.count > 20000))
			continue;
		ways[round % 3](image);
		new_space(recording);
		stack = sound_walk(recording, 0);
		same += is_equal(stack, &truth);
		others += !is_equal(stack, &truth);
		put_back(image);
	}
	print_message("%zu as before, %zu others\n", same, others);
	assert_true(same > 100 && others > 500);
}

/* A page that is not there. */
static void missing_pages(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 1500; round++) {
		struct recording *recording = some_recording();
		const struct recorded_image *image = some_image(recording);
		__u32 number = some_page(image), at = number % UNWIND_CHUNK_PAGES;

		assert_int_equal(bpf_map_delete_elem(&fake.chunks[number / UNWIND_CHUNK_PAGES], &at), 0);
		new_space(recording);
		sound_walk(recording, 0);
		fake_page__put(number, &image->pages[number - image->first]);
	}
}

/* --- mappings --- */

static __u64 wild_address(const struct unwind_space *space)
{
	const struct unwind_mapping *mapping = &space->mappings[random_below(UNWIND_MAPPINGS_MAX)];

	switch (random_below(4)) {
	case 0:
		return random_word();
	case 1:
		return mapping->start + random_below(8192) - 4096;
	case 2:
		return mapping->end + random_below(8192) - 4096;
	default:
		return random_below(2) ? 0 : ~0ull;
	}
}

static void spoil_mapping(struct unwind_space *space)
{
	__u32 used = space->count && space->count < UNWIND_MAPPINGS_MAX ? space->count : UNWIND_MAPPINGS_MAX;
	struct unwind_mapping *mapping = &space->mappings[random_below(used)];
	struct unwind_mapping *other = &space->mappings[random_below(used)], kept = *mapping;

	switch (random_below(6)) {
	case 0:
		mapping->start = wild_address(space);
		break;
	case 1:
		mapping->end = wild_address(space);
		break;
	case 2:
		mapping->pc = wild_number();
		break;
	case 3:
		mapping->image = wild_number();
		break;
	case 4: /* not by rising start any more */
		*mapping = *other;
		*other = kept;
		break;
	default:
		space->count = wild_number();
	}
}

static void wild_spaces(void **state)
{
	size_t same = 0, others = 0;

	(void)state;
	for (unsigned round = 0; round < 4000; round++) {
		struct recording *recording = some_recording();
		struct unwind_space *space = new_space(recording);
		unsigned count = 1 + random_below(8);
		const struct stack_value *stack;
		struct stack_value truth;

		while (count--)
			spoil_mapping(space);
		stack = sound_walk(recording, 0);
		if (!find_truth(recording, 0, &truth))
			continue;
		same += is_equal(stack, &truth);
		others += !is_equal(stack, &truth);
	}
	print_message("%zu as before, %zu others\n", same, others);
	assert_true(same > 100 && others > 500);
}

/* As many mappings as there is room for: each is found by all its addresses, and by no other. */
static void full_space(void **state)
{
	struct recording recording = {.space = {.count = UNWIND_MAPPINGS_MAX}};

	(void)state;
	for (__u64 i = 0; i < UNWIND_MAPPINGS_MAX; i++)
		recording.space.mappings[i] =
			(struct unwind_mapping){0x10000 + i * 0x2000, 0x11000 + i * 0x2000, 0, 0};
	for (__u32 count = UNWIND_MAPPINGS_MAX; count; count -= 1 + count / 5) {
		recording.space.count = count;
		new_space(&recording);
		walker->space = SPACE;
		for (__u64 i = 0; i < UNWIND_MAPPINGS_MAX; i++) {
			__u64 start = 0x10000 + i * 0x2000, found = i < count ? RULE_MAPPING : 0;

			assert_int_equal(unwind__search(walker, start - 1), 0);
			assert_int_equal(unwind__search(walker, start), found);
			assert_int_equal(unwind__search(walker, start + 0xfff), found);
			assert_int_equal(unwind__search(walker, start + 0x1000), 0);
		}
		assert_int_equal(unwind__search(walker, USER_LIMIT - 1), 0);
	}
}

/* An address in no mapping: user space is told, once for each set of mappings. */
static void unknown_mapping(void **state)
{
	struct recording *recording = &recordings.all.items[0];
	struct unwind_space *space = new_space(recording);
	const struct stack_value *stack;

	(void)state;
	space->count = 0;
	stack = walk(recording, 0);
	assert_int_equal(stack->nframes, 1);
	assert_int_equal(stack->flags, STACK_NO_MAPPING);
	assert_int_equal(fake.events.count, 1);
	assert_int_equal(fake.events.items[0].type, EVENT_MAPPINGS);
	assert_int_equal(space->asked, 1);
	assert_int_equal(walk(recording, 0)->flags, STACK_NO_MAPPING);
	assert_int_equal(fake.events.count, 0);
	new_space(recording);
	assert_int_equal(walk(recording, 0)->flags, STACK_COMPLETE);
	assert_int_equal(fake.events.count, 0);
}

/* --- rules that were found before --- */

static struct unwind_cached *cached_rules(void)
{
	return (struct unwind_cached *)fake.rules.values;
}

static size_t count_cached(void)
{
	size_t count = 0;

	for (size_t i = 0; i < 1u << UNWIND_RULES_BITS; i++)
		count += cached_rules()[i].second != 0;
	return count;
}

/* Every rule that was found is another: what a walk would find by it is not the truth. */
static void poison(__u64 second)
{
	for (size_t i = 0; i < 1u << UNWIND_RULES_BITS; i++) {
		struct unwind_cached *cached = &cached_rules()[i];
		__u64 tag = cached->first ^ UNWIND_RULE_CHECK(cached->second);

		if (!cached->second)
			continue;
		cached->second = second;
		cached->first = tag ^ UNWIND_RULE_CHECK(second);
	}
}

static void of_another_generation(void **state)
{
	const __u64 wrong = RULE_MAPPING | UNWIND_RULE(UNWIND_UNSUPPORTED, 0, 0, 0);

	(void)state;
	vec_each (recording, &recordings.all) {
		const struct stack_value *stack;
		struct stack_value truth;
		__u32 old;

		if (!find_truth(recording, 0, &truth))
			continue;
		memset(cached_rules(), 0, sizeof(struct unwind_cached) << UNWIND_RULES_BITS);
		old = new_space(recording)->generation;
		walk(recording, 0);
		assert_true(count_cached() > 0);
		poison(wrong);
		/* They are used, or this would not test anything. */
		stack = walk(recording, 0);
		assert_int_equal(stack->flags, STACK_UNSUPPORTED);
		assert_int_equal(stack->nframes, 1);
		/* Generations whose bits are near to the old one's, and the largest that there are. */
		for (int bit = 0; bit < 17; bit++) {
			struct unwind_space *space = new_space(recording);

			poison(wrong);
			space->generation = old ^ 1u << bit;
			if (!space->generation)
				continue;
			stack = walk(recording, 0);
			if (!is_equal(stack, &truth))
				differ(recording, 0, "by rules of other mappings", stack, &truth);
			poison(wrong);
			space->generation = UNWIND_GENERATIONS - 1 - bit;
			stack = walk(recording, 0);
			if (!is_equal(stack, &truth))
				differ(recording, 0, "by rules of other mappings", stack, &truth);
		}
		generation += 64;
	}
}

/* Without a generation nothing is kept, nor looked for. */
static void of_no_generation(void **state)
{
	struct recording *recording = &recordings.all.items[0];
	struct stack_value truth;

	(void)state;
	assert_true(find_truth(recording, 0, &truth));
	new_space(recording)->generation = 0;
	assert_true(is_equal(walk(recording, 0), &truth));
	assert_int_equal(count_cached(), 0);
	/* What stands there all the same, by its tag. */
	for (size_t i = 0; i < recording->frames.count; i++) {
		__u64 tag = UNWIND_RULE_TAG(recording->frames.items[i].pc - 1, 0);
		struct unwind_cached *cached = unwind__cached(tag);

		cached->second = RULE_MAPPING | UNWIND_UNSUPPORTED;
		cached->first = tag ^ UNWIND_RULE_CHECK(cached->second);
	}
	assert_true(is_equal(walk(recording, 0), &truth));
}

/* An entry that two threads write at once, one half of each: of other addresses, or of other mappings. */
static void torn(void **state)
{
	struct unwind_cached *rules_now = cached_rules();
	size_t places = 1u << UNWIND_RULES_BITS, torn_entries = 0, kinds = 0;
	__u64 seconds[512];
	struct unwind_cached *copy = malloc(places * sizeof(*copy));

	(void)state;
	vec_each (recording, &recordings.all) {
		struct stack_value truth;

		if (!find_truth(recording, 0, &truth))
			continue;
		memset(rules_now, 0, places * sizeof(*rules_now));
		new_space(recording);
		walk(recording, 0);
		memcpy(copy, rules_now, places * sizeof(*copy));
		kinds = 0;
		for (size_t i = 0; i < places && kinds < 500; i++) {
			if (copy[i].second)
				seconds[kinds++] = copy[i].second;
		}
		seconds[kinds++] = RULE_MAPPING | UNWIND_UNSUPPORTED;
		seconds[kinds++] = 0;
		seconds[kinds++] = RULE_MAPPING;
		for (int round = 0; round < 12; round++) {
			const struct stack_value *stack;

			memcpy(rules_now, copy, places * sizeof(*copy));
			for (size_t i = 0; i < places; i++) {
				if (!copy[i].second)
					continue;
				torn_entries++;
				if (random_below(2))
					rules_now[i].second = seconds[random_below(kinds)];
				else /* by a thread of another process whose code is at the same address */
					rules_now[i].first ^= (1 + random_below(1000)) << 47;
			}
			stack = walk(recording, 0);
			if (!is_equal(stack, &truth))
				differ(recording, 0, "by rules of two halves", stack, &truth);
		}
	}
	free(copy);
	assert_true(torn_entries > 10000);
}

/* A signal may come at any address: one that looks like another generation's tag is not taken for it. */
static void tag_of_another(void **state)
{
	struct recording recording = {.space = {.count = 1}};
	struct recorded_frame frame = {.pc = 0x10001};
	__u32 mine;

	(void)state;
	assert_int_equal(vec_push(&recording.frames, frame), 0);
	recording.space.mappings[0] = (struct unwind_mapping){0x10000, 0x20000, 0, 0};
	generation = 0x100;
	mine = new_space(&recording)->generation;
	for (__u32 bit = 1; bit < UNWIND_GENERATIONS; bit <<= 1) {
		__u64 tag = UNWIND_RULE_TAG(0x10000ull, mine | bit);
		struct unwind_cached *cached = unwind__cached(tag);

		cached->second = RULE_MAPPING | UNWIND_RULE(UNWIND_END, 0, 0, 0);
		cached->first = tag ^ UNWIND_RULE_CHECK(cached->second);
		recording.frames.items[0].pc = (0x10000ull | (__u64)bit << 47) + 1;
		if (mine & bit)
			continue;
		assert_int_equal(walk(&recording, 0)->flags, STACK_NO_MAPPING);
	}
	vec_free(&recording.frames);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(wild_tables, begin, end),
		cmocka_unit_test_setup_teardown(missing_pages, begin, end),
		cmocka_unit_test_setup_teardown(wild_spaces, begin, end),
		cmocka_unit_test_setup_teardown(full_space, begin, end),
		cmocka_unit_test_setup_teardown(unknown_mapping, begin, end),
		cmocka_unit_test_setup_teardown(of_another_generation, begin, end),
		cmocka_unit_test_setup_teardown(of_no_generation, begin, end),
		cmocka_unit_test_setup_teardown(torn, begin, end),
		cmocka_unit_test_setup_teardown(tag_of_another, begin, end),
	};

	return cmocka_run_group_tests(tests, load_all, free_all);
}

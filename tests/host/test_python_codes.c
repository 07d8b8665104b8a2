// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The numbers of Python's code objects: who has one, and what user space is told. */
#include "bench.h"
#include "made_python.h"

static struct made_python *made;

static int begin(void **state)
{
	(void)state;
	made = made_python__new(&made_versions[2], MADE_CURRENT);
	return 0;
}

static int end(void **state)
{
	(void)state;
	made_python__free(made);
	return 0;
}

static void assert_walked(const char *expected, __u32 flags)
{
	const struct stack_value *stack = made_python__walk(made);
	char text[STACK_FRAMES_MAX + 1];

	assert_string_equal(made_python__write(stack, text), expected);
	assert_int_equal(stack->flags, flags);
}

/* The number of the innermost frame's code object, 0: it has none. */
static __u32 number(void)
{
	__u64 frame = made_python__walk(made)->frames[0];

	assert_int_equal(frame >> 62, 1);
	return PYTHON_FRAME_ID(frame);
}

static __u64 identity(char letter)
{
	__u64 text = 0x71000000ull + (__u64)letter * 64;

	return PYTHON_IDENTITY(text, text + 16, text + 32, letter * 10u);
}

static void told_once(void **state)
{
	const __u64 known = fake.now;

	(void)state;
	made_python__stack(made, "[ABA]a[BCAB]b");
	for (int i = 0; i < 3; i++)
		assert_walked("ABAaBCABb", STACK_COMPLETE);
	assert_int_equal(fake.events.count, 3);
	assert_int_equal(HASH_COUNT(fake.codes.entries), 3);
	for (size_t i = 0; i < 3; i++) {
		struct event wanted = {.type = EVENT_CODE, .account = made->account, .other = (__u32)i + 1};

		wanted.arg[0] = made_python__code((char)('A' + i));
		wanted.arg[1] = identity((char)('A' + i));
		wanted.time_ns = fake.events.items[i].time_ns;
		assert_in_range(wanted.time_ns, known + 1, fake.now);
		assert_memory_equal(&fake.events.items[i], &wanted, sizeof(wanted));
	}
}

/* Another object at the address of one that is gone. */
static void another_at_its_address(void **state)
{
	const struct python_layout *layout = made->layout;
	const __u32 fields[] = {layout->filename, layout->name, layout->line_table, layout->first_line};
	__u64 code = made_python__code('A');
	__u32 first;

	(void)state;
	made_python__stack(made, "[A]a");
	first = number();
	for (size_t i = 0; i < 4; i++) {
		__u64 before = 0;

		fake_memory__read(&made->process->memory, code + fields[i], &before, fields[i] & 4 ? 4 : 8);
		made_python__put(made, code, fields[i], before + 16, 4);
		assert_int_equal(number(), first + i + 1);
		assert_int_equal(fake.events.count, i + 2);
		assert_int_equal(fake.events.items[i + 1].arg[0], code);
		assert_int_not_equal(fake.events.items[i + 1].arg[1], fake.events.items[i].arg[1]);
		made_python__put(made, code, fields[i], before, 4);
		assert_int_equal(number(), first); /* that one is known still */
	}
	assert_int_equal(fake.events.count, 5);
}

/* The same address and contents in another process, or after exec. */
static void another_account(void **state)
{
	__u32 first;

	(void)state;
	made_python__stack(made, "[A]a");
	first = number();
	made->walker->account++;
	assert_int_not_equal(number(), first);
	assert_int_equal(fake.events.count, 2);
	assert_int_equal(fake.events.items[1].account, made->walker->account);
	made->walker->account--;
	assert_int_equal(number(), first);
}

static void codes_full(void **state)
{
	(void)state;
	fake.codes.max_entries = 2;
	made_python__stack(made, "[AB]a[CA]b");
	assert_walked("ABa?Ab", STACK_COMPLETE | STACK_CODES_FULL);
	assert_walked("ABa?Ab", STACK_COMPLETE | STACK_CODES_FULL);
	assert_int_equal(fake.events.count, 2);
	fake.codes.max_entries = 3;
	assert_walked("ABaCAb", STACK_COMPLETE);
	assert_int_equal(fake.events.count, 3);
}

static void no_memory(void **state)
{
	(void)state;
	fake.no_memory_map = &codes;
	fake.no_memory_every = 2;
	made_python__stack(made, "[ABC]a");
	assert_walked("A?Ca", STACK_COMPLETE | STACK_CODES_FULL);
	fake.no_memory_map = NULL;
	assert_walked("ABCa", STACK_COMPLETE);
}

/* A number that user space could not be told of is nobody's: the next that comes gets one that it can be. */
static void ring_full(void **state)
{
	(void)state;
	fake.events_room = 1;
	made_python__stack(made, "[AB]a");
	assert_walked("A?a", STACK_COMPLETE | STACK_CODES_FULL);
	assert_int_equal(HASH_COUNT(fake.codes.entries), 1);
	fake.events_room = 2;
	assert_walked("ABa", STACK_COMPLETE);
	assert_int_equal(fake.events.count, 2);
}

/* Another thread gives the code object a number between look-up and insertion. */
static void race(void *map, const void *key)
{
	__u32 raced = 77;

	if (map != &codes)
		return;
	fake.before_update = NULL;
	assert_int_equal(bpf_map_update_elem(&codes, key, &raced, BPF_NOEXIST), 0);
}

static void lost_race(void **state)
{
	(void)state;
	made_python__stack(made, "[A]a");
	fake.before_update = race;
	assert_int_equal(number(), 77);
	assert_int_equal(fake.events.count, 0); /* the other tells it */
	assert_int_equal(number(), 77);
}

/* An allocation from the stack that has been made; its block. */
static void allocate(__u64 block)
{
	const struct walk_begin *from = &made->walker->begin;

	machine__enter(made->machine, malloc_site, args(1, 0, 0), from->sp - 8, from->ip);
	assert_true(machine__leave(made->machine, from->sp - 8, block, from->fp));
	assert_non_null(fake__live(made->account, DOMAIN_HEAP, block));
}

/* In the books: each such stack is counted once. */
static void losses_counted(void **state)
{
	(void)state;
	made_python__stack(made, "a[AB]b");
	allocate(0x10010);
	allocate(0x10020);
	assert_int_equal(fake__losses(), 0);
	made_python__set_state(made, MADE_CURRENT, 0);
	allocate(0x10030);
	allocate(0x10040);
	assert_int_equal(fake__loss(LOSS_PYTHON_FRAMES).events, 1);
	assert_int_equal(fake__losses(), 1);
	made_python__set_state(made, MADE_CURRENT, MADE_STATE);
	fake.codes.max_entries = 2;
	made_python__stack(made, "a[AC]b");
	allocate(0x10050);
	allocate(0x10060);
	assert_int_equal(fake__loss(LOSS_PYTHON_CODES).events, 1);
	assert_int_equal(fake__losses(), 2);
	assert_int_equal(fake__stack_count(), 3);
	assert_sum(0x401000, 6, 6, 0, 0);
}

/* When there is hardly any room left for stacks, what is left of one reaches to Python's innermost frame. */
static void line_kept(void **state)
{
	static const struct {
		const char *written, *kept;
	} cases[] = {
		{"abcdefg[AB]c", "abcdefgA"},
		{"[AB]cdefg", "A"},
		{"abcdefghabcdefghabcde[AB]c", "abcdefghabcdefghabcdeA"},
		{"abcdefghabcdefghabcdef[AB]c", "abcdefghabcdefghabcdef"},
		{"abcdef", "abcd"},
	};
	char text[STACK_FRAMES_MAX + 1];
	struct fake_entry *entry, *next;
	int class;

	(void)state;
	used_totals = max_totals - 1;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		__u64 block = 0x10010 + i * 16;

		made_python__stack(made, cases[i].written);
		allocate(block);
		FAKE_EACH_STACK(class, entry, next)
		{
			struct stack_value *stack = entry->value;

			if (stack->total != fake__live(made->account, DOMAIN_HEAP, block)->total)
				continue;
			assert_string_equal(made_python__write(stack, text), cases[i].kept);
			assert_int_equal(stack->flags, STACK_SHORTENED);
		}
		assert_int_equal(fake__stack_count(), i + 1);
	}
	assert_int_equal(fake__loss(LOSS_STACK_SHORTENED).events, fake__stack_count());
	assert_int_equal(fake__losses(), fake__stack_count());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(told_once, begin, end),
		cmocka_unit_test_setup_teardown(another_at_its_address, begin, end),
		cmocka_unit_test_setup_teardown(another_account, begin, end),
		cmocka_unit_test_setup_teardown(codes_full, begin, end),
		cmocka_unit_test_setup_teardown(no_memory, begin, end),
		cmocka_unit_test_setup_teardown(ring_full, begin, end),
		cmocka_unit_test_setup_teardown(lost_race, begin, end),
		cmocka_unit_test_setup_teardown(losses_counted, begin, end),
		cmocka_unit_test_setup_teardown(line_kept, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

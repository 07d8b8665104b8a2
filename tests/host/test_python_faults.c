// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Python's memory that cannot be read, or holds anything at all; and code objects for which there is no room.
 */
#include "made_python.h"

#include <cmocka.h>
#include <ctype.h>

#define TEXT_MAX  4096
#define STEPS_MAX (STACK_FRAMES_MAX * 3)
#define ENDS                                                                                                 \
	(STACK_TRUNCATED | STACK_UNREADABLE | STACK_COMPLETE | STACK_NO_RULE | STACK_UNSUPPORTED |           \
	 STACK_NO_MAPPING)
#define EACH_VERSION(version)                                                                                \
	for (version = made_versions; version < made_versions + made_version_count; version++)

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

/* What is true of every walk, whatever it walks over. */
static const struct stack_value *sound_walk(struct made_python *made)
{
	const struct stack_value *stack = made_python__walk(made);

	assert_in_range(stack->nframes, 1, STACK_FRAMES_MAX);
	/* There is one reason why it ends. */
	assert_int_not_equal(stack->flags & ENDS, 0);
	assert_int_equal(stack->flags & ENDS & ((stack->flags & ENDS) - 1), 0);
	assert_int_equal(stack->flags & ~(ENDS | STACK_NO_PYTHON | STACK_CODES_FULL), 0);
	assert_in_range(fake.loops, 1, STEPS_MAX);
	assert_in_range(fake.reads, 0, STEPS_MAX * 8);
	assert_in_range(made->walker->walk.core, 1, STACK_FRAMES_SHORT);
	return stack;
}

/*
 * As much of the stack @written so as there is if Python's frames can be read up to the @count-th that is
 * shown: no more of them, and native frames in the place of the runs further out.
 */
static void expect_some(const char *written, bool single, size_t count, char *expected)
{
	for (; *written; written++) {
		size_t shown = 0;

		if (*written != '[') {
			*expected++ = *written;
			continue;
		}
		for (written++; *written != ']'; written++) {
			if (!isupper(*written) && !single)
				continue;
			if (count) {
				*expected++ = (char)toupper(*written);
				count--;
				shown++;
			}
		}
		if (!shown)
			*expected++ = '#';
	}
	*expected = '\0';
}

/* How many of Python's frames there are in @text. */
static size_t count_python(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += !!isupper(*text);
	return count;
}

/* Where @text is another than @expected the native frames have come to an end: only Python's are expected
 * further. */
static void leave_python(char *expected, const char *text)
{
	char *to;

	for (; *expected && *expected == *text; text++)
		expected++;
	for (to = expected; *expected; expected++) {
		if (isupper(*expected))
			*to++ = *expected;
	}
	*to = '\0';
}

static void assert_left(const struct stack_value *stack, const char *written, bool single, const char *whole)
{
	char text[STACK_FRAMES_MAX + 1], expected[TEXT_MAX];
	size_t count;

	made_python__write(stack, text);
	count = count_python(text);
	expect_some(written, single, count, expected);
	if (stack->flags & STACK_UNREADABLE) { /* the native side */
		leave_python(expected, text);
		assert_string_equal(text, expected);
		assert_int_equal(stack->flags & ~STACK_NO_PYTHON, STACK_UNREADABLE);
		return;
	}
	assert_string_equal(text, expected);
	/* What was missed may have been none that is shown. */
	if (strcmp(text, whole))
		assert_int_equal(stack->flags, STACK_COMPLETE | STACK_NO_PYTHON);
	else
		assert_int_equal(stack->flags & ~STACK_NO_PYTHON, STACK_COMPLETE);
}

/* The k-th read fails, and those after it or not. */
static void reads_that_fail(void **state)
{
	static const char *const singles[] = {"a[A]b[B]c", "[A][B]a[C]bcd"};
	static const char *const others[] = {"a[AB]b[CDE]c[F]d", "[AB][C]a[bCd]e[fG]h"};
	const struct made_version *version;
	size_t cases = 0, python = 0, native = 0;

	(void)state;
	EACH_VERSION(version)
	{
		for (int number = 0; number < MADE_WAYS * 4; number++) {
			struct made_python *made = made_python__new(version, number / 4);
			bool single = made_python__is_single(made), rest = number & 1;
			const char *written = (single ? singles : others)[number / 2 % 2];
			char whole[TEXT_MAX];
			unsigned reads;

			made_python__stack(made, written);
			made_python__expect(written, single, whole);
			assert_left(sound_walk(made), written, single, whole);
			reads = fake.reads;
			for (unsigned k = 1; k <= reads; k++, cases++) {
				const struct stack_value *stack;

				fake.fail_rest = rest;
				fake.fail_read = k;
				stack = sound_walk(made);
				fake.fail_read = 0;
				assert_left(stack, written, single, whole);
				python += !!(stack->flags & STACK_NO_PYTHON);
				native += !!(stack->flags & STACK_UNREADABLE);
			}
			made_python__free(made);
		}
	}
	print_message("%zu reads: %zu of Python's missed, %zu native ones\n", cases, python, native);
	assert_true(cases > 1000 && python > 300 && native > 100);
}

/* Memory that is not there: of a frame, of a code object. What is further out cannot be told. */
static void memory_missing(void **state)
{
	const struct made_version *version;
	char text[STACK_FRAMES_MAX + 1];

	(void)state;
	EACH_VERSION(version)
	{
		struct made_python *made = made_python__new(version, MADE_CURRENT);
		bool single = made_python__is_single(made);
		const struct stack_value *stack;

		made_python__stack(made, single ? "a[A]b[B]c[C]d" : "a[AB]b[C]c");
		made_python__put(made, made_python__frame(1), made->layout->code, 0xdead0000, 8);
		stack = sound_walk(made);
		assert_string_equal(made_python__write(stack, text), single ? "aAb#c#d" : "aAb#c");
		assert_int_equal(stack->flags, STACK_COMPLETE | STACK_NO_PYTHON);
		made_python__put(made, made_python__frame(0), made->layout->previous, 0xdead0000, 8);
		stack = sound_walk(made);
		assert_string_equal(made_python__write(stack, text), single ? "aAb#c#d" : "aAb#c");
		assert_int_equal(stack->flags, STACK_COMPLETE | STACK_NO_PYTHON);
		made_python__free(made);
	}
}

/* Frames that call each other in a ring. */
static void rings(void **state)
{
	const struct made_version *version;
	const struct stack_value *stack;
	char text[STACK_FRAMES_MAX + 1];

	(void)state;
	EACH_VERSION(version)
	{
		struct made_python *made = made_python__new(version, MADE_CURRENT);
		__u32 previous = made->layout->previous;

		if (made_python__is_single(made)) {
			made_python__stack(made, "a[A]b[B]c[C]d");
			made_python__put(made, made_python__frame(1), previous, made_python__frame(0), 8);
			stack = sound_walk(made);
			made_python__write(stack, text);
			assert_memory_equal(text, "aAbBcAdBABABAB", 14);
			assert_int_equal(stack->nframes, STACK_FRAMES_MAX);
			assert_int_equal(stack->flags, STACK_TRUNCATED);
			made_python__cut(made, 4, 0xdead0000); /* the native frames have ended by then */
			stack = sound_walk(made);
			assert_memory_equal(made_python__write(stack, text), "aAbBABABAB", 10);
			assert_int_equal(stack->nframes, STACK_FRAMES_MAX);
			assert_int_equal(stack->flags, STACK_UNREADABLE);
		} else {
			made_python__stack(made, "a[AB]b");
			made_python__put(made, made_python__frame(0), previous, made_python__frame(0), 8);
			stack = sound_walk(made);
			assert_int_equal(stack->nframes, STACK_FRAMES_MAX);
			assert_int_equal(stack->flags, STACK_TRUNCATED);
			made_python__write(stack, text);
			assert_int_equal(strspn(text + 1, "A"), STACK_FRAMES_MAX - 1);
			/* Frames that are not shown take no room, but there is an end to them. */
			made_python__stack(made, "a[aB]b");
			made_python__put(made, made_python__frame(0), previous, made_python__frame(0), 8);
			stack = sound_walk(made);
			assert_int_equal(fake.loops, STEPS_MAX);
			assert_string_equal(made_python__write(stack, text), "a#");
			assert_int_equal(stack->flags, STACK_TRUNCATED);
		}
		if (made->layout->owner_native !=
		    PYTHON_NO_FIELD) { /* what marks where runs end has no end itself */
			made_python__stack(made, "a[A]b[B]c");
			made_python__put(made, made_python__frame(1), previous, made_python__frame(1), 8);
			stack = sound_walk(made);
			assert_string_equal(made_python__write(stack, text), "aAb#c");
			assert_int_equal(stack->flags, STACK_TRUNCATED);
		}
		made_python__free(made);
	}
}

/* The fields of a layout that are offsets and the like. */
static __u32 *field(struct python_layout *layout, size_t number)
{
	return &layout->key_type + number;
}
#define FIELDS                                                                                               \
	((offsetof(struct python_layout, ranges) - offsetof(struct python_layout, key_type)) / sizeof(__u32))

/* Layouts that user space would never make: nothing is read or written that is not the thread's. */
static void wild_layouts(void **state)
{
	static const __u32 values[] = {0,         1,       7,          8,          120,
				       127,       128,     129,        255,        256,
				       257,       1 << 12, 0x7fffffff, 0x80000000, UINT32_MAX - 7,
				       UINT32_MAX};
	const struct made_version *version;

	(void)state;
	seed = 1;
	EACH_VERSION(version)
	{
		struct made_python *made = made_python__new(version, MADE_KEY_LOW);
		struct python_layout good = *made->layout;

		made_python__stack(made, made_python__is_single(made) ? "a[A]b[B]c[C]d" : "a[AB]b[cD]c[E]d");
		for (size_t i = 0; i < FIELDS * (sizeof(values) / sizeof(values[0])); i++) {
			*made->layout = good;
			*field(made->layout, i % FIELDS) = values[i / FIELDS];
			made_python__changed(made);
			sound_walk(made);
		}
		for (int round = 0; round < 3000; round++) {
			*made->layout = good;
			for (size_t count = 1 + random_below(3); count; count--)
				*field(made->layout, random_below(FIELDS)) =
					random_word() >> random_below(32);
			if (round & 1)
				made->layout->code_mask = random_word();
			made_python__changed(made);
			sound_walk(made);
		}
		*made->layout = good;
		made_python__changed(made);
		assert_int_equal(sound_walk(made)->flags, STACK_COMPLETE);
		made_python__free(made);
	}
}

static __u64 random_lie(void)
{
	switch (random_below(6)) {
	case 0:
		return made_python__frame(random_below(8));
	case 1:
		return made_python__code((char)('A' + random_below(26)));
	case 2:
		return MADE_HEAP + random_below(MADE_HEAP_BYTES);
	case 3:
		return random_below(2) ? MADE_STATE : MADE_CFRAMES;
	case 4:
		return random_below(256);
	default:
		return random_word();
	}
}

/* Words of Python's that are something else. */
static void wrong_words(void **state)
{
	const struct made_version *version;

	(void)state;
	seed = 1;
	EACH_VERSION(version)
	{
		for (int round = 0; round < 600; round++) {
			struct made_python *made = made_python__new(version, random_below(MADE_WAYS));
			bool single = made_python__is_single(made);

			made_python__stack(made, single ? "a[A]b[B]c[C]d[D]" : "a[AB]b[cD]c[E]d[FGH]");
			for (size_t count = 1 + random_below(4); count; count--) {
				__u64 place =
					made_python__frame(0) + random_below(8 * MADE_FRAME_BYTES / 8) * 8;

				if (!random_below(3))
					place = MADE_CODES + random_below(8 * MADE_CODE_BYTES / 8) * 8;
				else if (!random_below(3))
					place = MADE_HEAP + random_below(MADE_CODES - MADE_HEAP - 8);
				fake_memory__put(&made->process->memory, place, random_lie());
			}
			sound_walk(made);
			made_python__free(made);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_that_fail), cmocka_unit_test(memory_missing), cmocka_unit_test(rings),
		cmocka_unit_test(wild_layouts),    cmocka_unit_test(wrong_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Python's frames in stacks: which take the place of which evaluation frame, and in which order. */
#include "made_python.h"

#include <cmocka.h>

#define TEXT_MAX 4096

static __u64 seed;

static size_t random_below(size_t bound)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % bound;
}

/* Python's innermost frame is the last one that is left of a stack, wherever it is. */
static __u32 core_of(const struct stack_value *stack)
{
	for (__u32 i = 0; i < stack->nframes; i++) {
		if (stack->frames[i] & FRAME_IS_PYTHON)
			return i < STACK_FRAMES_SHORT ? i + 1 : STACK_FRAMES_SHORT;
	}
	return STACK_FRAMES_CORE;
}

static __u64 hash_of(const struct stack_value *stack)
{
	__u64 hash = 0;

	for (size_t i = 0; i < stack->nframes; i++)
		hash = unwind__mix(hash, stack->frames[i]);
	return hash;
}

static void assert_walked(struct made_python *made, const char *expected, __u32 flags)
{
	const struct stack_value *stack = made_python__walk(made);
	char text[STACK_FRAMES_MAX + 1];
	size_t shown = 0;

	assert_string_equal(made_python__write(stack, text), expected);
	assert_int_equal(stack->flags, flags);
	for (size_t i = 0; i < stack->nframes; i++) {
		if (stack->frames[i] & FRAME_IS_PYTHON)
			assert_int_equal(PYTHON_FRAME_AT(stack->frames[i]), made->shown_at[shown++]);
	}
	assert_int_equal(made->walker->walk.core, core_of(stack));
	assert_int_equal(made->walker->hash, hash_of(stack));
}

/* By search, and by what has been found before. */
static void assert_shown(struct made_python *made, const char *written, const char *expected)
{
	made_python__stack(made, written);
	assert_walked(made, expected, STACK_COMPLETE);
	assert_walked(made, expected, STACK_COMPLETE);
}

static const struct made_version *version(const char *name)
{
	for (size_t i = 0; i < made_version_count; i++) {
		if (!strcmp(made_versions[i].name, name))
			return &made_versions[i];
	}
	fail();
	return NULL;
}

#define EACH_VERSION(version)                                                                                \
	for (version = made_versions; version < made_versions + made_version_count; version++)

static void one_frame_each(void **state)
{
	const struct made_version *version;

	(void)state;
	EACH_VERSION(version)
	{
		struct made_python *made = made_python__new(version, MADE_CURRENT);

		assert_shown(made, "a", "a");
		assert_shown(made, "[A]", "A");
		assert_shown(made, "[A]b", "Ab");
		assert_shown(made, "ab[A]c[B]d", "abAcBd");
		assert_shown(made, "a[A][B][C]", "aABC"); /* evaluation frames right above one another */
		assert_shown(made, "a[A]b[A]c[A]d", "aAbAcAd");
		assert_shown(made, "[A]<[B]<", "A<B<");
		made_python__free(made);
	}
}

static void runs(void **state)
{
	const struct made_version *version;

	(void)state;
	EACH_VERSION(version)
	{
		struct made_python *made = made_python__new(version, MADE_CURRENT);

		if (!made_python__is_single(made)) {
			assert_shown(made, "[ABC]", "ABC");
			assert_shown(made, "a[AB]b[CDE]c[F]d", "aABbCDEcFd");
			assert_shown(made, "[AB][CD]ab[EA]", "ABCDabEA");
			assert_shown(made, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa[AB]b",
				     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaABb");
		}
		made_python__free(made);
	}
}

/* Frames that have not begun are left out; where a run has no others, the native frame stays. */
static void incomplete(void **state)
{
	const struct made_version *version;

	(void)state;
	EACH_VERSION(version)
	{
		struct made_python *made = made_python__new(version, MADE_CURRENT);

		if (made_python__is_single(made)) {
			assert_shown(made, "a[a]b[B]c", "aAbBc"); /* these versions show them */
		} else {
			assert_shown(made, "a[aB]b", "aBb");
			assert_shown(made, "a[Ab]b[C]c", "aAbCc");
			assert_shown(made, "a[AbcD]b[eF]c", "aADbFc");
			assert_shown(made, "a[a]b[bc]c[D]d", "a#b#cDd");
			assert_shown(made, "a[a][b][C]d", "a##Cd");
			assert_shown(made, "a[a*b*]b[c*D]c", "aABbCDc");
		}
		made_python__free(made);
	}
}

/* A made-up stack; @single: with one frame a run. */
static void write_random(char *text, bool single)
{
	size_t count = random_below(8) ? 1 + random_below(12) : 40 + random_below(70);

	while (count--) {
		if (random_below(3)) {
			*text++ = "abcdefghij<"[random_below(11)];
			continue;
		}
		*text++ = '[';
		for (size_t left = single ? 1 : 1 + random_below(4); left; left--) {
			bool begun = single || random_below(5);

			*text++ = (char)((begun ? 'A' : 'a') + random_below(26));
			if (!begun && !random_below(3))
				*text++ = '*';
		}
		*text++ = ']';
	}
	*text = '\0';
}

static void random_stacks(void **state)
{
	char written[TEXT_MAX], expected[TEXT_MAX];
	const struct made_version *version;
	size_t truncated = 0, replaced = 0, kept = 0;

	(void)state;
	seed = 1;
	EACH_VERSION(version)
	{
		for (int way = 0; way < MADE_WAYS; way++) {
			struct made_python *made = made_python__new(version, way);
			bool single = made_python__is_single(made);

			for (int round = 0; round < 250; round++) {
				__u32 flags = STACK_COMPLETE;

				write_random(written, single);
				made_python__expect(written, single, expected);
				if (strlen(expected) > STACK_FRAMES_MAX) {
					expected[STACK_FRAMES_MAX] = '\0';
					flags = STACK_TRUNCATED;
				}
				made_python__stack(made, written);
				assert_walked(made, expected, flags);
				truncated += flags == STACK_TRUNCATED;
				replaced += strpbrk(expected, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != NULL;
				kept += strchr(expected, '#') != NULL;
			}
			made_python__free(made);
		}
	}
	print_message("%zu with Python frames, %zu with evaluation frames kept, %zu truncated\n", replaced,
		      kept, truncated);
	assert_true(truncated > 50 && replaced > 2000 && kept > 200);
}

/* The last frame that there is room for may be an evaluation frame, or come in the middle of a run. */
static void limit(void **state)
{
	struct made_python *made = made_python__new(version("3.12"), MADE_CURRENT);
	char written[TEXT_MAX], expected[TEXT_MAX];

	(void)state;
	for (size_t natives = STACK_FRAMES_MAX - 5; natives <= STACK_FRAMES_MAX + 1; natives++) {
		memset(written, 'a', natives);
		memcpy(written + natives, "[ABC]", sizeof("[ABC]"));
		made_python__stack(made, written);
		made_python__expect(written, false, expected);
		if (natives + 3 > STACK_FRAMES_MAX)
			expected[STACK_FRAMES_MAX] = '\0';
		assert_walked(made, expected,
			      natives + 3 > STACK_FRAMES_MAX ? STACK_TRUNCATED : STACK_COMPLETE);
	}
	made_python__free(made);
}

/* Whose state it is is asked, wherever it was found. */
static void states(void **state)
{
	const struct made_version *version;

	(void)state;
	EACH_VERSION(version)
	{
		for (int way = 0; way < MADE_WAYS; way++) {
			struct made_python *made = made_python__new(version, way);

			assert_shown(made, "a[A]b[B]c", "aAbBc");
			made_python__set_state(made, way, MADE_OTHERS);
			assert_walked(made, "a#b#c", STACK_COMPLETE | STACK_NO_PYTHON);
			made_python__set_state(made, way, 0);
			assert_walked(made, "a#b#c", STACK_COMPLETE | STACK_NO_PYTHON);
			made_python__set_state(made, way, 0xdead0000);
			assert_walked(made, "a#b#c", STACK_COMPLETE | STACK_NO_PYTHON);
			/* Another thread holds the GIL: the key's is this one's. */
			if (way == MADE_KEY_LOW) {
				made->layout->current = MADE_RUNTIME + 8;
				made_python__set_state(made, MADE_CURRENT, MADE_OTHERS);
				made_python__set_state(made, way, MADE_STATE);
				assert_walked(made, "aAbBc", STACK_COMPLETE);
			}
			made_python__set_state(made, way, MADE_STATE);
			made->layout->current = 0;
			made->layout->key_type = PYTHON_STATE_NONE;
			assert_walked(made, "a#b#c", STACK_COMPLETE | STACK_NO_PYTHON);
			made_python__free(made);
		}
	}
}

/* A state without frames, and fewer runs than there are evaluation frames. */
static void frames_missing(void **state)
{
	const struct made_version *version;

	(void)state;
	EACH_VERSION(version)
	{
		struct made_python *made = made_python__new(version, MADE_CURRENT);
		__u32 previous = made->layout->previous;

		made_python__stack(made, "a[A]b[B]c[C]d");
		/* The outer two are cut off. */
		made_python__put(made, made_python__frame(made->layout->owner_native != PYTHON_NO_FIELD),
				 previous, 0, 8);
		assert_walked(made, "aAb#c#d", STACK_COMPLETE);
		if (made->layout->thread_frame != PYTHON_NO_FIELD)
			made_python__put(made, MADE_STATE, made->layout->thread_frame, 0, 8);
		else
			made_python__put(made, MADE_STATE, made->layout->thread_cframe, 0, 8);
		assert_walked(made, "a#b#c#d", STACK_COMPLETE | STACK_NO_PYTHON);
		made_python__free(made);
	}
}

/* Where the native stack has come to its end Python's frames go on, however it ended. */
static void native_end(void **state)
{
	const struct made_version *version;

	(void)state;
	EACH_VERSION(version)
	{
		struct made_python *made = made_python__new(version, MADE_CURRENT);

		made_python__stack(made, "a[A]b[B]c[C]d[D]e");
		made_python__cut(made, 5, 0);
		assert_walked(made, "aAbBcCD", STACK_COMPLETE);
		made_python__cut(made, 4, 0xdead0000);
		assert_walked(made, "aAbBCD", STACK_UNREADABLE);
		made_python__cut(made, 2, 4);
		assert_walked(made, "aABCD", STACK_NO_RULE);
		made_python__set_state(made, MADE_CURRENT, 0);
		assert_walked(made, "a#", STACK_NO_RULE | STACK_NO_PYTHON);
		made_python__free(made);
	}
}

/* Where no interpreter is known, its functions are as any others. */
static void no_interpreter(void **state)
{
	struct made_python *made = made_python__new(version("3.11"), MADE_CURRENT);
	struct unwind_space *space = bpf_map_lookup_elem(&spaces, &made->account);
	static const __u32 slots[] = {0, FAKE_PYTHONS, UINT32_MAX};

	(void)state;
	made_python__stack(made, "a[AB]b");
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		space->python = slots[i];
		made_python__changed(made);
		assert_walked(made, "a#b", STACK_COMPLETE);
	}
	space->python = MADE_SLOT;
	made->layout->range_count = 0;
	made_python__changed(made);
	assert_walked(made, "a#b", STACK_COMPLETE);
	assert_int_equal(fake.events.count, 0);
	made_python__free(made);
}

static void assert_at(struct made_python *made, __u64 value, __s64 expected)
{
	const struct python_layout *layout = made->layout;
	const struct stack_value *stack;

	made_python__put(made, made_python__frame(0), layout->instruction, value,
			 layout->counting == PYTHON_IS_ADDRESS ? 8 : 4);
	stack = made_python__walk(made);
	assert_int_equal(stack->frames[0] >> 62, 1);
	assert_int_equal(PYTHON_FRAME_AT(stack->frames[0]), expected);
}

/* An instruction of which there is no room, or before the first by more than one, is none. */
static void instructions(void **state)
{
	const __s64 none = PYTHON_INSTRUCTION - PYTHON_BEFORE;
	struct made_python *made = made_python__new(version("3.8"), MADE_CURRENT);
	__u64 first;

	(void)state;
	made_python__stack(made, "[A]");
	assert_at(made, 0, 0);
	assert_at(made, UINT32_MAX, -1);
	assert_at(made, none - 1, none - 1);
	assert_at(made, none + 1, none);
	assert_at(made, INT32_MAX, none);
	assert_at(made, (__u32)INT32_MIN, none);
	made_python__free(made);
	made = made_python__new(version("3.10"), MADE_CURRENT);
	made_python__stack(made, "[A]");
	assert_at(made, UINT32_MAX, -2);
	assert_at(made, none / 2, none / 2 * 2);
	assert_at(made, none, none);
	assert_at(made, INT32_MAX, none);
	assert_at(made, (__u32)-2, none);
	made_python__free(made);
	made = made_python__new(version("3.12"), MADE_CURRENT);
	made_python__stack(made, "[a*]");
	first = made_python__code('A') + made->layout->instructions;
	assert_at(made, first - 2, -2);
	assert_at(made, first + none - 2, none - 2);
	assert_at(made, first - 4, none);
	assert_at(made, 0, none);
	assert_at(made, UINT64_MAX, none);
	assert_at(made, first + INT64_MAX, none);
	assert_at(made, first + INT64_MAX + 1, none);
	made_python__free(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_frame_each), cmocka_unit_test(runs),
		cmocka_unit_test(incomplete),     cmocka_unit_test(random_stacks),
		cmocka_unit_test(limit),          cmocka_unit_test(states),
		cmocka_unit_test(native_end),     cmocka_unit_test(frames_missing),
		cmocka_unit_test(no_interpreter), cmocka_unit_test(instructions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

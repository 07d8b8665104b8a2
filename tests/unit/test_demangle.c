// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "symbolize/demangle.h"

#include "symbolize_support.h"

static void expect(const char *name, const char *wanted)
{
	char *text = demangle__name(name);

	if (wanted)
		assert_string_equal(text, wanted);
	else
		assert_null(text);
	free(text);
}

static void cplusplus(void **state)
{
	(void)state;
	/* The examples of the Itanium C++ ABI, 5.1. */
	expect("_Z1fv", "f()");
	expect("_Z1fi", "f(int)");
	expect("_Z3foo3bar", "foo(bar)");
	expect("_Zrm1XS_", "operator%(X, X)");
	expect("_Z3fo5IL_Z2barEvE3", NULL);
	expect("_ZN6System5Sound4beepEv", "System::Sound::beep()");
	expect("_Znwm", "operator new(unsigned long)");
	expect("_ZdaPv", "operator delete[](void*)");
}

static void rust(void **state)
{
	(void)state;
	expect("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt");
	expect("_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$"
	       "3bar17h930b740aa94f1d3aE",
	       "<Test + 'static as foo::Bar<Test>>::bar");
	/* The examples of Rust's RFC 2603. */
	expect("_RNvC6_123foo3bar", "123foo::bar");
	expect("_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar");
	expect("_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y",
	       "utf8_idents::საჭმელად_გემრიელი_სადილი");
}

static void not_mangled(void **state)
{
	(void)state;
	expect("malloc", NULL);
	expect("", NULL);
	expect("_", NULL);
	expect("_Z", NULL);
	expect("_R", NULL);
	expect("_Zzzz", NULL);
}

/* f(X<int, int>, X<S0, S0>, X<S1, S1>, …): each parameter is twice as long as the one before it. */
static void doubling_name(char *name, int rounds)
{
	const char *digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t used = (size_t)sprintf(name, "_Z1f1XIiiE");

	for (int i = 0; i < rounds; i++)
		used += (size_t)sprintf(name + used, "S_IS%c_S%c_E", digits[i], digits[i]);
}

static void unfolding_without_end(void **state)
{
	char name[1024];

	(void)state;
	doubling_name(name, 2);
	expect(name, "f(X<int, int>, X<X<int, int>, X<int, int> >, "
		     "X<X<X<int, int>, X<int, int> >, X<X<int, int>, X<int, int> > >)");
	/* 2^30 ints: it must come back, and without them. */
	doubling_name(name, 30);
	expect(name, NULL);
}

static void long_names(void **state)
{
	char *name = malloc(100001);

	(void)state;
	memset(name, 'i', 100000);
	memcpy(name, "_Z1f", 4);
	name[100000] = '\0';
	expect(name, NULL);
	/* Nested templates without end need a stack without end. */
	for (int i = 4; i + 3 < 16000; i += 3)
		memcpy(name + i, "1XI", 3);
	name[15000] = '\0';
	expect(name, NULL);
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cplusplus),   cmocka_unit_test(rust),
		cmocka_unit_test(not_mangled), cmocka_unit_test(unfolding_without_end),
		cmocka_unit_test(long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "attach/allocators.h"

static void table_is_sorted_and_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < allocator_function_count; i++) {
		const struct allocator_function *row = &allocator_functions[i];

		assert_true(row->kind > CALL_NONE && row->kind < CALL_KINDS);
		assert_true(row->domain < DOMAIN_COUNT);
		assert_int_equal(row->cpp,
				 strncmp(row->symbol, "_Zn", 3) == 0 || strncmp(row->symbol, "_Zd", 3) == 0);
		assert_ptr_equal(allocators__find(row->symbol), row);
		if (i)
			assert_true(strcmp(row[-1].symbol, row->symbol) < 0);
	}
}

static void every_entry_point_has_its_kind(void **state)
{
	/* By the manual pages malloc(3), posix_memalign(3), mmap(2), mremap(2), jemalloc(3) and C23. */
	static const struct {
		const char *symbol;
		enum call_kind kind;
		enum domain domain;
	} expected[] = {
		{"malloc", CALL_MALLOC, DOMAIN_HEAP},
		{"calloc", CALL_CALLOC, DOMAIN_HEAP},
		{"realloc", CALL_REALLOC, DOMAIN_HEAP},
		{"reallocarray", CALL_REALLOCARRAY, DOMAIN_HEAP},
		{"free", CALL_FREE, DOMAIN_HEAP},
		{"posix_memalign", CALL_POSIX_MEMALIGN, DOMAIN_HEAP},
		{"aligned_alloc", CALL_ALIGNED, DOMAIN_HEAP},
		{"memalign", CALL_ALIGNED, DOMAIN_HEAP},
		{"valloc", CALL_MALLOC, DOMAIN_HEAP},
		{"pvalloc", CALL_MALLOC, DOMAIN_HEAP},
		{"cfree", CALL_FREE, DOMAIN_HEAP},
		{"free_sized", CALL_FREE, DOMAIN_HEAP},
		{"free_aligned_sized", CALL_FREE, DOMAIN_HEAP},
		{"mallocx", CALL_MALLOC, DOMAIN_HEAP},
		{"rallocx", CALL_REALLOC, DOMAIN_HEAP},
		{"dallocx", CALL_FREE, DOMAIN_HEAP},
		{"sdallocx", CALL_FREE, DOMAIN_HEAP},
		{"je_aligned_alloc", CALL_ALIGNED, DOMAIN_HEAP},
		{"_rjem_sdallocx", CALL_FREE, DOMAIN_HEAP},
		{"tc_memalign", CALL_ALIGNED, DOMAIN_HEAP},
		{"tc_new_aligned", CALL_MALLOC, DOMAIN_HEAP},
		{"mi_recalloc", CALL_REALLOCARRAY, DOMAIN_HEAP},
		{"mi_heap_malloc", CALL_ALIGNED, DOMAIN_HEAP},
		{"mmap", CALL_MMAP, DOMAIN_MMAP},
		{"mmap64", CALL_MMAP, DOMAIN_MMAP},
		{"munmap", CALL_MUNMAP, DOMAIN_MMAP},
		{"mremap", CALL_MREMAP, DOMAIN_MMAP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		const struct allocator_function *row = allocators__find(expected[i].symbol);

		assert_non_null(row);
		assert_int_equal(row->kind, expected[i].kind);
		assert_int_equal(row->domain, expected[i].domain);
		assert_false(row->cpp);
	}
	assert_null(allocators__find("xmalloc"));
	assert_null(allocators__find(""));
	assert_null(allocators__find("malloc_usable_size"));
	assert_null(allocators__find("xallocx"));
}

/* What `g++ -std=c++17 -S` calls the 8 + 12 replaceable functions of [new.delete] on x86-64. */
static void every_operator_is_there(void **state)
{
	static const char *const tails_new[] = {"", "RKSt9nothrow_t", "St11align_val_t",
						"St11align_val_tRKSt9nothrow_t"};
	static const char *const tails_delete[] = {"",
						   "m",
						   "RKSt9nothrow_t",
						   "St11align_val_t",
						   "mSt11align_val_t",
						   "St11align_val_tRKSt9nothrow_t"};
	char name[64];

	(void)state;
	for (int array = 0; array < 2; array++) {
		for (size_t i = 0; i < 4; i++) {
			snprintf(name, sizeof(name), "%s%s", array ? "_Znam" : "_Znwm", tails_new[i]);
			assert_non_null(allocators__find(name));
			assert_int_equal(allocators__find(name)->kind, CALL_MALLOC);
			assert_true(allocators__find(name)->cpp);
		}
		for (size_t i = 0; i < 6; i++) {
			snprintf(name, sizeof(name), "%s%s", array ? "_ZdaPv" : "_ZdlPv", tails_delete[i]);
			assert_non_null(allocators__find(name));
			assert_int_equal(allocators__find(name)->kind, CALL_FREE);
			assert_true(allocators__find(name)->cpp);
		}
	}
}

static void own_frames_are_told_from_callers(void **state)
{
	static const char *const own[] = {
		"malloc",
		"malloc@@GLIBC_2.2.5",
		"free@plt",
		"__libc_calloc",
		"__GI___libc_malloc",
		"_int_malloc",
		"_Znwm",
		"operator new(unsigned long)",
		"operator new[](unsigned long, std::nothrow_t const&)",
		"operator delete(void*, unsigned long)",
		"std::allocator<int>::allocate(unsigned long)",
		"std::allocator_traits<std::allocator<int> >::allocate(std::allocator<int>&, unsigned long)",
		"__gnu_cxx::new_allocator<char>::allocate(unsigned long, void const*)",
		"std::__new_allocator<char>::deallocate(char*, unsigned long)",
		"__rust_alloc",
		"alloc::alloc::exchange_malloc",
		"mi_malloc",
	};
	static const char *const others[] = {
		"xmalloc",
		"main",
		"",
		"g_malloc",
		"my_malloc",
		"malloc_pool",
		"operator newest(int)",
		"std::vector<int, std::allocator<int> >::push_back(int const&)",
		"std::allocator<int>::allocator()",
		"__gnu_cxx::hash<int>::allocate(int)",
		"mi_init",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (!allocators__is_own(own[i]))
			fail_msg("%s is an allocator's own", own[i]);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (allocators__is_own(others[i]))
			fail_msg("%s is no allocator's own", others[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_sorted_and_whole),
		cmocka_unit_test(every_entry_point_has_its_kind),
		cmocka_unit_test(every_operator_is_there),
		cmocka_unit_test(own_frames_are_told_from_callers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

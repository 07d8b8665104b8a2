// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attach/allocators.h"

#include <stdlib.h>
#include <string.h>

#define HEAP(name, call)                                                                                     \
	{                                                                                                    \
		.symbol = (name), .kind = (call), .domain = DOMAIN_HEAP                                      \
	}
#define CPP(name, call)                                                                                      \
	{                                                                                                    \
		.symbol = (name), .kind = (call), .domain = DOMAIN_HEAP, .cpp = true                         \
	}
#define MAP(name, call)                                                                                      \
	{                                                                                                    \
		.symbol = (name), .kind = (call), .domain = DOMAIN_MMAP                                      \
	}

/*
 * Sorted by strcmp(), as allocators__find() searches it by halves.
 *
 * C and POSIX names: malloc(3), posix_memalign(3), C23 7.24.3. C++ names: [new.delete] as the Itanium ABI
 * mangles them for a 64-bit size_t. mallocx and its kin, also with the prefixes je_ (jemalloc's own) and
 * _rjem_ (the Rust crate): jemalloc(3). tc_: gperftools/tcmalloc.h. mi_: mimalloc.h; mi_heap_…(heap, size)
 * has the shape of an aligned allocation, size second. Left out because their arguments do not tell the size:
 * xallocx (resizes in place), mi_strdup and its kin, mi_heap_calloc, mi_heap_realloc (size third).
 */
const struct allocator_function allocator_functions[] = {
	CPP("_ZdaPv", CALL_FREE),
	CPP("_ZdaPvRKSt9nothrow_t", CALL_FREE),
	CPP("_ZdaPvSt11align_val_t", CALL_FREE),
	CPP("_ZdaPvSt11align_val_tRKSt9nothrow_t", CALL_FREE),
	CPP("_ZdaPvm", CALL_FREE),
	CPP("_ZdaPvmSt11align_val_t", CALL_FREE),
	CPP("_ZdlPv", CALL_FREE),
	CPP("_ZdlPvRKSt9nothrow_t", CALL_FREE),
	CPP("_ZdlPvSt11align_val_t", CALL_FREE),
	CPP("_ZdlPvSt11align_val_tRKSt9nothrow_t", CALL_FREE),
	CPP("_ZdlPvm", CALL_FREE),
	CPP("_ZdlPvmSt11align_val_t", CALL_FREE),
	CPP("_Znam", CALL_MALLOC),
	CPP("_ZnamRKSt9nothrow_t", CALL_MALLOC),
	CPP("_ZnamSt11align_val_t", CALL_MALLOC),
	CPP("_ZnamSt11align_val_tRKSt9nothrow_t", CALL_MALLOC),
	CPP("_Znwm", CALL_MALLOC),
	CPP("_ZnwmRKSt9nothrow_t", CALL_MALLOC),
	CPP("_ZnwmSt11align_val_t", CALL_MALLOC),
	CPP("_ZnwmSt11align_val_tRKSt9nothrow_t", CALL_MALLOC),
	HEAP("_rjem_aligned_alloc", CALL_ALIGNED),
	HEAP("_rjem_calloc", CALL_CALLOC),
	HEAP("_rjem_dallocx", CALL_FREE),
	HEAP("_rjem_free", CALL_FREE),
	HEAP("_rjem_free_aligned_sized", CALL_FREE),
	HEAP("_rjem_free_sized", CALL_FREE),
	HEAP("_rjem_malloc", CALL_MALLOC),
	HEAP("_rjem_mallocx", CALL_MALLOC),
	HEAP("_rjem_memalign", CALL_ALIGNED),
	HEAP("_rjem_posix_memalign", CALL_POSIX_MEMALIGN),
	HEAP("_rjem_pvalloc", CALL_MALLOC),
	HEAP("_rjem_rallocx", CALL_REALLOC),
	HEAP("_rjem_realloc", CALL_REALLOC),
	HEAP("_rjem_sdallocx", CALL_FREE),
	HEAP("_rjem_valloc", CALL_MALLOC),
	HEAP("aligned_alloc", CALL_ALIGNED),
	HEAP("calloc", CALL_CALLOC),
	HEAP("cfree", CALL_FREE),
	HEAP("dallocx", CALL_FREE),
	HEAP("free", CALL_FREE),
	HEAP("free_aligned_sized", CALL_FREE),
	HEAP("free_sized", CALL_FREE),
	HEAP("je_aligned_alloc", CALL_ALIGNED),
	HEAP("je_calloc", CALL_CALLOC),
	HEAP("je_dallocx", CALL_FREE),
	HEAP("je_free", CALL_FREE),
	HEAP("je_free_aligned_sized", CALL_FREE),
	HEAP("je_free_sized", CALL_FREE),
	HEAP("je_malloc", CALL_MALLOC),
	HEAP("je_mallocx", CALL_MALLOC),
	HEAP("je_memalign", CALL_ALIGNED),
	HEAP("je_posix_memalign", CALL_POSIX_MEMALIGN),
	HEAP("je_pvalloc", CALL_MALLOC),
	HEAP("je_rallocx", CALL_REALLOC),
	HEAP("je_realloc", CALL_REALLOC),
	HEAP("je_sdallocx", CALL_FREE),
	HEAP("je_valloc", CALL_MALLOC),
	HEAP("malloc", CALL_MALLOC),
	HEAP("mallocx", CALL_MALLOC),
	HEAP("memalign", CALL_ALIGNED),
	HEAP("mi_aligned_alloc", CALL_ALIGNED),
	HEAP("mi_calloc", CALL_CALLOC),
	HEAP("mi_calloc_aligned", CALL_CALLOC),
	HEAP("mi_calloc_aligned_at", CALL_CALLOC),
	HEAP("mi_cfree", CALL_FREE),
	HEAP("mi_free", CALL_FREE),
	HEAP("mi_free_aligned", CALL_FREE),
	HEAP("mi_free_size", CALL_FREE),
	HEAP("mi_free_size_aligned", CALL_FREE),
	HEAP("mi_heap_malloc", CALL_ALIGNED),
	HEAP("mi_heap_malloc_aligned", CALL_ALIGNED),
	HEAP("mi_heap_malloc_small", CALL_ALIGNED),
	HEAP("mi_heap_zalloc", CALL_ALIGNED),
	HEAP("mi_heap_zalloc_aligned", CALL_ALIGNED),
	HEAP("mi_malloc", CALL_MALLOC),
	HEAP("mi_malloc_aligned", CALL_MALLOC),
	HEAP("mi_malloc_aligned_at", CALL_MALLOC),
	HEAP("mi_malloc_small", CALL_MALLOC),
	HEAP("mi_mallocn", CALL_CALLOC),
	HEAP("mi_memalign", CALL_ALIGNED),
	HEAP("mi_new", CALL_MALLOC),
	HEAP("mi_new_aligned", CALL_MALLOC),
	HEAP("mi_new_aligned_nothrow", CALL_MALLOC),
	HEAP("mi_new_n", CALL_CALLOC),
	HEAP("mi_new_nothrow", CALL_MALLOC),
	HEAP("mi_new_realloc", CALL_REALLOC),
	HEAP("mi_new_reallocn", CALL_REALLOCARRAY),
	HEAP("mi_posix_memalign", CALL_POSIX_MEMALIGN),
	HEAP("mi_pvalloc", CALL_MALLOC),
	HEAP("mi_realloc", CALL_REALLOC),
	HEAP("mi_realloc_aligned", CALL_REALLOC),
	HEAP("mi_realloc_aligned_at", CALL_REALLOC),
	HEAP("mi_reallocarray", CALL_REALLOCARRAY),
	HEAP("mi_reallocf", CALL_REALLOC),
	HEAP("mi_reallocn", CALL_REALLOCARRAY),
	HEAP("mi_recalloc", CALL_REALLOCARRAY),
	HEAP("mi_recalloc_aligned", CALL_REALLOCARRAY),
	HEAP("mi_recalloc_aligned_at", CALL_REALLOCARRAY),
	HEAP("mi_rezalloc", CALL_REALLOC),
	HEAP("mi_rezalloc_aligned", CALL_REALLOC),
	HEAP("mi_rezalloc_aligned_at", CALL_REALLOC),
	HEAP("mi_valloc", CALL_MALLOC),
	HEAP("mi_zalloc", CALL_MALLOC),
	HEAP("mi_zalloc_aligned", CALL_MALLOC),
	HEAP("mi_zalloc_aligned_at", CALL_MALLOC),
	HEAP("mi_zalloc_small", CALL_MALLOC),
	MAP("mmap", CALL_MMAP),
	MAP("mmap64", CALL_MMAP),
	MAP("mremap", CALL_MREMAP),
	MAP("munmap", CALL_MUNMAP),
	HEAP("posix_memalign", CALL_POSIX_MEMALIGN),
	HEAP("pvalloc", CALL_MALLOC),
	HEAP("rallocx", CALL_REALLOC),
	HEAP("realloc", CALL_REALLOC),
	HEAP("reallocarray", CALL_REALLOCARRAY),
	HEAP("sdallocx", CALL_FREE),
	HEAP("tc_calloc", CALL_CALLOC),
	HEAP("tc_cfree", CALL_FREE),
	HEAP("tc_delete", CALL_FREE),
	HEAP("tc_delete_aligned", CALL_FREE),
	HEAP("tc_delete_aligned_nothrow", CALL_FREE),
	HEAP("tc_delete_nothrow", CALL_FREE),
	HEAP("tc_delete_sized", CALL_FREE),
	HEAP("tc_delete_sized_aligned", CALL_FREE),
	HEAP("tc_deletearray", CALL_FREE),
	HEAP("tc_deletearray_aligned", CALL_FREE),
	HEAP("tc_deletearray_aligned_nothrow", CALL_FREE),
	HEAP("tc_deletearray_nothrow", CALL_FREE),
	HEAP("tc_deletearray_sized", CALL_FREE),
	HEAP("tc_deletearray_sized_aligned", CALL_FREE),
	HEAP("tc_free", CALL_FREE),
	HEAP("tc_free_sized", CALL_FREE),
	HEAP("tc_malloc", CALL_MALLOC),
	HEAP("tc_malloc_skip_new_handler", CALL_MALLOC),
	HEAP("tc_memalign", CALL_ALIGNED),
	HEAP("tc_new", CALL_MALLOC),
	HEAP("tc_new_aligned", CALL_MALLOC),
	HEAP("tc_new_aligned_nothrow", CALL_MALLOC),
	HEAP("tc_new_nothrow", CALL_MALLOC),
	HEAP("tc_newarray", CALL_MALLOC),
	HEAP("tc_newarray_aligned", CALL_MALLOC),
	HEAP("tc_newarray_aligned_nothrow", CALL_MALLOC),
	HEAP("tc_newarray_nothrow", CALL_MALLOC),
	HEAP("tc_posix_memalign", CALL_POSIX_MEMALIGN),
	HEAP("tc_pvalloc", CALL_MALLOC),
	HEAP("tc_realloc", CALL_REALLOC),
	HEAP("tc_valloc", CALL_MALLOC),
	HEAP("valloc", CALL_MALLOC),
};

const size_t allocator_function_count = sizeof(allocator_functions) / sizeof(allocator_functions[0]);

static int compare_symbol(const void *name, const void *row)
{
	return strcmp(name, ((const struct allocator_function *)row)->symbol);
}

bool allocators__can_throw(const struct allocator_function *function)
{
	static const char *const prefixes[] = {"_Znw", "_Zna", "tc_new", "mi_new"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (!strncmp(function->symbol, prefixes[i], strlen(prefixes[i])))
			return !strstr(function->symbol, "nothrow");
	}
	return false;
}

const struct allocator_function *allocators__find(const char *symbol)
{
	return bsearch(symbol, allocator_functions, allocator_function_count, sizeof(allocator_functions[0]),
		       compare_symbol);
}

/* What stands between the table's functions and the pages: seen where an allocator has debugging information.
 */
static const char *const internal_functions[] = {
	"_int_free",       "_int_malloc",  "_int_memalign",       "_int_realloc",
	"_mid_memalign",   "__rust_alloc", "__rust_alloc_zeroed", "__rust_dealloc",
	"__rust_realloc",  "__rdl_alloc",  "__rdl_alloc_zeroed",  "__rdl_dealloc",
	"__rdl_realloc",   "__rg_alloc",   "__rg_alloc_zeroed",   "__rg_dealloc",
	"__rg_realloc",    "sysmalloc",    "malloc_consolidate",  "je_malloc_default",
	"je_free_default", "newImpl",      "fallbackNewImpl",
};

/* Whole families: what begins so is an allocator's own, whatever follows. */
static const char *const own_prefixes[] = {
	"operator new(",   "operator new[](", "operator delete(", "operator delete[](", "alloc::alloc::",
	"<alloc::alloc::", "std::sys::alloc", "std::alloc::",     "tcmalloc::",
};

/* Standard library classes of which allocate() and deallocate() alone are an allocator's own. */
static const char *const allocator_classes[] = {
	"std::allocator<",
	"std::__new_allocator<",
	"std::allocator_traits<",
	"std::__1::allocator<",
	"std::__1::allocator_traits<",
	"__gnu_cxx::new_allocator<",
	"__gnu_cxx::__alloc_traits<",
	"__gnu_cxx::malloc_allocator<",
};

static bool begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_allocator_class(const char *function)
{
	for (size_t i = 0; i < sizeof(allocator_classes) / sizeof(allocator_classes[0]); i++) {
		if (begins_with(function, allocator_classes[i]))
			return strstr(function, ">::allocate(") || strstr(function, ">::deallocate(");
	}
	return false;
}

bool allocators__is_own(const char *function)
{
	/* glibc's names for its own calls to itself */
	static const char *const decorations[] = {"__GI_", "__libc_", "__"};
	char name[128];
	size_t length = strcspn(function, "@");
	const char *plain = name;

	for (size_t i = 0; i < sizeof(own_prefixes) / sizeof(own_prefixes[0]); i++) {
		if (begins_with(function, own_prefixes[i]))
			return true;
	}
	if (is_allocator_class(function))
		return true;
	if (length >= sizeof(name))
		return false;
	memcpy(name, function, length);
	name[length] = '\0';
	for (size_t i = 0; i < sizeof(internal_functions) / sizeof(internal_functions[0]); i++) {
		if (strcmp(name, internal_functions[i]) == 0)
			return true;
	}
	if (allocators__find(plain))
		return true;
	for (size_t i = 0; i < sizeof(decorations) / sizeof(decorations[0]); i++) {
		if (begins_with(plain, decorations[i]))
			plain += strlen(decorations[i]);
	}
	return allocators__find(plain) != NULL;
}

// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The recorder: the malloc family between a program and its allocator. Sizes are those that were asked for.
 * realloc that succeeds frees the old block and allocates a new one at its own caller's site, even in place;
 * one that fails changes nothing. Only the outermost call of a thread counts.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "books.h"

/* The entry points in entry.S jump here: their own arguments, then in rcx who called. */
void *oracle_malloc(size_t size, long, long, const void *caller);
void *oracle_calloc(size_t n, size_t size, long, const void *caller);
void *oracle_realloc(void *old, size_t size, long, const void *caller);
void *oracle_reallocarray(void *old, size_t n, size_t size, const void *caller);
int oracle_posix_memalign(void **block, size_t alignment, size_t size, const void *caller);
void *oracle_aligned_alloc(size_t alignment, size_t size, long, const void *caller);
void *oracle_memalign(size_t alignment, size_t size, long, const void *caller);
void *oracle_valloc(size_t size, long, long, const void *caller);
void *oracle_pvalloc(size_t size, long, long, const void *caller);
void oracle_free(void *block);

static struct {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void *(*reallocarray)(void *, size_t, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	void *(*memalign)(size_t, size_t);
	void *(*valloc)(size_t);
	void *(*pvalloc)(size_t);
	void (*free)(void *);
	bool found;
} real;

/* Initial-exec: reaching it must not allocate. */
static __thread unsigned depth __attribute__((tls_model("initial-exec")));

/* What dlsym itself asks for while the real functions are being looked up; never given back. */
static struct {
	_Alignas(16) unsigned char bytes[16384];
	size_t used;
} early;

static void *early_malloc(size_t size)
{
	size_t whole = (size + 15) / 16 * 16;

	if (size > sizeof(early.bytes) || whole > sizeof(early.bytes) - early.used)
		abort();
	early.used += whole;
	return early.bytes + early.used - whole;
}

static bool is_early(const void *block)
{
	return (uintptr_t)block - (uintptr_t)early.bytes < sizeof(early.bytes);
}

static void find(void *function, const char *name)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	memcpy(function, &symbol, sizeof(symbol));
}

static void find_all(void)
{
	int saved = errno;

	find(&real.calloc, "calloc");
	find(&real.realloc, "realloc");
	find(&real.reallocarray, "reallocarray");
	find(&real.posix_memalign, "posix_memalign");
	find(&real.aligned_alloc, "aligned_alloc");
	find(&real.memalign, "memalign");
	find(&real.valloc, "valloc");
	find(&real.pvalloc, "pvalloc");
	find(&real.free, "free");
	find(&real.malloc, "malloc");
	real.found = true;
	errno = saved;
}

/* True: the call is the outermost, and leave() must follow. */
static bool enter(void)
{
	if (depth)
		return false;
	depth++;
	if (!real.found)
		find_all();
	if (books__ready()) {
		books__call();
		return true;
	}
	depth--;
	return false;
}

static void leave(void)
{
	depth--;
}

static void *allocated(void *block, size_t size, const void *caller)
{
	if (block)
		books__allocated(block, size, caller);
	else
		books__failed();
	leave();
	return block;
}

void *oracle_malloc(size_t size, long unused1 __attribute__((unused)), long unused2 __attribute__((unused)),
		    const void *caller)
{
	if (!enter())
		return real.malloc ? real.malloc(size) : early_malloc(size);
	return allocated(real.malloc(size), size, caller);
}

void *oracle_calloc(size_t n, size_t size, long unused __attribute__((unused)), const void *caller)
{
	if (!enter())
		return real.calloc ? real.calloc(n, size) : early_malloc(n * size);
	return allocated(real.calloc(n, size), n * size, caller);
}

/* After realloc or reallocarray of @old (taken: whether it was in the books, as @was) to @size gave @block.
 */
static void *reallocated(void *old, bool taken, const struct oracle_block *was, void *block, size_t size,
			 bool overflow, const void *caller)
{
	/* glibc's realloc(p, 0) frees p and returns NULL; another allocator may return an empty block. */
	bool gone = block || (old && size == 0 && !overflow);

	if (gone && taken)
		books__freed(was);
	else if (gone && old)
		books__unknown_free();
	else if (taken)
		books__put_back(was);
	if (gone && !block) {
		leave();
		return NULL;
	}
	return allocated(block, size, caller);
}

/* A block from the time before the real functions were known moves to the real allocator. */
static void *move_early(void *old, size_t size)
{
	size_t rest = early.bytes + sizeof(early.bytes) - (unsigned char *)old;
	void *block = real.malloc(size);

	return block ? memcpy(block, old, size < rest ? size : rest) : NULL;
}

void *oracle_realloc(void *old, size_t size, long unused __attribute__((unused)), const void *caller)
{
	struct oracle_block was = {0};
	bool taken;
	void *block;

	if (!enter())
		return is_early(old) ? move_early(old, size) : real.realloc(old, size);
	taken = old && books__take(old, &was);
	block = is_early(old) ? move_early(old, size) : real.realloc(old, size);
	return reallocated(old, taken, &was, block, size, false, caller);
}

void *oracle_reallocarray(void *old, size_t n, size_t size, const void *caller)
{
	struct oracle_block was = {0};
	size_t bytes;
	bool taken, overflow = __builtin_mul_overflow(n, size, &bytes);

	if (!enter())
		return real.reallocarray(old, n, size);
	taken = old && books__take(old, &was);
	return reallocated(old, taken, &was, real.reallocarray(old, n, size), overflow ? 0 : bytes, overflow,
			   caller);
}

int oracle_posix_memalign(void **block, size_t alignment, size_t size, const void *caller)
{
	int err;

	if (!enter())
		return real.posix_memalign(block, alignment, size);
	err = real.posix_memalign(block, alignment, size);
	allocated(err ? NULL : *block, size, caller);
	return err;
}

void *oracle_aligned_alloc(size_t alignment, size_t size, long unused __attribute__((unused)),
			   const void *caller)
{
	if (!enter())
		return real.aligned_alloc(alignment, size);
	return allocated(real.aligned_alloc(alignment, size), size, caller);
}

void *oracle_memalign(size_t alignment, size_t size, long unused __attribute__((unused)), const void *caller)
{
	if (!enter())
		return real.memalign(alignment, size);
	return allocated(real.memalign(alignment, size), size, caller);
}

void *oracle_valloc(size_t size, long unused1 __attribute__((unused)), long unused2 __attribute__((unused)),
		    const void *caller)
{
	if (!enter())
		return real.valloc(size);
	return allocated(real.valloc(size), size, caller);
}

void *oracle_pvalloc(size_t size, long unused1 __attribute__((unused)), long unused2 __attribute__((unused)),
		     const void *caller)
{
	if (!enter())
		return real.pvalloc(size);
	return allocated(real.pvalloc(size), size, caller);
}

void oracle_free(void *block)
{
	struct oracle_block was = {0};
	bool outermost;

	if (!block)
		return;
	outermost = enter();
	if (outermost) {
		if (books__take(block, &was))
			books__freed(&was);
		else
			books__unknown_free();
	}
	if (!is_early(block))
		real.free(block);
	if (outermost)
		leave();
}

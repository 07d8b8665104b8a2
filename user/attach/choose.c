// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The choice of an instruction within a function: bytes in, no file and no process. */
#include "attach/sites.h"

#include <stdio.h>
#include <string.h>
#include "attach/decode.h"

/* A site's cookie has 8 bits for it. */
#define SP_ADJUST_MAX 248

/* Where the walk over a function's first instructions stands. */
struct walk {
	size_t offset;
	int64_t sp_adjust;
	bool in_filler; /* nothing but endbr64 and nops so far */
	bool exhausted; /* no later instruction can be a site; stopped_by says why */
	const char *stopped_by;
};

enum site_cost sites__classify(const uint8_t *code, size_t size, uint64_t vaddr, size_t *length)
{
	struct decoded decoded;
	bool valid = decode__instruction(code, size, vaddr, &decoded);

	if (length)
		*length = valid ? decoded.length : 0;
	return valid ? decoded.cost : SITE_REFUSED;
}

const char *site_cost__name(enum site_cost cost)
{
	switch (cost) {
	case SITE_NOP5:
		return "nop5";
	case SITE_EMULATED:
		return "emulated";
	case SITE_STEPPED:
		return "single-stepped";
	case SITE_REFUSED:
		break;
	}
	return "refused";
}

unsigned sites__arguments(enum call_kind kind)
{
	switch (kind) {
	case CALL_MALLOC:
	case CALL_FREE:
		return 1;
	case CALL_CALLOC:
	case CALL_REALLOC:
	case CALL_ALIGNED:
	case CALL_MUNMAP:
		return 2;
	case CALL_REALLOCARRAY:
	case CALL_POSIX_MEMALIGN:
		return 3;
	case CALL_MMAP:
	case CALL_MREMAP:
		return 4;
	case CALL_NONE:
	case CALL_KINDS:
		break;
	}
	return 6;
}

bool sites__wants_return(enum call_kind kind)
{
	return kind != CALL_FREE && kind != CALL_MUNMAP;
}

/*
 * The lowest offset behind the function's start that a direct branch within it goes to, or @size. A probe at
 * or behind such a place could be hit twice in one call. Bytes that do not decode are passed over one by one.
 */
static size_t lowest_branch_target(const uint8_t *code, size_t size, uint64_t vaddr)
{
	size_t lowest = size, offset = 0;

	while (offset < size) {
		struct decoded decoded;

		if (!decode__instruction(code + offset, size - offset, vaddr + offset, &decoded)) {
			offset++;
			continue;
		}
		if (decoded.has_target && decoded.flow != FLOW_CALL && decoded.target > vaddr &&
		    decoded.target - vaddr < lowest)
			lowest = decoded.target - vaddr;
		offset += decoded.length;
	}
	return lowest;
}

static void stop(struct walk *walk, const char *why)
{
	walk->exhausted = true;
	walk->stopped_by = why;
}

/* Moves behind @decoded and says whether the next instruction can still be a site. */
static void step(struct walk *walk, const struct decoded *decoded, bool wants_return, unsigned arguments)
{
	walk->offset += decoded->length;
	walk->in_filler = walk->in_filler && decoded->filler;
	walk->sp_adjust += decoded->sp_delta;
	if (decoded->flow == FLOW_CONDITIONAL)
		stop(walk, "a conditional jump");
	else if (decoded->flow != FLOW_NEXT)
		stop(walk, "a jump, call or return");
	else if (decoded->arguments_written & ((1u << arguments) - 1))
		stop(walk, "a write to an argument's register");
	else if (!decoded->sp_known || walk->sp_adjust < 0 || walk->sp_adjust > SP_ADJUST_MAX)
		stop(walk, "a change of the stack pointer");
	else if (wants_return && walk->sp_adjust)
		stop(walk, "a change of the stack pointer");
	else if (!wants_return && decoded->stores)
		stop(walk, "a write to memory");
}

static void take(struct site *site, const struct walk *walk, enum site_cost cost)
{
	site->offset = (uint32_t)walk->offset;
	site->sp_adjust = (uint32_t)walk->sp_adjust;
	site->cost = cost;
}

/*
 * Whether a site of @cost at @walk is better than the one taken so far. The emulated forms are so on every
 * kernel; the 5-byte nop only on some, so it does not displace them. It is taken only where no instruction
 * before it can have put data below the stack pointer, as the call that newer kernels write in its place
 * pushes there.
 */
static bool is_better(const struct site *site, const struct walk *walk, enum site_cost cost)
{
	if (cost == SITE_EMULATED)
		return site->cost != SITE_EMULATED;
	if (cost == SITE_NOP5)
		return walk->in_filler && site->cost != SITE_EMULATED && site->cost != SITE_NOP5;
	return cost == SITE_STEPPED && site->cost == SITE_REFUSED;
}

static void explain(struct site *site, const struct walk *walk, bool wants_return)
{
	const char *kept = wants_return ? "arguments and return address in place" : "arguments in place";
	char *reason = site->reason;
	size_t size = sizeof(site->reason);

	if (site->cost == SITE_EMULATED)
		snprintf(reason, size, "first emulated instruction, %s", kept);
	else if (site->cost == SITE_NOP5)
		snprintf(reason, size, "5-byte nop, %s", kept);
	else if (site->cost == SITE_STEPPED && site->offset == 0)
		snprintf(reason, size, "the symbol: no emulated instruction before %s", walk->stopped_by);
	else if (site->cost == SITE_STEPPED)
		snprintf(reason, size, "the kernel takes no probe before, none emulated before %s",
			 walk->stopped_by);
	else
		snprintf(reason, size, "no instruction that takes a probe before %s", walk->stopped_by);
}

void sites__choose(const uint8_t *code, size_t size, uint64_t vaddr, bool wants_return, unsigned arguments,
		   struct site *site)
{
	size_t window = size < SITES_CHOICE_BYTES ? size : SITES_CHOICE_BYTES;
	struct walk walk = {.in_filler = true, .stopped_by = "the end of the code"};
	size_t lowest;

	if (size > SITES_FUNCTION_BYTES)
		size = SITES_FUNCTION_BYTES;
	lowest = lowest_branch_target(code, size, vaddr);
	take(site, &walk, SITE_REFUSED);
	while (!walk.exhausted && walk.offset < window) {
		struct decoded decoded;

		if (walk.offset && walk.offset >= lowest) {
			stop(&walk, "a place that the function jumps back to");
			break;
		}
		if (!decode__instruction(code + walk.offset, size - walk.offset, vaddr + walk.offset,
					 &decoded)) {
			stop(&walk, "bytes that are no instruction");
			break;
		}
		if (is_better(site, &walk, decoded.cost))
			take(site, &walk, decoded.cost);
		if (site->cost == SITE_EMULATED)
			break;
		step(&walk, &decoded, wants_return, arguments);
	}
	decode__format(code + site->offset, size - site->offset, vaddr + site->offset, site->instruction,
		       sizeof(site->instruction));
	explain(site, &walk, wants_return);
}

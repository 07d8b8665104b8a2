// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "world_private.h"

#define CALL_BYTES 96u

static bool is_outermost(const struct world_thread *thread, __u32 kind)
{
	for (size_t i = 0; i < thread->depth; i++) {
		const struct activation *outer = &thread->calls[i];

		if (outer->counted && returns(outer->kind) && (!is_mmap(outer->kind) || is_mmap(kind)))
			return false;
	}
	return true;
}

static void choose_arguments(struct world *world, struct world_process *process, struct activation *call)
{
	static const __u64 sizes[] = {0, 1, 24, 100, 4096, 1 << 20};
	__u64 size = sizes[world__choose(world, 6)], count = 1 + world__choose(world, 3), block = 0;
	struct registers *regs = &call->regs;

	call->size = size;
	call->old = -1;
	if (is_realloc(call->kind) || call->kind == CALL_FREE) {
		if (world__choose(world, 8))
			call->old = world__find(world, process, ADDRESS_USED);
		block = call->old >= 0 ? block_address(call->old) : 0;
	}
	if (call->kind == CALL_CALLOC || call->kind == CALL_REALLOCARRAY) {
		bool overflows = !world__choose(world, 10);

		if (overflows) {
			size = 1ull << 40;
			count = 1ull << 30;
		}
		call->size = overflows ? ~0ull : size * count;
	}
	switch (call->kind) {
	case CALL_CALLOC:
		regs->rdi = count;
		regs->rsi = size;
		break;
	case CALL_REALLOC:
		regs->rdi = block;
		regs->rsi = size;
		break;
	case CALL_REALLOCARRAY:
		regs->rdi = block;
		regs->rsi = count;
		regs->rdx = size;
		break;
	case CALL_ALIGNED:
		regs->rdi = 64;
		regs->rsi = size;
		break;
	case CALL_POSIX_MEMALIGN:
		call->slot = world__choose(world, 12) ? call->sp + 16 : UNMAPPED;
		regs->rdi = call->slot;
		regs->rdx = size;
		break;
	case CALL_FREE:
		regs->rdi = block;
		break;
	case CALL_MMAP:
		regs->rsi = size;
		regs->rcx = 0x22;
		break;
	case CALL_MUNMAP:
		regs->rdi = 0x700000 + world__choose(world, 8) * 4096;
		regs->rsi = size;
		break;
	case CALL_MREMAP:
		regs->rdi = 0x700000 + world__choose(world, 8) * 4096;
		regs->rsi = 4096;
		regs->rdx = size;
		break;
	default:
		regs->rdi = size;
	}
}

/* What the model makes of an entry. */
static void book_entry(struct world *world, unsigned account, struct world_process *process,
		       struct world_thread *thread, struct activation *call)
{
	struct event event = {.type = EVENT_MUNMAP, .account = account + 1};
	struct model *model = &world->model;
	struct model_block block;

	if (call->kind == CALL_MUNMAP) {
		event.arg[0] = call->regs.rdi;
		event.arg[1] = call->regs.rsi;
		model__event(model, &event, 0);
	} else if (call->kind == CALL_FREE && call->old >= 0) {
		process->addresses[call->old] = ADDRESS_BUSY;
		if (model__take(model, account, call->old, &block))
			model__freed(model, &block);
		else if (thread->last_freed != call->old)
			model->free_unknown++;
		thread->last_freed = call->old;
	} else if (!is_mmap(call->kind) && call->kind != CALL_FREE) {
		thread->last_freed = -1;
		if (call->old >= 0) {
			process->addresses[call->old] = ADDRESS_BUSY;
			call->parked = model__take(model, account, call->old, &call->old_block);
		}
	}
}

static __u32 choose_kind(struct world *world, const struct world_thread *thread, bool tail)
{
	__u32 outer = thread->depth ? thread->calls[thread->depth - 1].kind : CALL_NONE;

	if (outer == CALL_FREE)
		return CALL_FREE;
	if (tail || is_mmap(outer))
		return CALL_MMAP;
	/* malloc, free and realloc are what programs call most. */
	return world__choose(world, 3)
		       ? (__u32[]){CALL_MALLOC, CALL_FREE, CALL_REALLOC}[world__choose(world, 3)]
		       : CALL_MALLOC + world__choose(world, CALL_KINDS - CALL_MALLOC);
}

void world__enter(struct world *world, unsigned account, struct world_process *process,
		  struct world_thread *thread)
{
	struct activation *outer = thread->depth ? &thread->calls[thread->depth - 1] : NULL;
	struct activation *call = &thread->calls[thread->depth];
	/* A function that jumps to another one; one that is not its like would return another kind of result.
	 */
	bool tail = outer && outer->kind >= CALL_MALLOC && outer->kind <= CALL_ALIGNED &&
		    !world__choose(world, 3);
	__u64 cookie;

	if (thread->depth == WORLD_DEPTH)
		return;
	/* A free that is forwarded is forwarded before the block can be another's. */
	for (size_t i = 0; i < thread->depth; i++) {
		if (thread->calls[i].kind == CALL_FREE && thread->calls[i].acted)
			return;
	}
	memset(call, 0, sizeof(*call));
	call->kind =
		tail ? CALL_MALLOC + (outer->kind - CALL_MALLOC + 1) % 5 : choose_kind(world, thread, false);
	call->tail = tail;
	call->sp = outer ? outer->sp : thread->base;
	if (!tail)
		call->sp -= CALL_BYTES + 16 * world__choose(world, 3);
	call->made = -1;
	call->caller = world__choose(world, MODEL_CALLERS);
	call->chain = world__choose(world, MODEL_CHAINS);
	choose_arguments(world, process, call);
	if (outer && outer->kind == CALL_FREE) { /* forwarded */
		call->regs = outer->regs;
		call->old = outer->old;
	}
	call->counted = is_outermost(thread, call->kind) && !(outer && outer->kind == CALL_FREE);
	/* Another function at every depth, with its probe at another place. */
	cookie = SITE_COOKIE(call->kind, thread->depth & 1 ? 8 : 0, TALLY_ENTRY_EMULATED,
			     call->kind * 16 + thread->depth);
	call->cookie = cookie;
	world->model.entries++;
	if (call->counted)
		book_entry(world, account, process, thread, call);
	thread->depth++;
	machine__enter(thread->machine, cookie, call->regs, call->sp,
		       tail ? 0 : caller_address(call->caller));
}

static void book_heap_return(struct world *world, unsigned account, struct activation *call, unsigned site)
{
	struct model *model = &world->model;

	if (call->kind == CALL_POSIX_MEMALIGN && call->made >= 0 && call->slot == UNMAPPED) {
		model__lose(model, LOSS_RESULT_UNREADABLE, call->size);
		model->allocations++;
		model->allocated_bytes += call->size;
		return;
	}
	if (call->old >= 0 && call->made < 0 && call->size) {
		if (call->parked)
			model__put_back(model, account, call->old, &call->old_block);
	} else if (call->old >= 0) {
		if (call->parked)
			model__freed(model, &call->old_block);
		else
			model->free_unknown++;
	}
	if (call->made >= 0) {
		model->allocations++;
		model->allocated_bytes += call->size;
		model__allocate(model, account, call->made, call->size, site);
	} else if (call->size || call->old < 0) {
		model->failed++;
	}
}

static void book_mmap_return(struct world *world, unsigned account, struct activation *call, unsigned site,
			     __u64 result)
{
	struct event event = {.type = EVENT_MMAP, .account = account + 1, .arg = {result, call->size, 0x22}};

	if (result >= -4095ull) {
		world->model.failed++;
		return;
	}
	world->model.allocations++;
	world->model.allocated_bytes += call->size;
	if (!model__stack(&world->model, site, call->size))
		return;
	if (call->kind == CALL_MREMAP) {
		event.type = EVENT_MREMAP;
		event.arg[0] = call->regs.rdi;
		event.arg[1] = call->regs.rsi;
		event.arg[2] = result;
		event.arg[3] = call->size;
	}
	model__event(&world->model, &event, site);
}

/* The innermost call returns, and with it those that jumped to it. */
void world__leave(struct world *world, unsigned account, struct world_process *process,
		  struct world_thread *thread)
{
	struct activation *last = &thread->calls[thread->depth - 1], *first = last;
	__u64 result = world__choose(world, 4) ? 0x800000 + world__choose(world, 8) * 4096ull : -12ull;
	unsigned site;

	while (first->tail)
		first--;
	thread->depth = first - thread->calls;
	for (struct activation *call = first; call <= last && call->counted && !is_mmap(call->kind); call++) {
		if (!call->acted)
			world__act(world, process, call);
		world__settle(process, call);
		result = call->made >= 0 ? block_address(call->made) : 0;
		if (call->kind == CALL_POSIX_MEMALIGN)
			result = 0xabcd00000000ull | (call->made >= 0 ? 0 : ENOMEM);
	}
	site = model__site(account, is_mmap(first->kind) ? DOMAIN_MMAP : DOMAIN_HEAP, first->caller,
			   first->chain);
	if (first->counted && returns(first->kind)) {
		world->model.returns++;
		if (is_mmap(first->kind)) {
			book_mmap_return(world, account, first, site, result);
		} else {
			thread->last_freed = -1;
			book_heap_return(world, account, first, site);
		}
	}
	machine__leave(thread->machine, first->sp, result, thread->fps[first->chain]);
}
